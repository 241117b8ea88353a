"""Share sessions out: a few kept warm, a bound on how many live at once, first come first served.

A session serves one owner and is killed when its owner is done; none is ever handed on. Does not cover what a
session does (`core`) or the calls users make (`session`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import warnings
from collections import deque
from typing import Literal

from sandbox.core import SessionCore
from sandbox.errors import IsolationError, SandboxError
from sandbox.host_memory import memory_is_short
from sandbox.isolation import rlimits
from sandbox.launcher import Launcher
from sandbox.libraries import Libraries
from sandbox.limits import Level, Limits
from sandbox.watch import WATCH_SECONDS, watch

START_ATTEMPTS = 3
NO_MORE = Libraries()
# How long callers wait for a place before they are told that they do: most cells take less.
STALL_SECONDS = 30.0

logger = logging.getLogger(__name__)  # below the package's own, "sandbox"


class Places:
    """Places for live sessions, given out first come first served.

    Forks take theirs without waiting, since whoever holds a session while waiting for a place could wait for
    ever; they count all the same, and hold back new leases.
    """

    def __init__(self, limit: int) -> None:
        """Let leases bring the number of places taken up to `limit`."""
        self.limit = limit
        self.taken = 0
        self.moved = 0.0  # when the line of those who wait last became shorter, began, or was told of
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def full(self) -> bool:
        """Whether somebody has to give a place back before the next can be taken."""
        return self.taken >= self.limit or bool(self._queue)

    async def take(self) -> None:
        """Take a place, waiting behind those who came first."""
        if not self.full:
            self.taken += 1
            return
        if not self._queue:
            self.moved = time.monotonic()
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def take_now(self, count: int) -> None:
        """Take `count` places at once."""
        self.taken += count

    def give_back(self) -> None:
        """Give a place back, to whoever has waited longest."""
        self.taken -= 1
        self.moved = time.monotonic()
        while self._queue and self.taken < self.limit:
            turn = self._queue.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)


class Pool:
    """The sessions of one sandbox, on one event loop."""

    def __init__(
        self,
        limits: Limits,
        level: Level | Literal["auto"],
        warm: int,
        max_sessions: int,
        libraries: Libraries = NO_MORE,
    ) -> None:
        """Keep `warm` sessions ready and let at most `max_sessions` be leased at once."""
        self.limits, lowered = rlimits.attainable(limits)
        for why in lowered:
            logger.warning("%s", why)
        self.warm = warm
        self.max_sessions = max_sessions
        self.level = level
        self.libraries = libraries
        self.closed = False
        self._launcher: Launcher | None = None
        self._ready: deque[SessionCore] = deque()
        self._places = Places(max_sessions)
        self._opening = asyncio.Lock()
        self._filler: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def open(self) -> Launcher:
        """Start the zygote, choosing the strictest level this machine has when asked to.

        Raises:
            IsolationError: the level cannot be had; the message holds the fix.
        """
        async with self._opening:
            if self.closed:
                raise SandboxError("the sandbox is closed")
            if self._launcher is None:
                self._launcher = await self._choose()
                self._watcher = asyncio.get_running_loop().create_task(watch(self._launcher.sessions))
                self._refill()
            return self._launcher

    async def _choose(self) -> Launcher:
        """Return a launcher that has brought a session up, which is kept ready: until then a layer may be refused."""
        if self.level != "auto":
            return await self._try(self.level)
        try:
            return await self._try("strict")
        except IsolationError as refusal:
            try:
                launcher = await self._try("landlock")
            except IsolationError as second:
                raise IsolationError(f"level 'strict': {refusal}; level 'landlock': {second}") from refusal
            warnings.warn(f"sandbox: level 'landlock' is used, since {refusal}", stacklevel=2)
            return launcher

    async def _try(self, level: Level) -> Launcher:
        launcher = Launcher(level, self.libraries)
        try:
            await launcher.open()
            self._ready.append(await self._start(launcher))
        except BaseException:
            launcher.close()
            raise
        return launcher

    async def lease(self) -> SessionCore:
        """Return a session of the caller's own, waiting for a free place if need be; `dispose` gives it
        back.
        """
        launcher = await self.open()
        if self._places.full:
            await self._wait_long()
        else:
            await self._places.take()
        try:
            while self._places.taken > 1 and memory_is_short():
                await asyncio.sleep(WATCH_SECONDS)
            session = self._take_ready() or await self._start(launcher)
        except BaseException:
            self._places.give_back()
            raise
        session.on_close.append(self._places.give_back)
        self._refill()
        return session

    async def _wait_long(self) -> None:
        """Take a place that somebody must give back first; one of those who wait says so when nobody does for long."""
        turn = asyncio.ensure_future(self._places.take())
        try:
            while not (await asyncio.wait({turn}, timeout=STALL_SECONDS))[0]:
                if time.monotonic() - self._places.moved >= STALL_SECONDS:
                    self._tell_stall()
            await turn
        except asyncio.CancelledError:
            turn.cancel()
            raise

    def _tell_stall(self) -> None:
        self._places.moved = time.monotonic()  # the others who wait need not say it again
        gc.collect()  # sessions dropped in a cycle, say in a traceback, come back by this
        logger.warning(
            "no session was closed for %.0f s while all %d places are taken; more are asked for: close "
            "sessions (`with box.session() as s:`) or raise max_sessions",
            STALL_SECONDS,
            self.max_sessions,
        )

    async def _start(self, launcher: Launcher) -> SessionCore:
        """Start a session; one that ends on the way, as happens on an overloaded host, is started again."""
        for _ in range(START_ATTEMPTS - 1):
            try:
                return await launcher.start(self.limits)
            except IsolationError:
                raise
            except SandboxError as error:
                if self.closed:
                    raise
                logger.warning("%s; another one is started", error)
        return await launcher.start(self.limits)

    async def fork(self, session: SessionCore, count: int) -> list[SessionCore]:
        """Return `count` copies of `session`; they are not kept waiting, but count as sessions in use.

        Raises:
            ValueError: `count` is not from 1 to `max_sessions`.
        """
        if not 1 <= count <= self.max_sessions:
            raise ValueError(f"cannot fork {count} sessions with max_sessions={self.max_sessions}")
        self._places.take_now(count)
        try:
            assert self._launcher is not None  # it started `session`
            children = await self._launcher.fork(session, count)
        except BaseException:
            for _ in range(count):
                self._places.give_back()
            raise
        for child in children:
            child.on_close.append(self._places.give_back)
        return children

    def close(self) -> None:
        """Kill every session and the zygote."""
        self.closed = True
        for task in (self._filler, self._watcher):
            if task is not None:
                task.cancel()
        if self._launcher is not None:
            self._launcher.close()

    def abandon(self) -> None:
        """Let go of everything without ending it, in a process forked from the owner's."""
        self.closed = True
        if self._launcher is not None:
            self._launcher.abandon()

    def _take_ready(self) -> SessionCore | None:
        while self._ready:
            session = self._ready.popleft()
            if session.alive:
                return session
            session.dispose()
        return None

    def _refill(self) -> None:
        if len(self._ready) < self.warm and (self._filler is None or self._filler.done()):
            self._filler = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        assert self._launcher is not None
        while len(self._ready) < self.warm and not self.closed:
            try:
                self._ready.append(await self._launcher.start(self.limits))
            except SandboxError:
                return  # whoever asks for a session next meets the same error and is told
