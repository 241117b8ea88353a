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


class LoopThread:
    """A pool and the thread its event loop runs in."""

    def __init__(self, make_pool: Callable[[], Pool]) -> None:
        """Start the thread and have it make its pool."""
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="sandbox", daemon=True)
        self._elsewhere = False
        self._thread.start()

        async def make() -> Pool:
            return make_pool()

        self.pool = self.submit(make()).result()
        _ENGINES.add(self)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Have the loop do `work`; return its future.

        Raises:
            SandboxError: the sandbox is closed, or another process's.
        """
        if self._elsewhere or self.loop.is_closed():
            work.close()
            raise SandboxError(
                "the sandbox belongs to the process that this one was forked from: make one here"
                if self._elsewhere
                else "the sandbox is closed"
            )
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left here to end: it is closed, or another process's."""
        return self._elsewhere or self.loop.is_closed()

    def soon(self, call: Callable[[], Any]) -> None:
        """Have the loop call `call` soon, from any thread, unless all has ended."""
        if not self.ended:
            with contextlib.suppress(RuntimeError):  # it was closed just now
                self.loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """End every session and the thread. Closing twice is fine."""
        if self.ended:
            return
        if threading.current_thread() is self._thread:  # garbage was collected here: nobody can be waited for
            self._shut()
            self.loop.stop()
            return

        async def shut() -> None:
            self._shut()

        self.submit(shut()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _shut(self) -> None:
        self.pool.close()
        for task in asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}:
            task.cancel()

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
