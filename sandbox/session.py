"""What users call: `Sandbox` and `Session`, and their asynchronous twins.

Both twins put their work on one background event loop per sandbox, so a sandbox can be used from any thread
and from any event loop. Does not cover isolation or the protocol: see `isolation`, `core`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from sandbox.core import Origin, SessionCore
from sandbox.errors import SandboxError
from sandbox.limits import CellResult, Level, Limits
from sandbox.pool import Pool
from sandbox.solution import Solution

T = TypeVar("T")


class _Engine:
    """A pool on an event loop in a thread of its own."""

    def __init__(
        self, limits: Limits, level: Level | Literal["auto"], allow_unsafe: bool, warm: int, max_sessions: int
    ) -> None:
        if level == "none" and not allow_unsafe:
            raise ValueError(
                "level='none' runs model code without protection: pass allow_unsafe=True to accept that"
            )
        if level not in ("auto", "strict", "landlock", "none"):
            raise ValueError(f"level must be 'auto', 'strict', 'landlock' or 'none', not {level!r}")
        if warm < 0 or max_sessions < 1:
            raise ValueError("warm must be at least 0 and max_sessions at least 1")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="sandbox", daemon=True)
        self.thread.start()
        self.pool = self.submit(self._make_pool(limits, level, warm, max_sessions)).result()

    @staticmethod
    async def _make_pool(
        limits: Limits, level: Level | Literal["auto"], warm: int, max_sessions: int
    ) -> Pool:
        return Pool(limits, level, warm, max_sessions)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if self.loop.is_closed():
            work.close()
            raise SandboxError("the sandbox is closed")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        if self.loop.is_closed():
            return

        async def shut() -> None:
            self.pool.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        self.submit(shut()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _dispose(core: SessionCore) -> None:
    core.dispose()


async def _run(core: SessionCore, code: str) -> CellResult:
    return (await core.run(code))[0]


def _codes(solution: Solution) -> list[str]:
    return [block.content for block in solution.blocks if block.type == "code"]


async def _run_solution(pool: Pool, codes: list[str]) -> list[CellResult]:
    core = await pool.lease()
    try:
        return [await _run(core, code) for code in codes]
    finally:
        core.dispose()


class _SessionBase:
    """What both kinds of session say about themselves."""

    def __init__(self, engine: _Engine, core: SessionCore) -> None:
        self._engine = engine
        self._core = core

    @property
    def isolation(self) -> Level:
        """The level this session runs under."""
        return self._core.level

    @property
    def origin(self) -> Origin:
        """Whether the state was started empty, forked, or replayed (and why)."""
        return self._core.origin

    @property
    def state_lost(self) -> bool:
        """Whether the session's variables are gone; it then refuses further cells."""
        return self._core.state_lost


class Session(_SessionBase):
    """One isolated kernel. Made by `Sandbox.session()`; may be used from any thread, one cell at a time."""

    def run(self, code: str) -> CellResult:
        """Run one cell and return what it did; a cell that misbehaves never raises here.

        Raises:
            SessionClosed: `close` was called.
        """
        return self._engine.submit(_run(self._core, code)).result()

    @overload
    def fork(self, n: None = None) -> Session: ...

    @overload
    def fork(self, n: int) -> list[Session]: ...

    def fork(self, n: int | None = None) -> Session | list[Session]:
        """Return another session (or a list of `n`) with the same variables, random state and files.

        The copies and this session go separate ways from here. Where a live thread or an open file rules a
        true fork out, the cells run so far are run again in a fresh session; `origin` says which, and why.

        Raises:
            SessionClosed: this session is closed or has lost its state.
            ValueError: `n` is below 1, or more than the sandbox may hold.
        """
        cores = self._engine.submit(self._engine.pool.fork(self._core, 1 if n is None else n)).result()
        sessions = [Session(self._engine, core) for core in cores]
        return sessions[0] if n is None else sessions

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that is running in another thread."""
        self._engine.loop.call_soon_threadsafe(self._core.interrupt)

    def close(self) -> None:
        """End the session at once. Closing twice is fine."""
        if not self._engine.loop.is_closed():
            self._engine.submit(_dispose(self._core)).result()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the session."""
        self.close()


