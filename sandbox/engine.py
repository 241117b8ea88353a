"""A pool of sessions on an event loop in a thread of its own, for callers from any thread and any loop.

It belongs to the process that made it: a copy of that process (os.fork, multiprocessing) lets go of it and says so.
Does not cover what sessions do (`core`) or how they are shared out (`pool`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sandbox.core import SessionCore
from sandbox.errors import SandboxError
from sandbox.pool import Pool

T = TypeVar("T")
CLOSED = "the sandbox is closed"


async def _noting(work: Coroutine[Any, Any, T], done: list[T]) -> T:
    """Do `work` and note its result in `done` before anybody else can know of it."""
    result = await work
    done.append(result)
    return result


class LoopThread:
    """A pool and the thread its event loop runs in."""

    def __init__(self, make_pool: Callable[[], Pool]) -> None:
        """Start the thread and have it make its pool."""
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="sandbox", daemon=True)
        self._elsewhere = False
        # Whatever is submitted comes before the end or is refused: nobody waits for a loop that has stopped.
        self._gate = threading.RLock()
        self._closing = False
        self._last: asyncio.Task[None] | None = None
        self._thread.start()

        async def make() -> Pool:
            return make_pool()

        self.pool = self.submit(make()).result()
        _ENGINES.add(self)

    def submit(
        self, work: Coroutine[Any, Any, T], done: list[T] | None = None
    ) -> concurrent.futures.Future[T]:
        """Have the loop do `work` and note in `done` what it gave; return its future.

        Raises:
            SandboxError: the sandbox is closed, or another process's.
        """
        if self._elsewhere:
            work.close()
            raise SandboxError(
                "the sandbox belongs to the process that this one was forked from: make one here"
            )
        with self._gate:
            if not self.ended:
                return asyncio.run_coroutine_threadsafe(
                    _noting(work, [] if done is None else done), self.loop
                )
        work.close()
        raise SandboxError(CLOSED)

    def wait(self, work: Coroutine[Any, Any, T], undo: Callable[[T], Any] | None = None) -> T:
        """Have the loop do `work`; return what it returns.

        Where the caller is interrupted meanwhile (Ctrl-C), `work` is cancelled, or `undo`ne if it has been done;
        without `undo` it goes on.

        Raises:
            SandboxError: the sandbox is closed, or was before `work` was done, or is another process's.
        """
        done: list[T] = []
        future = self.submit(work, done)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise SandboxError(CLOSED) from None
        except KeyboardInterrupt:
            self._give_up(future, done, undo)
            raise

    async def wait_in_loop(self, work: Coroutine[Any, Any, T], undo: Callable[[T], Any] | None = None) -> T:
        """As `wait`, for a caller in a loop of its own; cancelling the caller cancels `work` whatever `undo` is."""
        done: list[T] = []
        future = self.submit(work, done)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and not caller.cancelling():
                raise SandboxError(CLOSED) from None
            self._give_up(future, done, undo)
            raise

    def _give_up(
        self, future: concurrent.futures.Future[T], done: list[T], undo: Callable[[T], Any] | None
    ) -> None:
        """Cancel what was submitted; where that comes too late, the loop has noted in `done` what is to be undone."""
        if undo is not None:
            future.cancel()
            self.soon(lambda: [undo(each) for each in done])

    @property
    def ended(self) -> bool:
        """Whether there is nothing left here to end: it is closed or about to be, or another process's."""
        return self._elsewhere or self._closing or self.loop.is_closed()

    def soon(self, call: Callable[[], Any]) -> None:
        """Have the loop call `call` soon, from any thread, unless all has ended."""
        if not self.ended:
            with contextlib.suppress(RuntimeError):  # it was closed just now
                self.loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """End every session and the thread. Closing twice is fine."""
        if self._elsewhere:
            return
        with self._gate:
            if self.ended:
                return
            self._closing = True
            self.loop.call_soon_threadsafe(self._begin_to_shut)
        if (
            threading.current_thread() is not self._thread
        ):  # else garbage was collected here: nobody can be waited for
            self._thread.join()
            self.loop.close()
            assert self._last is not None
            self._last.result()  # raises what ending raised

    def _begin_to_shut(self) -> None:
        self._last = self.loop.create_task(self._shut())

    async def _shut(self) -> None:
        """End everything, have everybody who waits told, and stop the loop."""
        try:
            self.pool.close()
            waiting = asyncio.all_tasks() - {asyncio.current_task()}
            for task in waiting:
                task.cancel()
            if waiting:
                await asyncio.wait(waiting)
        finally:
            self.loop.stop()

    def abandon(self) -> None:
        """Let go of everything without ending it, in a process that was forked from the owner's."""
        self._elsewhere = True
        self.pool.abandon()


async def dispose(core: SessionCore) -> None:
    """End a session, on its loop."""
    core.dispose()


_ENGINES: weakref.WeakSet[LoopThread] = weakref.WeakSet()


def _abandon_all() -> None:
    for engine in list(_ENGINES):
        engine.abandon()


os.register_at_fork(after_in_child=_abandon_all)
