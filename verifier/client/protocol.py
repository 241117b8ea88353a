"""The calls of the HTTP API as data: what to send, and how to read the answer. Both clients are built on them.

Sends nothing itself: see ``client``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from sandbox import CellResult, Solution
from verifier.errors import VerifierError
from verifier.given import Given, GivenGold, gold_text, prediction_text
from verifier.verdict import Rounding, SolutionVerdict, Strength, Verdict

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

# A batch as it is sent: few enough items and characters to pass every limit a service has unless told otherwise.
BATCH_ITEMS = 200
BATCH_CHARS = 150_000
MAX_WAIT = 30.0  # seconds that a Retry-After is followed for at most


class ServiceError(VerifierError, RuntimeError):
    """The service did not answer as asked, or could not be reached.

    Attributes:
        url: where the request went.
        status: HTTP status, or 0 where nothing answered, or what answered is no scdpo service.
        code: the problem's word for programs, such as ``no_such_session``; ``unreachable`` where nothing answered.
        detail: the problem's sentence for a person.
        request_id: finds the request in the service's log.
        retry_after: seconds after which trying again makes sense, or None.
    """

    def __init__(
        self, url: str, status: int, code: str, detail: str, request_id: str, retry_after: float | None
    ) -> None:
        super().__init__(f"{url}: {status} {code}: {detail} (request {request_id})")
        self.url = url
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ServiceCall(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    body: dict[str, Any] | None
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Retry:
    """The request should be sent again after ``seconds``."""

    seconds: float


def outcome(call: ServiceCall[T], response: httpx.Response, may_repeat: bool) -> T | Retry:
    """Read the answer to a call.

    Raises:
        ServiceError: if it is a problem, or no answer of this service.
    """
    if response.is_success:
        try:
            return call.read(response.json() if response.content else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            detail = f"the answer to {call.method} {call.path} is not one of this service: {error}"
            url = str(response.url)
            raise ServiceError(url, 0, "not_the_service", detail, _request_id(response), None) from error
    problem = _problem(response)
    if problem.status in (429, 503) and problem.retry_after is not None and may_repeat:
        return Retry(min(problem.retry_after, MAX_WAIT))
    raise problem


def unreachable(base: str, call: ServiceCall[T], error: httpx.RequestError) -> ServiceError:
    """Return what to say where no answer came; ``base`` is the address of the service."""
    said = str(error) or type(error).__name__
    detail = f"no answer ({said}); is the service running there?"
    return ServiceError(base.rstrip("/") + call.path, 0, "unreachable", detail, "none", None)


def _request_id(response: httpx.Response) -> str:
    return str(response.headers.get("x-request-id", "unknown"))


def _problem(response: httpx.Response) -> ServiceError:
    try:
        found = response.json()
        code, detail = str(found["code"]), str(found["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "http_error", response.text[:200] or response.reason_phrase
    after = response.headers.get("retry-after", "")
    retry_after = float(after) if after.isascii() and after.isdigit() else None
    return ServiceError(
        str(response.url), response.status_code, code, detail, _request_id(response), retry_after
    )


def verify(
    prediction: Given | Solution, gold: GivenGold, rounding: Rounding, require: Strength
) -> ServiceCall[Verdict]:
    """Verify one answer.

    Raises:
        TypeError: as ``verifier.verify``.
    """
    return ServiceCall("POST", "/v1/verify", _item(prediction, gold, rounding, require), _verdict)


def _item(
    prediction: Given | Solution, gold: GivenGold, rounding: Rounding, require: Strength
) -> dict[str, str]:
    said = prediction_text(prediction)
    text = said if isinstance(said, str) else said.render("mathcoder")
    return {
        "prediction": _sendable(text),
        "gold": _sendable(gold_text(gold)),
        "rounding": rounding,
        "require": require,
    }


@dataclass(slots=True)
class _Batch:
    """Pairs that go in one request; those that cannot be sent have their verdict already."""

    items: list[dict[str, str]] = field(default_factory=list)
    refused: dict[int, Verdict] = field(default_factory=dict)
    room: int = BATCH_CHARS

    def __len__(self) -> int:
        return len(self.items) + len(self.refused)

    def read(self, answer: Any) -> list[Verdict]:
        found = map(_verdict, answer["verdicts"])
        return [self.refused[i] if i in self.refused else next(found) for i in range(len(self))]


def verify_batches(
    pairs: Iterable[tuple[Given | Solution, GivenGold]], rounding: Rounding, require: Strength
) -> list[ServiceCall[list[Verdict]]]:
    """Verify many: one call for each batch. A pair of another type is ``unverifiable`` and costs the others nothing."""
    batches = [_Batch()]
    for prediction, gold in pairs:
        item, why, size = None, "", 0
        try:
            item = _item(prediction, gold, rounding, require)
            size = len(item["prediction"]) + len(item["gold"])
        except TypeError as error:
            why = str(error)
        batch = batches[-1]
        if len(batch) == BATCH_ITEMS or (size > batch.room and len(batch)):
            batch = _Batch()
            batches.append(batch)
        batch.room -= size
        if item is None:
            batch.refused[len(batch)] = Verdict("unverifiable", why, None, None)
        else:
            batch.items.append(item)
    return [
        ServiceCall("POST", "/v1/verify/batch", {"items": batch.items}, batch.read)
        for batch in batches
        if len(batch)
    ]


def verify_solution(
    solution: Solution | str, gold: GivenGold, execute: bool, rounding: Rounding, require: Strength
) -> ServiceCall[SolutionVerdict]:
    """Check a whole solution."""
    form: dict[str, Any]
    if isinstance(solution, str):
        form = {"text": _sendable(solution)}
    else:
        form = {"blocks": [{"type": b.type, "content": _sendable(b.content)} for b in solution.blocks]}
    body = {
        **form,
        "gold": _sendable(gold_text(gold)),
        "execute": execute,
        "rounding": rounding,
        "require": require,
    }
    return ServiceCall("POST", "/v1/verify/solution", body, _solution_verdict)


def open_session() -> ServiceCall[SessionFacts]:
    """Start a session."""
    return ServiceCall("POST", "/v1/sessions", {}, _session)


def run_cell(id: str, code: str) -> ServiceCall[CellResult]:
    """Run a cell."""
    return ServiceCall("POST", f"/v1/sessions/{quote(id, safe='')}/cells", {"code": _sendable(code)}, _cell)


def fork_session(id: str, count: int) -> ServiceCall[list[SessionFacts]]:
    """Copy a session."""
    return ServiceCall("POST", f"/v1/sessions/{quote(id, safe='')}/fork", {"count": count}, _sessions)


def close_session(id: str) -> ServiceCall[None]:
    """End a session."""
    return ServiceCall("DELETE", f"/v1/sessions/{quote(id, safe='')}", None, _nothing)


HEALTH: ServiceCall[dict[str, Any]] = ServiceCall("GET", "/healthz", None, dict)


def _sendable(text: str) -> str:
    """Put a question mark for half of a surrogate pair: UTF-8 has none, and one item should not cost a batch."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _without_correct(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "correct"}


def _verdict(answer: Any) -> Verdict:
    return Verdict(**_without_correct(answer))


def _solution_verdict(answer: Any) -> SolutionVerdict:
    return SolutionVerdict(**_without_correct(answer))


def _cell(answer: Any) -> CellResult:
    return CellResult(**answer)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the service says of a session."""

    id: str
    isolation: Literal["strict", "landlock", "none"]
    origin: Literal["start", "fork", "replay"]


def _session(answer: Any) -> SessionFacts:
    return SessionFacts(answer["id"], answer["isolation"], answer["origin"])


def _sessions(answer: Any) -> list[SessionFacts]:
    return [_session(item) for item in answer["sessions"]]


def _nothing(_answer: Any) -> None:
    return None
