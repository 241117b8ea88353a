"""The bodies that the service takes and gives, as pydantic models: its OpenAPI document is made from them.

Unknown fields are refused, so that a misspelt option is an error and not a silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from verifier.given import gold_text, prediction_text
from verifier.service.errors import pointer, sentence
from verifier.verdict import Strength

MAX_BLOCKS = 400
MAX_FORKS = 64


def _sound(text: str) -> str:
    """Refuse half of a surrogate pair: JSON can write one, but no UTF-8 answer could hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the character at {error.start} is half of a surrogate pair") from error
    return text


ValidText = Annotated[str, AfterValidator(_sound)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _as_text(read: Callable[[object], object]) -> Callable[[object], object]:
    """Return a validator that makes text of what the library takes as an answer."""

    def validate(given: object) -> object:
        try:
            return read(given)
        except TypeError as error:
            raise ValueError(str(error)) from error

    return validate


_ONE: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_SEVERAL = {"type": [*_ONE["type"], "array"], "items": _ONE}
Prediction = Annotated[ValidText, BeforeValidator(_as_text(prediction_text)), WithJsonSchema(_ONE)]
Gold = Annotated[ValidText, BeforeValidator(_as_text(gold_text)), WithJsonSchema(_SEVERAL)]
Require = Annotated[
    Strength,
    Field(description="How strongly the answer must be stated: in a box, by a phrase, or in a sentence."),
]


class VerifyBody(_Body):
    """A prediction and the gold answer it is compared with."""

    prediction: Prediction = Field(
        description="A solution, or a bare answer; null states none.",
        examples=[r"So it is \boxed{\frac{1}{2}}."],
    )
    gold: Gold = Field(
        description="The gold answer, bare, wrapped or as a worked solution, or a list of alternatives. With null "
        "nothing can be verified.",
        examples=["0.5"],
    )
    rounding: Literal["exact", "sigfigs"] = Field(
        "exact",
        description="`sigfigs`: a decimal of three digits or more that is the other one rounded is right too.",
    )
    require: Require = "weak"


class BatchBody(_Body):
    """Predictions and gold answers; the verdicts come in their order."""

    # Left to right: what is no VerifyBody stays as it came, and costs only its own verdict.
    items: list[Annotated[VerifyBody | Any, Field(union_mode="left_to_right")]] = Field(
        description="What `/v1/verify` takes, one by one. An item that is something else is `unverifiable`."
    )


def why_refused(item: Any) -> str:
    """Return what is wrong with an item of a batch that is no ``VerifyBody``."""
    try:
        VerifyBody.model_validate(item)
    except ValidationError as error:
        wrong = error.errors()[0]
        return f"not checked: {pointer(wrong['loc'])}: {sentence(wrong)}"
    raise AssertionError("an item that is a VerifyBody is not refused")


class BlockBody(_Body):
    """One block of a solution."""

    type: Literal["text", "code", "execution"]
    content: ValidText


def _one_form(schema: dict[str, Any]) -> None:
    """Write into the JSON schema that exactly one of ``text`` and ``blocks`` is given."""
    for name in ("text", "blocks"):
        del schema["properties"][name]["default"]
    schema["oneOf"] = [{"required": ["text"]}, {"required": ["blocks"]}]


class SolutionBody(_Body):
    """A whole solution, as text or as blocks."""

    model_config = ConfigDict(json_schema_extra=_one_form)

    text: ValidText | SkipJsonSchema[None] = Field(
        None, description="The solution as a model wrote it: special tokens of MathCoder, or Markdown fences."
    )
    blocks: Annotated[list[BlockBody], Field(max_length=MAX_BLOCKS)] | SkipJsonSchema[None] = Field(
        None,
        description="The solution's blocks, in place of `text`.",
        examples=[
            [
                {"type": "code", "content": "print(2**10)"},
                {"type": "execution", "content": "1024"},
                {"type": "text", "content": r"\boxed{1024}"},
            ]
        ],
    )
    gold: Gold = Field(examples=["1024"])
    execute: bool = Field(
        False, description="Run the code again, isolated, and compare its outputs with the recorded."
    )
    rounding: Literal["exact", "sigfigs"] = "exact"
    require: Require = "weak"

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        given = {"text", "blocks"} & self.model_fields_set
        if len(given) != 1 or (self.text is None and self.blocks is None):
            raise ValueError("give either text or blocks")
        return self


class VerdictReply(BaseModel):
    """Whether an answer is right."""

    status: Literal["correct", "incorrect", "unverifiable"]
    correct: bool
    reason: str = Field(description="One line that a person can check.")
    prediction: str | None = Field(description="The final answer as it was extracted.")
    gold: str | None = Field(description="The gold answer as it was read.")
    seconds: float = Field(description="Time the check took, waiting not included.")
    strength: Literal["boxed", "stated", "weak"] | None = Field(
        default=None, description="How the answer is stated: in a box, by a phrase, or only in a sentence."
    )


class BatchReply(BaseModel):
    """The verdicts, in the order of the items."""

    verdicts: list[VerdictReply]


class SolutionReply(VerdictReply):
    """Whether a solution's answer is right, and how the solution came to it."""

    clean: bool = Field(description="No execution error, apology or repair anywhere.")
    clean_reason: str
    reproduces: bool | None = Field(
        description="Whether the code gave the recorded outputs again; null if not run."
    )
    first_difference: int | None = Field(description="Index of the first step whose output differs.")
    source: str = Field(description="Where the answer was read, such as `boxed`.")


class SessionBody(_Body):
    """Options of a new session: none as yet, so the body is `{}`."""


class SessionReply(BaseModel):
    """An isolated Python session."""

    id: str
    isolation: Literal["strict", "landlock", "none"] = Field(
        description="How the session is kept from the machine."
    )
    origin: Literal["start", "fork", "replay"] = Field(
        description="`replay`: a copy made by running its parent's cells again, where a fork would not be faithful."
    )
    idle_seconds: float = Field(description="The session is closed when it was not used for so long.")


class CellBody(_Body):
    """One cell of Python."""

    code: ValidText = Field(examples=["x = 2**10\nx"])


class CellReply(BaseModel):
    """What a cell did."""

    status: Literal["ok", "error", "timeout", "memory", "output", "died"]
    output: str = Field(description="What a model is shown after the code block.")
    stdout: str
    stderr: str
    error: str | None = Field(description="Name and message of the exception or of the limit met.")
    seconds: float
    truncated: bool = Field(description="Something the cell wrote was cut off.")
    state_lost: bool = Field(description="The variables are gone; the session refuses further cells.")
    isolation: Literal["strict", "landlock", "none"]


def _whole(number: object) -> object:
    """Take 2.0 for 2, as JSON Schema does."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


class ForkBody(_Body):
    """How many copies to make."""

    count: Annotated[int, BeforeValidator(_whole)] = Field(
        1, ge=1, le=MAX_FORKS, description="Copies; the session itself goes on beside them."
    )


class ForkReply(BaseModel):
    """The copies."""

    sessions: list[SessionReply]


class HealthReply(BaseModel):
    """The service takes requests."""

    status: Literal["ok"]
    requests: int = Field(description="Requests in flight.")
    sessions: int = Field(description="Sessions open.")


class ProblemReply(BaseModel):
    """An error, as RFC 9457 has it, with two fields of our own: `code` and `request_id`."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="A word for programs, such as `queue_full`.")
    request_id: str
    errors: list[dict[str, Any]] | None = Field(
        None, description="For `invalid_body`: JSON pointer and what is wrong."
    )
