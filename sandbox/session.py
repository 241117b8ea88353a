"""What users call: `Sandbox` and `Session`, and their asynchronous twins.

Both twins put their work on one background event loop per sandbox (`engine`), so a sandbox can be used from any
thread and from any event loop. Does not cover isolation or the protocol: see `isolation`, `core`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any, Literal, Self, overload

from sandbox.core import Origin, SessionCore
from sandbox.engine import LoopThread, dispose
from sandbox.errors import SandboxError
from sandbox.libraries import libraries
from sandbox.limits import CellResult, Level, Limits
from sandbox.pool import Pool
from sandbox.solution import Solution


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


def _dispose_all(cores: list[SessionCore]) -> None:
    for core in cores:
        core.dispose()


class _SessionBase:
    """What both kinds of session say about themselves."""

    def __init__(self, box: _Box, core: SessionCore) -> None:
        self._box = box  # which lives as long as its sessions are used
        self._engine = box._engine
        self._core = core
        # A session that is dropped without `close` gives its place back all the same.
        weakref.finalize(self, self._engine.soon, core.dispose).atexit = False

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
        """Run one cell and return what it did; a cell that misbehaves never raises here. Ctrl-C interrupts the cell.

        Raises:
            SessionClosed: `close` was called.
            SandboxError: the sandbox was closed, be it while the cell ran.
        """
        try:
            return self._engine.wait(_run(self._core, code))
        except KeyboardInterrupt:
            self.interrupt()
            raise

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
        cores = self._engine.wait(self._engine.pool.fork(self._core, 1 if n is None else n), _dispose_all)
        sessions = [Session(self._box, core) for core in cores]
        return sessions[0] if n is None else sessions

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that is running in another thread."""
        self._engine.soon(self._core.interrupt)

    def close(self) -> None:
        """End the session at once. Closing twice is fine."""
        with contextlib.suppress(SandboxError):  # all has ended already
            self._engine.wait(dispose(self._core))

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
        return await self._engine.wait_in_loop(_run(self._core, code))

    @overload
    async def fork(self, n: None = None) -> AsyncSession: ...

    @overload
    async def fork(self, n: int) -> list[AsyncSession]: ...

    async def fork(self, n: int | None = None) -> AsyncSession | list[AsyncSession]:
        """Copy the session, as `Session.fork`."""
        work = self._engine.pool.fork(self._core, 1 if n is None else n)
        cores = await self._engine.wait_in_loop(work, _dispose_all)
        sessions = [AsyncSession(self._box, core) for core in cores]
        return sessions[0] if n is None else sessions

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that is running."""
        self._engine.soon(self._core.interrupt)

    async def close(self) -> None:
        """End the session at once. Closing twice is fine."""
        with contextlib.suppress(SandboxError):  # all has ended already
            await self._engine.wait_in_loop(dispose(self._core))

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
        preload: Iterable[str] = (),
        packages: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        """Prepare a sandbox; its first session starts it.

        Args:
            limits: bounds on each session; `Limits()` if not given.
            level: `strict`, `landlock` or `none`; `auto` takes `strict`, or `landlock` with a warning where user
                namespaces are forbidden. A level that cannot be had raises IsolationError.
            allow_unsafe: must be True for level `none`, which protects nothing.
            warm: sessions kept ready (>= 0).
            max_sessions: sessions in use at once (>= 1); further callers wait their turn. Forks do not wait.
            preload: modules to import once, before any session starts, so that importing one costs a session nothing:
                `["scipy.stats", "networkx"]`. NumPy and SymPy always are. A module that cannot be imported is a
                SandboxError when the first session is asked for.
            packages: folders to import from beside the installed packages, which come first. Sessions can read all
                that is in them.

        Raises:
            ValueError: an argument is out of range.
        """
        if level == "none" and not allow_unsafe:
            raise ValueError(
                "level='none' runs model code without protection: pass allow_unsafe=True to accept that"
            )
        if level not in ("auto", "strict", "landlock", "none"):
            raise ValueError(f"level must be 'auto', 'strict', 'landlock' or 'none', not {level!r}")
        if warm < 0 or max_sessions < 1:
            raise ValueError("warm must be at least 0 and max_sessions at least 1")
        wanted = libraries(preload, packages)
        self._engine = LoopThread(lambda: Pool(limits or Limits(), level, warm, max_sessions, wanted))
        self._finalizer = weakref.finalize(self, self._engine.close)

    @property
    def limits(self) -> Limits:
        """The bounds on each session."""
        return self._engine.pool.limits


class Sandbox(_Box):
    """Isolated kernels for code a model wrote.

    Examples:
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
        return Session(self, self._engine.wait(self._engine.pool.lease(), SessionCore.dispose))

    def run_solution(self, solution: Solution) -> list[CellResult]:
        """Run a solution's code blocks in order in one fresh session; return a result for each."""
        return self._engine.wait(_run_solution(self._engine.pool, _codes(solution)), lambda _results: None)

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

    def __init__(self, box: AsyncSandbox) -> None:
        self._box = box
        self._session: AsyncSession | None = None

    async def _take(self) -> AsyncSession:
        engine = self._box._engine
        return AsyncSession(self._box, await engine.wait_in_loop(engine.pool.lease(), SessionCore.dispose))

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
        return _Lease(self)

    async def run_solution(self, solution: Solution) -> list[CellResult]:
        """Run a solution's code blocks, as `Sandbox.run_solution`."""
        work = _run_solution(self._engine.pool, _codes(solution))
        return await self._engine.wait_in_loop(work)

    async def close(self) -> None:
        """End every session. Closing twice is fine."""
        await asyncio.to_thread(self._finalizer)

    async def __aenter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the sandbox."""
        await self.close()
