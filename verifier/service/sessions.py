"""Sandbox sessions that callers hold by id: a bound on their number, one cell at a time, closed when idle."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox import AsyncSandbox, AsyncSession, CellResult, IsolationError, SandboxError, SessionClosed
from verifier.service.errors import HttpProblem
from verifier.service.metrics import Metrics
from verifier.service.settings import ServiceSettings

logger = logging.getLogger("scdpo.service")


@dataclass(slots=True)
class HeldSession:
    """A session and its use."""

    id: str
    session: AsyncSession
    used: float
    busy: bool = False


class Sessions:
    """The sessions that callers hold. An id is 128 random bits: to know it is to own the session."""

    def __init__(self, box: AsyncSandbox, settings: ServiceSettings, metrics: Metrics) -> None:
        self.box = box
        self.settings = settings
        self.metrics = metrics
        self._held: dict[str, HeldSession] = {}
        self._coming = 0

    def __len__(self) -> int:
        return len(self._held)

    async def open(self) -> HeldSession:
        """Start a session.

        Raises:
            HttpProblem: 429 if there are as many as may be; 503 if the sandbox cannot start one.
        """
        with self._places(1), sandbox_problems():
            return self._hold(await self.box.session())

    async def run(self, id: str, code: str) -> CellResult:
        """Run a cell.

        Raises:
            HttpProblem: 404 if there is no such session; 409 if it is running a cell.
        """
        with self._borrowed(id) as held, sandbox_problems():
            result = await held.session.run(code)
        self.metrics.cells.labels(result.status).inc()
        return result

    async def fork(self, id: str, count: int) -> list[HeldSession]:
        """Copy a session.

        Raises:
            HttpProblem: 404, 409 (it is running a cell, or its state is lost), 429 or 503.
        """
        with self._borrowed(id) as held, self._places(count), sandbox_problems():
            return [self._hold(session) for session in await held.session.fork(count)]

    async def close(self, id: str) -> None:
        """End a session; a cell that it runs is cut off.

        Raises:
            HttpProblem: 404 if there is no such session.
        """
        held = self._find(id)
        del self._held[id]
        self.metrics.sessions.set(len(self))
        await held.session.close()

    async def expire(self) -> None:
        """Close idle sessions, for as long as the service runs."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.session_idle_seconds / 4))
            limit = time.monotonic() - self.settings.session_idle_seconds
            for held in list(self._held.values()):
                if held.busy or held.used >= limit or held.id not in self._held:
                    continue
                self.metrics.expired.inc()
                logger.info("session expired", extra={"fields": {"sessions": len(self) - 1}})
                await self.close(held.id)

    def _hold(self, session: AsyncSession) -> HeldSession:
        held = HeldSession(secrets.token_urlsafe(16), session, time.monotonic())
        self._held[held.id] = held
        self.metrics.sessions.set(len(self))
        return held

    def _find(self, id: str) -> HeldSession:
        if id not in self._held:
            raise HttpProblem(
                404, "no_such_session", "there is no such session: it was closed, or idle for too long"
            )
        return self._held[id]

    @contextmanager
    def _borrowed(self, id: str) -> Iterator[HeldSession]:
        held = self._find(id)
        if held.busy:
            raise HttpProblem(
                409, "session_busy", "the session is running a cell; it runs one at a time", retry_after=1
            )
        held.busy = True
        try:
            yield held
        finally:
            held.busy = False
            held.used = time.monotonic()

    @contextmanager
    def _places(self, count: int) -> Iterator[None]:
        limit = self.settings.max_sessions
        if len(self) + self._coming + count > limit:
            raise HttpProblem(
                429, "sessions_full", f"at most {limit} sessions may be open at once", retry_after=5
            )
        self._coming += count
        try:
            yield
        finally:
            self._coming -= count


@contextmanager
def sandbox_problems() -> Iterator[None]:
    """Turn what the sandbox raises into problems.

    Raises:
        HttpProblem: 409 for a session that is closed or lost its state, 503 for a sandbox that cannot go on.
    """
    try:
        yield
    except SessionClosed as error:
        raise HttpProblem(409, "session_closed", str(error)) from error
    except IsolationError as error:
        raise HttpProblem(503, "no_isolation", f"this server cannot isolate code: {error}") from error
    except SandboxError as error:
        logger.exception("the sandbox failed")
        raise HttpProblem(503, "sandbox_failed", "the sandbox could not go on") from error
