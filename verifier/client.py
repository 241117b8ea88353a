"""Talk to ``scdpo serve`` from Python: ``Client`` and its asynchronous twin ``AsyncClient``.

Both build the same calls and read the same answers; only how the request is sent differs. Answers have the types of the
library: ``Verdict``, ``SolutionVerdict``, ``sandbox.CellResult``. A request that the service had no room for (429, 503)
is sent again, after the time it asked for; it was not begun, so nothing is done twice. Needs httpx, which the ``serve``
extra brings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Self, TypeVar
from urllib.parse import quote

from sandbox import CellResult, Solution
from verifier.verdict import Rounding, SolutionVerdict, Verdict

try:
    import httpx
except ImportError as missing:
    raise ImportError('the client needs httpx: pip install "scdpo[serve]"') from missing

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8321"
BATCH_ITEMS = 200
MAX_WAIT = 30.0  # seconds that a Retry-After is followed for at most


class ServiceError(RuntimeError):
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


# --- what both twins share


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    body: dict[str, Any] | None
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class _Again:
    """The request should be sent again after ``seconds``."""

    seconds: float


class _Base:
    """Settings and calls."""

    def __init__(self, key: str | None, retries: int, seconds: float) -> None:
        if retries < 0:
            raise ValueError(f"retries must be at least 0, got {retries}")
        self._retries = retries
        self._options: dict[str, Any] = {
            "headers": {} if key is None else {"Authorization": f"Bearer {key}"},
            "timeout": httpx.Timeout(seconds, connect=10.0),
        }

    def _outcome(self, call: _Call[T], response: httpx.Response, attempt: int) -> T | _Again:
        if response.is_success:
            try:
                return call.read(response.json() if response.content else None)
            except (ValueError, KeyError, TypeError) as error:
                detail = f"the answer to {call.method} {call.path} is not one of this service: {error}"
                raise ServiceError(0, "not_the_service", detail, _request_id(response), None) from error
        error = _problem(response)
        if error.status in (429, 503) and error.retry_after is not None and attempt < self._retries:
            return _Again(min(error.retry_after, MAX_WAIT))
        raise error


def _request_id(response: httpx.Response) -> str:
    return response.headers.get("x-request-id", "unknown")


def _problem(response: httpx.Response) -> ServiceError:
    try:
        found = response.json()
        code, detail = str(found["code"]), str(found["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "http_error", response.text[:200] or response.reason_phrase
    after = response.headers.get("retry-after", "")
    retry_after = float(after) if after.isascii() and after.isdigit() else None
    return ServiceError(response.status_code, code, detail, _request_id(response), retry_after)


def _verify(prediction: str, gold: str, rounding: Rounding) -> _Call[Verdict]:
    body = {"prediction": prediction, "gold": gold, "rounding": rounding}
    return _Call("POST", "/v1/verify", body, _verdict)


def _batches(pairs: Iterable[tuple[str, str]], rounding: Rounding) -> list[_Call[list[Verdict]]]:
    items = [{"prediction": p, "gold": g, "rounding": rounding} for p, g in pairs]
    starts = range(0, len(items), BATCH_ITEMS)
    return [
        _Call("POST", "/v1/verify/batch", {"items": items[i : i + BATCH_ITEMS]}, _verdicts) for i in starts
    ]


def _verify_solution(
    solution: Solution | str, gold: str, execute: bool, rounding: Rounding
) -> _Call[SolutionVerdict]:
    form = {"text": solution} if isinstance(solution, str) else {"blocks": solution.to_dicts()}
    body = {**form, "gold": gold, "execute": execute, "rounding": rounding}
    return _Call("POST", "/v1/verify/solution", body, _solution_verdict)


def _open() -> _Call[_SessionFacts]:
    return _Call("POST", "/v1/sessions", {}, _session)


def _run(id: str, code: str) -> _Call[CellResult]:
    return _Call("POST", f"/v1/sessions/{quote(id, safe='')}/cells", {"code": code}, _cell)


def _fork(id: str, count: int) -> _Call[list[_SessionFacts]]:
    return _Call("POST", f"/v1/sessions/{quote(id, safe='')}/fork", {"count": count}, _sessions)


def _close(id: str) -> _Call[None]:
    return _Call("DELETE", f"/v1/sessions/{quote(id, safe='')}", None, _nothing)


_HEALTH: _Call[dict[str, Any]] = _Call("GET", "/healthz", None, dict)


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
class _SessionFacts:
    id: str
    isolation: Literal["strict", "landlock", "none"]
    origin: Literal["start", "fork", "replay"]


def _session(answer: Any) -> _SessionFacts:
    return _SessionFacts(answer["id"], answer["isolation"], answer["origin"])


def _sessions(answer: Any) -> list[_SessionFacts]:
    return [_session(item) for item in answer["sessions"]]


def _nothing(_answer: Any) -> None:
    return None


# --- the twins


@dataclass(slots=True)
class RemoteSession:
    """An isolated session in the service. Made by ``Client.session()``; one cell at a time.

    Attributes:
        id: the session's name in the service, and its secret.
        isolation: the level it runs under.
        origin: ``start``, ``fork`` or ``replay`` (see ``sandbox.Origin``).
    """

    id: str
    isolation: Literal["strict", "landlock", "none"]
    origin: Literal["start", "fork", "replay"]
    _client: Client = field(repr=False)

    def run(self, code: str) -> CellResult:
        """Run one cell, as ``sandbox.Session.run``.

        Raises:
            ServiceError: 404 if the session was closed or expired; 409 if it is running a cell.
        """
        return self._client._send(_run(self.id, code))

    def fork(self, count: int = 1) -> list[RemoteSession]:
        """Return ``count`` sessions with the same state; they and this one go separate ways from here.

        Raises:
            ServiceError: 409 if the state is lost; 429 if there is no room.
        """
        return [self._client._hold(facts) for facts in self._client._send(_fork(self.id, count))]

    def close(self) -> None:
        """End the session.

        Raises:
            ServiceError: 404 if it was closed or expired already.
        """
        self._client._send(_close(self.id))

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the session."""
        self.close()