class AsyncSession(_SessionBase):
    """The asynchronous twin of `Session`."""

    async def run(self, code: str) -> CellResult:
        """Run one cell, as `Session.run`. Cancelling the call kills the session."""
        return await asyncio.wrap_future(self._engine.submit(_run(self._core, code)))

    @overload
    async def fork(self, n: None = None) -> AsyncSession: ...

    @overload
    async def fork(self, n: int) -> list[AsyncSession]: ...

    async def fork(self, n: int | None = None) -> AsyncSession | list[AsyncSession]:
        """Copy the session, as `Session.fork`."""
        work = self._engine.pool.fork(self._core, 1 if n is None else n)
        sessions = [
            AsyncSession(self._engine, core) for core in await asyncio.wrap_future(self._engine.submit(work))
        ]
        return sessions[0] if n is None else sessions

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that is running."""
        self._engine.loop.call_soon_threadsafe(self._core.interrupt)

    async def close(self) -> None:
        """End the session at once. Closing twice is fine."""
        if not self._engine.loop.is_closed():
            await asyncio.wrap_future(self._engine.submit(_dispose(self._core)))

    async def __aenter__(self) -> Self:
        """Return the session itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the session."""
        await self.close()


class _Box:
    """What both kinds of sandbox share: their engine, and closing it."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        level: Level | Literal["auto"] = "auto",
        allow_unsafe: bool = False,
        warm: int = 2,
        max_sessions: int = 256,
    ) -> None:
        """Prepare a sandbox; its first session starts it.

        Args:
            limits: bounds on each session; `Limits()` if not given.
            level: `strict`, `landlock` or `none`; `auto` takes `strict`, or `landlock` with a warning where
            user
                namespaces are forbidden. A level that cannot be had raises IsolationError.
            allow_unsafe: must be True for level `none`, which protects nothing.
            warm: sessions kept ready (>= 0).
            max_sessions: sessions in use at once (>= 1); further callers wait their turn. Forks do not wait.

        Raises:
            ValueError: an argument is out of range.
        """
        self._engine = _Engine(limits or Limits(), level, allow_unsafe, warm, max_sessions)
        self._finalizer = weakref.finalize(self, self._engine.close)

    @property
    def limits(self) -> Limits:
        """The bounds on each session."""
        return self._engine.pool.limits


class Sandbox(_Box):
    """Isolated kernels for code a model wrote.

    >>> with Sandbox() as box, box.session() as s:   # doctest: +SKIP
    ...     s.run("2**10").output
    '1024'
    """

    def session(self) -> Session:
        """Return a fresh session, waiting while `max_sessions` are in use.

        Raises:
            IsolationError: the level cannot be had on this machine; the message holds the fix.
            SandboxError: the sandbox is closed or could not start.
        """
        return Session(self._engine, self._engine.submit(self._engine.pool.lease()).result())

    def run_solution(self, solution: Solution) -> list[CellResult]:
        """Run a solution's code blocks in order in one fresh session; return a result for each."""
        return self._engine.submit(_run_solution(self._engine.pool, _codes(solution))).result()

    def close(self) -> None:
        """End every session. Closing twice is fine."""
        self._finalizer()

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the sandbox."""
        self.close()


class _Lease:
    """What `AsyncSandbox.session()` returns: awaitable, or an asynchronous context manager."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._session: AsyncSession | None = None

    async def _take(self) -> AsyncSession:
        future = self._engine.submit(self._engine.pool.lease())
        try:
            return AsyncSession(self._engine, await asyncio.wrap_future(future))
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise

    def _give_back(self, future: concurrent.futures.Future[SessionCore]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._engine.submit(_dispose(future.result()))

    def __await__(self) -> Generator[Any, None, AsyncSession]:
        return self._take().__await__()

    async def __aenter__(self) -> AsyncSession:
        self._session = await self._take()
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()


class AsyncSandbox(_Box):
    """The asynchronous twin of `Sandbox`: `async with AsyncSandbox() as box, box.session() as s: ...`."""

    def session(self) -> _Lease:
        """Return a fresh session: `s = await box.session()` or `async with box.session() as s`."""
        return _Lease(self._engine)

    async def run_solution(self, solution: Solution) -> list[CellResult]:
        """Run a solution's code blocks, as `Sandbox.run_solution`."""
        work = _run_solution(self._engine.pool, _codes(solution))
        return await asyncio.wrap_future(self._engine.submit(work))

    async def close(self) -> None:
        """End every session. Closing twice is fine."""
        await asyncio.to_thread(self._finalizer)

    async def __aenter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the sandbox."""
        await self.close()
