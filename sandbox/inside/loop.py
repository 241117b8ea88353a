"""The event loop that a session's cells run in, as those of a stock kernel do.

A cell can make tasks that a later one awaits. Between cells the loop stands still and holds no descriptor, so that a
session can be forked with its tasks. Does not cover running cells (`executor`).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

T = TypeVar("T")


class _Loop(asyncio.SelectorEventLoop):
    """A loop that has its wake-up pipe only while it may wait: `poll`, unlike `epoll`, needs no descriptor either."""

    def __init__(self) -> None:
        self._ssock = self._csock = None
        super().__init__(selectors.PollSelector())

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        if self._ssock is not None:
            super()._close_self_pipe()  # type: ignore[misc]
            self._ssock = self._csock = None

    @contextmanager
    def waking(self) -> Iterator[None]:
        """Let other threads wake the loop within this block."""
        super()._make_self_pipe()  # type: ignore[misc]
        try:
            yield
        finally:
            self._close_self_pipe()


class CellLoop:
    """Runs one coroutine at a time on the session's loop, which is replaced where a cell closed it."""

    def __init__(self) -> None:
        """Make a loop and have `asyncio` know it."""
        self._loop = _Loop()
        asyncio.set_event_loop(self._loop)

    def run(self, work: Coroutine[Any, Any, T], *, waits: bool) -> T:
        """Run `work` to its end and return what it returns; `waits` says whether it may wait for anything.

        Raises:
            KeyboardInterrupt: the session was interrupted; `work` has been told by a cancellation.
        """
        if self._loop.is_closed():
            self.__init__()  # type: ignore[misc]
        loop = self._loop
        task = loop.create_task(work)
        with loop.waking() if waits else nullcontext():
            try:
                return loop.run_until_complete(task)
            except KeyboardInterrupt:
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        loop.run_until_complete(task)
                raise
