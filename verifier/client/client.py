"""Talk to ``scdpo serve`` from Python: ``Client`` and its asynchronous twin ``AsyncClient``.

Both build the same calls and read the same answers; only how the request is sent differs. Answers have the types of the
library: ``Verdict``, ``SolutionVerdict``, ``sandbox.CellResult``. A request that the service had no room for (429, 503)
is sent again, after the time it asked for; it was not begun, so nothing is done twice. Needs httpx, which the ``serve``
extra brings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from sandbox import CellResult, Solution
from verifier.client import protocol
from verifier.client.protocol import Retry, ServiceCall, ServiceError, SessionFacts, outcome
from verifier.given import Given, GivenGold
from verifier.verdict import Rounding, SolutionVerdict, Strength, Verdict

try:
    import httpx
except ImportError as missing:
    raise ImportError('the client needs httpx: in a checkout, pip install ".[serve]"') from missing

__all__ = ["DEFAULT_URL", "AsyncClient", "AsyncRemoteSession", "Client", "RemoteSession", "ServiceError"]

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8321"


class _Base:
    """The settings of a client."""

    def __init__(self, url: str, key: str | None, retries: int, seconds: float) -> None:
        if retries < 0:
            raise ValueError(f"retries must be at least 0, got {retries}")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, as in {DEFAULT_URL}; got {url!r}")
        self._url = url
        self._retries = retries
        self._options: dict[str, Any] = {
            "base_url": url,
            "headers": {} if key is None else {"Authorization": f"Bearer {key}"},
            "timeout": seconds,
        }


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
        return self._client._send(protocol.run_cell(self.id, code))

    def fork(self, count: int = 1) -> list[RemoteSession]:
        """Return ``count`` sessions with the same state; they and this one go separate ways from here.

        Raises:
            ServiceError: 409 if the state is lost; 429 if there is no room.
        """
        return [
            self._client._hold(facts) for facts in self._client._send(protocol.fork_session(self.id, count))
        ]

    def close(self) -> None:
        """End the session.

        Raises:
            ServiceError: 404 if it was closed or expired already.
        """
        self._client._send(protocol.close_session(self.id))

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the session."""
        self.close()


class Client(_Base):
    """The service, for ordinary code; safe to use from several threads.

    Examples:
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
            url: where the service listens, with ``http://`` or ``https://``.
            key: its bearer key, if it has one.
            retries: how many times a request is sent again that the service had no room for (>= 0).
            seconds: how long an answer may take.
            transport: replaces the network, as in tests.

        Raises:
            ValueError: if ``url`` has no scheme, or ``retries`` is negative.
        """
        super().__init__(url, key, retries, seconds)
        self._http = httpx.Client(transport=transport, **self._options)

    def verify(
        self,
        prediction: Given | Solution,
        gold: GivenGold,
        *,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> Verdict:
        """Verify one answer, as ``verifier.verify``."""
        return self._send(protocol.verify(prediction, gold, rounding, require))

    def verify_many(
        self,
        pairs: Iterable[tuple[Given | Solution, GivenGold]],
        *,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> list[Verdict]:
        """Verify ``(prediction, gold)`` pairs, as ``verifier.verify_many``; sent in batches.

        Raises:
            ServiceError: 413 if a single pair is over the service's ``max_body_bytes``.
        """
        return [
            verdict
            for call in protocol.verify_batches(pairs, rounding, require)
            for verdict in self._send(call)
        ]

    def verify_solution(
        self,
        solution: Solution | str,
        gold: GivenGold,
        *,
        execute: bool = False,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> SolutionVerdict:
        """Check a whole solution, as ``verifier.verify_solution``; ``execute`` runs its code again."""
        return self._send(protocol.verify_solution(solution, gold, execute, rounding, require))

    def session(self) -> RemoteSession:
        """Start an isolated session."""
        return self._hold(self._send(protocol.open_session()))

    def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` says."""
        return self._send(protocol.HEALTH)

    def close(self) -> None:
        """Close the connections; sessions stay until they are closed or idle for too long."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connections."""
        self.close()

    def _hold(self, facts: SessionFacts) -> RemoteSession:
        return RemoteSession(facts.id, facts.isolation, facts.origin, self)

    def _send(self, call: ServiceCall[T]) -> T:
        for left in range(self._retries, -1, -1):
            try:
                response = self._http.request(call.method, call.path, json=call.body)
            except httpx.RequestError as error:
                raise protocol.unreachable(self._url, call, error) from error
            found = outcome(call, response, left > 0)
            if not isinstance(found, Retry):
                return found
            time.sleep(found.seconds)
        raise AssertionError("the last attempt returns or raises")


@dataclass(slots=True)
class AsyncRemoteSession:
    """The asynchronous twin of ``RemoteSession``."""

    id: str
    isolation: Literal["strict", "landlock", "none"]
    origin: Literal["start", "fork", "replay"]
    _client: AsyncClient = field(repr=False)

    async def run(self, code: str) -> CellResult:
        """Run one cell, as ``RemoteSession.run``."""
        return await self._client._send(protocol.run_cell(self.id, code))

    async def fork(self, count: int = 1) -> list[AsyncRemoteSession]:
        """Copy the session, as ``RemoteSession.fork``."""
        return [
            self._client._hold(facts)
            for facts in await self._client._send(protocol.fork_session(self.id, count))
        ]

    async def close(self) -> None:
        """End the session, as ``RemoteSession.close``."""
        await self._client._send(protocol.close_session(self.id))

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
        super().__init__(url, key, retries, seconds)
        self._http = httpx.AsyncClient(transport=transport, **self._options)

    async def verify(
        self,
        prediction: Given | Solution,
        gold: GivenGold,
        *,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> Verdict:
        """Verify one answer, as ``Client.verify``."""
        return await self._send(protocol.verify(prediction, gold, rounding, require))

    async def verify_many(
        self,
        pairs: Iterable[tuple[Given | Solution, GivenGold]],
        *,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> list[Verdict]:
        """Verify pairs, as ``Client.verify_many``."""
        return [
            verdict
            for call in protocol.verify_batches(pairs, rounding, require)
            for verdict in await self._send(call)
        ]

    async def verify_solution(
        self,
        solution: Solution | str,
        gold: GivenGold,
        *,
        execute: bool = False,
        rounding: Rounding = "exact",
        require: Strength = "weak",
    ) -> SolutionVerdict:
        """Check a whole solution, as ``Client.verify_solution``."""
        return await self._send(protocol.verify_solution(solution, gold, execute, rounding, require))

    async def session(self) -> AsyncRemoteSession:
        """Start an isolated session."""
        return self._hold(await self._send(protocol.open_session()))

    async def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` says."""
        return await self._send(protocol.HEALTH)

    async def close(self) -> None:
        """Close the connections, as ``Client.close``."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the connections."""
        await self.close()

    def _hold(self, facts: SessionFacts) -> AsyncRemoteSession:
        return AsyncRemoteSession(facts.id, facts.isolation, facts.origin, self)

    async def _send(self, call: ServiceCall[T]) -> T:
        for left in range(self._retries, -1, -1):
            try:
                response = await self._http.request(call.method, call.path, json=call.body)
            except httpx.RequestError as error:
                raise protocol.unreachable(self._url, call, error) from error
            found = outcome(call, response, left > 0)
            if not isinstance(found, Retry):
                return found
            await asyncio.sleep(found.seconds)
        raise AssertionError("the last attempt returns or raises")
