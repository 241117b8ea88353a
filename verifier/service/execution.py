"""Sessions for one request each: a bound on how many run at once, and a place in the queue for those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox import AsyncSandbox, AsyncSession
from verifier.service.errors import HttpProblem
from verifier.service.sessions import sandbox_problems
from verifier.service.settings import ServiceSettings


class Executions:
    """Fresh sessions, at most ``max_executions`` at once, each closed with its request."""

    def __init__(self, box: AsyncSandbox, settings: ServiceSettings) -> None:
        self._box = box
        self._settings = settings
        self._places = asyncio.Semaphore(settings.max_executions)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Give a fresh session.

        Raises:
            HttpProblem: 503 if no place became free in time, or the sandbox cannot start a session.
        """
        try:
            async with asyncio.timeout(self._settings.queue_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise HttpProblem(
                503, "busy", "no place to run code became free in time", retry_after=5
            ) from error
        try:
            with sandbox_problems():
                async with self._box.session() as session:
                    yield session
        finally:
            self._places.release()
