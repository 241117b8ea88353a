"""The calls of the HTTP API as data: what to send, and how to read the answer. Both clients are built on them.

Sends nothing itself: see ``client``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from sandbox import CellResult, Solution
from verifier.errors import VerifierError
from verifier.verdict import Rounding, SolutionVerdict, Verdict

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

# A batch as it is sent: few enough items and characters to pass every limit a service has unless told otherwise.
BATCH_ITEMS = 200
BATCH_CHARS = 150_000
MAX_WAIT = 30.0  # seconds that a Retry-After is followed for at most


class ServiceError(VerifierError, RuntimeError):
    """The service did not answer as asked.

    Attributes:
        status: HTTP status, or 0 where what answered is no scdpo service.
        code: the problem's word for programs, such as ``no_such_session``.
        detail: the problem's sentence for a person.
        request_id: finds the request in the service's log.
        retry_after: seconds after which trying again makes sense, or None.
    """

    def __init__(
        self, status: int, code: str, detail: str, request_id: str, retry_after: float | None
    ) -> None:
        super().__init__(f"{status} {code}: {detail} (request {request_id})")
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    body: dict[str, Any] | None
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Again:
    """The request should be sent again after ``seconds``."""

    seconds: float


def outcome(call: Call[T], response: httpx.Response, may_repeat: bool) -> T | Again:
    """Read the answer to a call.

    Raises:
        ServiceError: if it is a problem, or no answer of this service.
    """
    if response.is_success:
        try:
            return call.read(response.json() if response.content else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            detail = f"the answer to {call.method} {call.path} is not one of this service: {error}"
            raise ServiceError(0, "not_the_service", detail, _request_id(response), None) from error
    problem = _problem(response)
    if problem.status in (429, 503) and problem.retry_after is not None and may_repeat:
        return Again(min(problem.retry_after, MAX_WAIT))
    raise problem


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
    return ServiceError(response.status_code, code, detail, _request_id(response), retry_after)


def verify(prediction: str, gold: str, rounding: Rounding) -> Call[Verdict]:
    """Verify one answer."""
    body = {"prediction": _sendable(prediction), "gold": _sendable(gold), "rounding": rounding}
    return Call("POST", "/v1/verify", body, _verdict)


def verify_batches(pairs: Iterable[tuple[str, str]], rounding: Rounding) -> list[Call[list[Verdict]]]:
    """Verify many: one call for each batch."""
    batches: list[list[dict[str, str]]] = []
    room = 0
    for prediction, gold in pairs:
        size = len(prediction) + len(gold)
        if not batches or size > room or len(batches[-1]) == BATCH_ITEMS:
            batches.append([])
            room = BATCH_CHARS
        item = {"prediction": _sendable(prediction), "gold": _sendable(gold), "rounding": rounding}
        batches[-1].append(item)
        room -= size
    return [Call("POST", "/v1/verify/batch", {"items": items}, _verdicts) for items in batches]


def verify_solution(
    solution: Solution | str, gold: str, execute: bool, rounding: Rounding
) -> Call[SolutionVerdict]:
    """Check a whole solution."""
    form: dict[str, Any]
    if isinstance(solution, str):
        form = {"text": _sendable(solution)}
    else:
        form = {"blocks": [{"type": b.type, "content": _sendable(b.content)} for b in solution.blocks]}
    body = {**form, "gold": _sendable(gold), "execute": execute, "rounding": rounding}
    return Call("POST", "/v1/verify/solution", body, _solution_verdict)


def open_session() -> Call[SessionFacts]:
    """Start a session."""
    return Call("POST", "/v1/sessions", {}, _session)


def run_cell(id: str, code: str) -> Call[CellResult]:
    """Run a cell."""
    return Call("POST", f"/v1/sessions/{quote(id, safe='')}/cells", {"code": _sendable(code)}, _cell)


def fork_session(id: str, count: int) -> Call[list[SessionFacts]]:
    """Copy a session."""
    return Call("POST", f"/v1/sessions/{quote(id, safe='')}/fork", {"count": count}, _sessions)


def close_session(id: str) -> Call[None]:
    """End a session."""
    return Call("DELETE", f"/v1/sessions/{quote(id, safe='')}", None, _nothing)


HEALTH: Call[dict[str, Any]] = Call("GET", "/healthz", None, dict)


def _sendable(text: str) -> str:
    """Put a question mark for half of a surrogate pair: UTF-8 has none, and one item should not cost a batch."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _without_correct(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "correct"}


def _verdict(answer: Any) -> Verdict:
    return Verdict(**_without_correct(answer))


def _verdicts(answer: Any) -> list[Verdict]:
    return [_verdict(item) for item in answer["verdicts"]]


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
