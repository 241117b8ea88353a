"""The event loop that a session's cells run in, as those of a stock kernel do.

A cell can make tasks that a later one awaits. Between cells the loop stands still and holds no descriptor, so that a
session can be forked with its tasks. Does not cover running cells (`executor`).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_LOOPS_OWN = ("asyncio", "selectors")  # the packages whose code runs between the steps of a task


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
        self._work: asyncio.Task[Any] | None = None
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
        self._work = task
        with loop.waking() if waits else nullcontext():
            try:
                return loop.run_until_complete(task)
            except KeyboardInterrupt:
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        loop.run_until_complete(task)
                raise
            finally:
                self._work = None

    def strike(self, error: BaseException, frame: FrameType | None) -> None:
        """End what runs, out of the handler of a signal that struck in `frame`: raise `error`, or cancel the cell.

        Between two steps of a cell that awaits, asyncio's own code runs. It would take an error there for that of a
        callback, and lose it together with the step.
        """
        if self._work is None or not self._loop.is_running():
            raise error
        between = _struck_between_steps(frame)
        ours = asyncio.current_task(self._loop) is self._work
        if between or not ours:  # of an error in another task the cell would hear nothing
            self._loop.call_soon_threadsafe(self._work.cancel)
        if not between:
            raise error


def _struck_between_steps(frame: FrameType | None) -> bool:
    """Say whether only frames of the loop lie between `frame` and `CellLoop.run`: none of a cell's task or callback."""
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _LOOPS_OWN:
        frame = frame.f_back
    return frame is not None and frame.f_code is CellLoop.run.__code__
