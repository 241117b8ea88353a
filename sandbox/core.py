"""The outside of one session, on an event loop: run, interrupt, kill. Both twins call this.

Everything a session says is hostile data and comes through `replies`; a session that breaks the protocol is killed.
Does not cover starting and forking (`launcher`), leasing (`pool`) or blocking calls (`session`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox import folders, processes, replies, results, wire
from sandbox.errors import IsolationError, SandboxError, SessionClosed
from sandbox.limits import CellResult, Level, Limits, Status
from sandbox.replies import Event
from sandbox.results import CellOutcome

START_SECONDS = 30.0
# A clock that strikes later than this after its time was held up by more than a busy machine.
LATE_SECONDS = 0.25
# How long after a hang-up the exit code is waited for before the cell's result is given without it.
EXIT_SECONDS = 1.0
# A process that dies with this share of its memory in use died for want of more: libraries in C end it, or fall over
# a null pointer, where Python would raise MemoryError.
FULL_SHARE = 0.9
# A killed process takes longest to give back a large memory.
EXIT_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session's state came from.

    Attributes:
        kind: `start` (empty), `fork` (copied from a running session), `replay` (its cells were run again).
        reason: why it was replayed instead of forked, else None.
        matches: for a replay, whether every cell gave the output it gave at first; else None.
    """

    kind: Literal["start", "fork", "replay"] = "start"
    reason: str | None = None
    matches: bool | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a session's process ended.

    Attributes:
        code: its exit code, or less than 0 for the signal that ended it.
        cpu_seconds: processor time it had used.
        grown_bytes: what its memory had grown by at its largest.
    """

    code: int
    cpu_seconds: float
    grown_bytes: int


class SessionCore:
    """One session process and its socket; methods run on the owner's event loop."""

    def __init__(
        self, number: int, sock: socket.socket, limits: Limits, level: Level, *, forked: bool = False
    ) -> None:
        """Speak over `sock` with session `number`, which runs at `level`; `forked` from another's process or not."""
        self.number = number
        self.limits = limits
        self.level = level
        self.forked = forked
        self.origin = Origin()
        self.history: list[tuple[str, str]] = []
        self.state_lost = False
        self.closed = False
        self.ended_for: tuple[Status, str] | None = None
        self._why = ""  # it ended
        self.folder: str | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.attached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.pidfd = -1
        self.pid = -1
        self.on_close: list[Callable[[], None]] = []
        self.turn = asyncio.Lock()  # held for one cell, question or fork at a time
        self._sock = sock
        self._replies = replies.Reader(limits)
        self._frames = wire.FrameReader(self._replies.frame_bytes)
        self._request = 0
        self._waiting: asyncio.Future[CellOutcome] | None = None
        self._outcome = CellOutcome(None)
        self._on_event: Callable[[Event], None] | None = None
        self._timer: asyncio.TimerHandle
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._readable)

    @property
    def alive(self) -> bool:
        """Whether the session can run a cell."""
        return not (self.closed or self.state_lost)

    async def run(
        self,
        code: str,
        *,
        on_event: Callable[[Event], None] | None = None,
        silent: bool = False,
        history: bool = True,
    ) -> tuple[CellResult, dict[str, Any]]:
        """Run one cell; return its result and how the executor says it ended.

        Raises:
            SessionClosed: the session has been closed.
        """
        async with self.turn:
            if self.closed:
                raise SessionClosed("the session is closed")
            if self.state_lost:
                return results.refusal(self.level, self._why), {}
            started = time.monotonic()
            frame = {
                "op": "run",
                "code": code,
                "silent": silent,
                "history": history and not silent,
                "chars": self.limits.output_chars,
                "messages": self.limits.output_messages,
            }
            try:
                outcome = await self._exchange(frame, on_event, self.limits.cell_seconds)
            except asyncio.CancelledError:
                self.kill()
                raise
            result = self._result(outcome, time.monotonic() - started)
            self.history.append((code, result.output))
            return result, outcome.done or {}

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Make a request that runs no cell (complete, inspect, is_complete); {} when the session cannot
        answer.
        """
        async with self.turn:
            if not self.alive:
                return {}
            outcome = await self._exchange(frame, None, self.limits.cell_seconds)
            return outcome.done or {}

    async def fork_onto(self, numbers: list[int], sockets: list[socket.socket]) -> tuple[int, str]:
        """Have the session copy itself once onto each of `sockets`; return how many copies it says were made, and
        why not all.

        The caller holds `turn`.
        """
        frame = {"op": "fork", "children": numbers}
        fds = [sock.fileno() for sock in sockets]
        outcome = await self._exchange(frame, None, self.limits.cell_seconds, fds)
        done = outcome.done or {"forked": 0, "unsound": f"the session ended over it: {outcome.died}"}
        return min(done["forked"], len(numbers)), done["unsound"] or "the session did not fork"

    async def wait_ready(self, seconds: float) -> None:
        """Wait until the session has isolated itself and takes cells, `seconds` at most.

        Raises:
            IsolationError: a layer was refused.
            SandboxError: it ended instead, or did neither.
        """
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.ready)
                await asyncio.shield(self.attached)
        except TimeoutError as error:
            self.kill()
            raise SandboxError("a session did not start in time") from error
        if self.limits.nice and not self.forked:  # a fork is in the group of what it was forked from
            processes.stand_back(self.pidfd, self.limits.nice)

    def attach(self, pid: int, pidfd: int) -> None:
        """Learn which process the session is."""
        if self.closed:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
            return
        self.pid, self.pidfd = pid, pidfd
        if not self.attached.done():
            self.attached.set_result(None)

    def kill(self) -> None:
        """End the session's process at once; its state is lost."""
        self._end("killed")

    def _end(self, why: str) -> None:
        self.state_lost = True
        self._signal(signal.SIGKILL)
        self._stop_reading()
        if self._sock.fileno() >= 0:
            self._sock.shutdown(
                socket.SHUT_RDWR
            )  # whoever is sending must not wait for a reader that is gone
        self._fail(why)

    def end_for(self, status: Status, error: str) -> None:
        """Kill the session for a limit it met outside its cell; `error` says which."""
        self.ended_for = (status, error)
        self.kill()

    def dispose(self) -> None:
        """Kill the session and let go of everything that was its."""
        if self.closed:
            return
        self.kill()
        self.closed = True
        self._sock.close()
        if self.folder:
            self._await_end()
            folders.remove(self.folder)
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        for closed in self.on_close:
            closed()

    def abandon(self) -> None:
        """Let go of the session's descriptors without ending it, in a process forked from the owner's."""
        self.closed = True
        self._sock.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _await_end(self) -> None:
        """Wait until the killed process is gone, which could else go on writing into its folder."""
        if self.pidfd >= 0:
            gone = select.poll()
            gone.register(self.pidfd, select.POLLIN)
            gone.poll(EXIT_MILLISECONDS)

    def _signal(self, number: int) -> None:
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        self._signal(signal.SIGINT)

    async def _exchange(
        self,
        frame: dict[str, Any],
        on_event: Callable[[Event], None] | None,
        seconds: float,
        fds: list[int] | None = None,
    ) -> CellOutcome:
        """Send a request and wait for its end, interrupting after `seconds` and killing after the grace."""
        loop = asyncio.get_running_loop()
        self._request += 1
        self._replies.begin(self._request, frame["op"])
        self._outcome = CellOutcome(None)
        self._on_event = on_event
        self._waiting = loop.create_future()
        self._arm(seconds, self._overdue)
        try:
            data = wire.encode({**frame, "id": self._request})
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `_waiting` says why
                if fds:
                    data = data[await self._send_fds(data, fds) :]
                await loop.sock_sendall(self._sock, data)
            return await self._waiting
        finally:
            self._timer.cancel()
            self._waiting = self._on_event = None

    async def _send_fds(self, data: bytes, fds: list[int]) -> int:
        """Send `fds` with the beginning of `data`; return how much of it went."""
        while True:
            try:
                return socket.send_fds(self._sock, [data], fds)
            except BlockingIOError:  # a session that answers without reading has filled its queue
                await asyncio.sleep(0.001)

    def _arm(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` in `seconds` unless the answer has come by then."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds

        def look(again: bool = False) -> None:
            if self._answered():
                return
            late = loop.time() - due
            if again or late < LATE_SECONDS:
                act()
                return
            # This process slept, and perhaps the session with it, as in a container that was frozen.
            self._timer = loop.call_later(min(late, seconds), look, True)

        self._timer = loop.call_later(seconds, look)

    def _answered(self) -> bool:
        """Whether the answer that is waited for has come, be it only to the socket."""
        while self.alive and self._waiting is not None and not self._waiting.done() and self._readable():
            pass
        return self._waiting is None or self._waiting.done()

    def _overdue(self) -> None:
        self._outcome.timed_out = True
        self.interrupt()
        self._arm(self.limits.grace_seconds, self.kill)

    def _readable(self) -> bool:
        """Take what has come; return whether there may be more."""
        try:
            data = self._sock.recv(1 << 18)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self._hung_up()
            return False
        try:
            for body in self._frames.feed(data):
                reply = self._replies.parse(body)
                if reply is not None:
                    self._take(reply)
        except ValueError as error:
            self._end(f"the session broke the protocol: {error}")
            return False
        return True

    def _hung_up(self) -> None:
        """Note that the session's process is gone, and report its exit code if that comes soon."""
        self.state_lost = True
        self._stop_reading()
        self.ended.add_done_callback(lambda ended: self._died(ended.result()))
        asyncio.get_running_loop().call_later(
            EXIT_SECONDS, self._end, "the kernel process closed its connection"
        )

    def _died(self, exit: Exit) -> None:
        """Note how the session's process ended, and for which limit if it was for one."""
        if exit.cpu_seconds >= self.limits.cpu_seconds:
            self.ended_for = ("timeout", results.cpu_used(self.limits))
        elif exit.grown_bytes >= FULL_SHARE * self.limits.memory_mb * 2**20:
            self.ended_for = ("memory", f"MemoryError: {_death(exit.code)} with its memory full")
        self._fail(_death(exit.code))

    def _take(self, reply: replies.Reply) -> None:
        """Act on one reply. Raises ProtocolError where it is of a kind this session cannot send."""
        if isinstance(reply, replies.Events):
            self._outcome.events += reply.events
            if self._on_event:
                for event in reply.events:
                    self._on_event(event)
        elif isinstance(reply, replies.Done):
            self._outcome.done = reply.fields
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(self._outcome)
        elif isinstance(reply, replies.Failed):
            self._fail(reply.reason)
        elif isinstance(reply, replies.Ready) and reply.level == self.level:
            self.ready.set_result(None)
        elif isinstance(reply, replies.Refused) and not self.forked:
            self.ready.set_exception(IsolationError(reply.reason))
        else:  # a fork was isolated long before it is ready
            raise replies.ProtocolError(f"it did not come up at level {self.level!r}")

    def _fail(self, why: str) -> None:
        """Answer whoever waits, and whoever asks later, that the session is gone."""
        self._why = self._why or why
        if not self.ready.done():
            self.ready.set_exception(SandboxError(f"a session ended before it was ready: {why}"))
            self.ready.exception()
        if not self.attached.done():
            self.attached.set_result(None)
        if self._waiting is not None and not self._waiting.done():
            self._outcome.died = why
            self._waiting.set_result(self._outcome)

    def _stop_reading(self) -> None:
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)

    def _result(self, outcome: CellOutcome, seconds: float) -> CellResult:
        """Judge `outcome`; a limit met outside the cell goes before what the cell itself says."""
        result = results.judge(outcome, self.limits, self.level, seconds, self.state_lost)
        if self.ended_for:
            return results.overrule(result, *self.ended_for)
        return result


def _death(code: int) -> str:
    """Say in words how a process with exit code `code` ended."""
    if code >= 0:
        return f"the kernel process exited with code {code}"
    try:
        return f"the kernel process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the kernel process was ended by signal {-code}"