class Client(_Base):
    """The service, for ordinary code; safe to use from several threads.

    >>> with Client("http://127.0.0.1:8321", key=key) as client:  # doctest: +SKIP
    ...     client.verify("0.5", "1/2").status
    'correct'
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        retries: int = 3,
        seconds: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            url: where the service listens.
            key: its bearer key, if it has one.
            retries: how many times a request is sent again that the service had no room for (>= 0).
            seconds: how long an answer may take.
            transport: replaces the network, as in tests.
        """
        super().__init__(key, retries, seconds)
        self._http = httpx.Client(base_url=url, transport=transport, **self._options)

    def verify(self, prediction: str, gold: str, *, rounding: Rounding = "exact") -> Verdict:
        """Verify one answer, as ``verifier.verify``."""
        return self._send(_verify(prediction, gold, rounding))

    def verify_many(self, pairs: Iterable[tuple[str, str]], *, rounding: Rounding = "exact") -> list[Verdict]:
        """Verify ``(prediction, gold)`` pairs, as ``verifier.verify_many``; sent in batches."""
        return [verdict for call in _batches(pairs, rounding) for verdict in self._send(call)]

    def verify_solution(
        self, solution: Solution | str, gold: str, *, execute: bool = False, rounding: Rounding = "exact"
    ) -> SolutionVerdict:
        """Check a whole solution, as ``verifier.verify_solution``; ``execute`` runs its code again."""
        return self._send(_verify_solution(solution, gold, execute, rounding))

    def session(self) -> RemoteSession:
        """Start an isolated session."""
        return self._hold(self._send(_open()))

    def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` says."""
        return self._send(_HEALTH)

    def close(self) -> None:
        """Close the connections; sessions stay until they are closed or idle for too long."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connections."""
        self.close()

    def _hold(self, facts: _SessionFacts) -> RemoteSession:
        return RemoteSession(facts.id, facts.isolation, facts.origin, self)

    def _send(self, call: _Call[T]) -> T:
        attempt = 0
        while True:
            outcome = self._outcome(call, self._http.request(call.method, call.path, json=call.body), attempt)
            if not isinstance(outcome, _Again):
                return outcome
            time.sleep(outcome.seconds)
            attempt += 1


@dataclass(slots=True)
class AsyncRemoteSession:
    """The asynchronous twin of ``RemoteSession``."""

    id: str
    isolation: Literal["strict", "landlock", "none"]
    origin: Literal["start", "fork", "replay"]
    _client: AsyncClient = field(repr=False)

    async def run(self, code: str) -> CellResult:
        """Run one cell, as ``RemoteSession.run``."""
        return await self._client._send(_run(self.id, code))

    async def fork(self, count: int = 1) -> list[AsyncRemoteSession]:
        """Copy the session, as ``RemoteSession.fork``."""
        return [self._client._hold(facts) for facts in await self._client._send(_fork(self.id, count))]

    async def close(self) -> None:
        """End the session, as ``RemoteSession.close``."""
        await self._client._send(_close(self.id))

    async def __aenter__(self) -> Self:
        """Return the session itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """End the session."""
        await self.close()


class AsyncClient(_Base):
    """The asynchronous twin of ``Client``."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        retries: int = 3,
        seconds: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare a client, with the arguments of ``Client``."""
        super().__init__(key, retries, seconds)
        self._http = httpx.AsyncClient(base_url=url, transport=transport, **self._options)

    async def verify(self, prediction: str, gold: str, *, rounding: Rounding = "exact") -> Verdict:
        """Verify one answer, as ``Client.verify``."""
        return await self._send(_verify(prediction, gold, rounding))

    async def verify_many(
        self, pairs: Iterable[tuple[str, str]], *, rounding: Rounding = "exact"
    ) -> list[Verdict]:
        """Verify pairs, as ``Client.verify_many``."""
        return [verdict for call in _batches(pairs, rounding) for verdict in await self._send(call)]

    async def verify_solution(
        self, solution: Solution | str, gold: str, *, execute: bool = False, rounding: Rounding = "exact"
    ) -> SolutionVerdict:
        """Check a whole solution, as ``Client.verify_solution``."""
        return await self._send(_verify_solution(solution, gold, execute, rounding))

    async def session(self) -> AsyncRemoteSession:
        """Start an isolated session."""
        return self._hold(await self._send(_open()))

    async def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` says."""
        return await self._send(_HEALTH)

    async def close(self) -> None:
        """Close the connections, as ``Client.close``."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the connections."""
        await self.close()

    def _hold(self, facts: _SessionFacts) -> AsyncRemoteSession:
        return AsyncRemoteSession(facts.id, facts.isolation, facts.origin, self)

    async def _send(self, call: _Call[T]) -> T:
        attempt = 0
        while True:
            response = await self._http.request(call.method, call.path, json=call.body)
            outcome = self._outcome(call, response, attempt)
            if not isinstance(outcome, _Again):
                return outcome
            await asyncio.sleep(outcome.seconds)
            attempt += 1
