"""Run cells inside a session: one process, one thread of its own, one socket to the outside.

Reads request frames {"op": "run" | "complete" | "inspect" | "is_complete" | "fork", "id", ...} and answers
each with {"id", "events"} frames while it runs and one {"id", "done"} frame at its end. The model's code
shares this process, so nothing said here is trusted outside: `replies` bounds and checks every frame. Does not
cover isolation.
"""

from __future__ import annotations

import builtins
import contextlib
import getpass
import os
import random
import re
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.utils.tokenutil import token_at_cursor

from sandbox import wire
from sandbox.inside import credit, fork, stand_ins
from sandbox.inside.loop import CellLoop
from sandbox.inside.memory import AddressSpace
from sandbox.inside.outputs import CellStream, Collector, OutputLimit, RawOutput, Stopped
from sandbox.inside.shell import WARM_UP, SessionShell, failure_of, make_shell, refuse_input

REQUEST_BYTES = 64 * 2**20
# What the compiler warns of: "\d" and other escapes that are none, `x is 1`, `assert (x, "why")`. Not `x = 1`.
_MAY_WARN = re.compile(r"\\|\bis\b|\bassert\b")
SEED = 0


class CpuLimit(Stopped):
    """Raised in a cell when the session has used its processor time."""


class Executor:
    """The loop of one session."""

    def __init__(self, shell: SessionShell, loop: CellLoop, sock: socket.socket, level: str) -> None:
        """Run cells of `shell` in `loop`, isolated as `level` says, and tell `sock` of them."""
        self.shell = shell
        self.sock = sock
        self.level = level
        self.fds: list[int] = []
        self.raw = RawOutput()
        self.collector = Collector(self._send_events)
        self.streams = (CellStream(self.collector, "stdout", 1), CellStream(self.collector, "stderr", 2))
        self.request = -1
        self.running = False
        self.cell = 0
        self.cpu_met = False
        self.loop = loop
        self.memory = AddressSpace()
        shell.attach(self.collector)
        shell.before_showing = self.memory.met

    def serve(self, sock: socket.socket, folder: str) -> None:
        """Answer the requests of `sock` for cells that work in `folder`, until its other end is closed."""
        self.sock = sock
        self.raw.open(folder)
        self.memory.begin()
        self.announce()
        frames = wire.FrameReader(REQUEST_BYTES)
        while True:
            self._take_back()
            try:
                data, fds, _flags, _address = socket.recv_fds(self.sock, 1 << 16, wire.MAX_FDS)
                self.fds += fds
                if not data:
                    return
                for body in frames.feed(data):
                    self._answer(wire.decode(body.decode("ascii")))
            except KeyboardInterrupt:  # an interrupt that came too late for its cell
                continue

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame."""
        self.sock.sendall(wire.encode(frame))

    def _send_events(self, events: list[list[Any]]) -> None:
        with self.memory.reserved():
            self.send({"id": self.request, "events": events})

    def _take_back(self) -> None:
        """Undo what a cell may have done to the process-wide hooks the next cell depends on."""
        sys.stdout, sys.stderr = self.streams
        sys.__stdout__, sys.__stderr__ = self.streams  # type: ignore[assignment,misc]
        builtins.input = getpass.getpass = refuse_input  # type: ignore[assignment]
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGXCPU, self._on_cpu)

    def _on_interrupt(self, _signum: int, frame: FrameType | None) -> None:
        if self.running and self.shell.failure is None:  # else it has ended, and its error is being shown
            self.shell.interrupted = True
            self.loop.strike(KeyboardInterrupt("the cell ran longer than its limit"), frame)

    def _on_cpu(self, _signum: int, frame: FrameType | None) -> None:
        self.cpu_met = True
        if self.running:
            self.shell.interrupted = True  # a cell that waits is told by a cancellation
            self.loop.strike(CpuLimit("the session used up its processor time"), frame)

    def _answer(self, frame: dict[str, Any]) -> None:
        self.request = frame["id"]
        op = frame["op"]
        if op == "run":
            done = self.run(frame)
        elif op == "complete":
            done = self._complete(frame["code"], frame["cursor"])
        elif op == "inspect":
            done = self._inspect(frame["code"], frame["cursor"], frame["detail"])
        elif op == "is_complete":
            status, indent = self.shell.input_transformer_manager.check_complete(frame["code"])
            done = {"status": status, "indent": " " * (indent or 0)}
        elif op == "fork":
            fds, self.fds = self.fds, []
            child, done = fork.fork(self.sock, fds, frame["children"])
            if child is not None:
                self._become(child)
                return
        else:
            done = {"failure": ["ValueError", f"unknown operation {op!r}"]}
        self.send({"id": self.request, "done": done})

    def _become(self, sock: socket.socket) -> None:
        """Go on as a forked session that is reached over `sock`."""
        self.sock = sock
        self.announce()

    def announce(self) -> None:
        """Tell the outside that cells can be sent."""
        self.send({"ready": self.level})

    def run(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Run one cell and return how it ended."""
        self.cell += 1
        self.collector.begin(self.cell, frame["chars"], frame["messages"])
        self.shell.failure = self.shell.page = None
        self.shell.interrupted = False
        try:
            try:
                with self.memory.bounded():
                    self.running = True
                    self._run_cell(frame)
            finally:
                self.running = False
        except BaseException as error:  # noqa: BLE001 - whatever a cell does is its result, and never our end
            self._show(error)
        return self._finish(frame["chars"])

    def _run_cell(self, frame: dict[str, Any]) -> None:
        """Run the cell as a stock kernel does: in a running event loop, whether it awaits anything or not."""
        code, broken = frame["code"], None
        try:
            transformed = self.shell.transform_cell(code)
        except Exception:  # noqa: BLE001 - IPython shows it as the cell's error
            transformed, broken = code, sys.exc_info()
        how = {"store_history": frame["history"], "silent": frame["silent"], "cell_id": None}
        parsed = {"transformed_cell": transformed, "preprocessing_exc_tuple": broken}
        if _MAY_WARN.search(code):
            self._warn_as_stock(code, parsed)

        async def run() -> Any:
            ended = None
            try:
                ended = await self.shell.run_cell_async(code, **how, **parsed)
                return ended
            finally:  # figures are shown by these
                self.shell.events.trigger("post_execute")
                if not frame["silent"]:
                    self.shell.events.trigger("post_run_cell", ended)

        # Only a cell with one of these words can wait for anything; it may also have them in a string.
        ended = self.loop.run(run(), waits="await" in code or "async" in code)
        error = ended.error_before_exec or ended.error_in_exec
        if error is not None and self.shell.failure is None:  # it could not even be shown
            self.shell.failure = failure_of(type(error), None)

    def _warn_as_stock(self, code: str, parsed: dict[str, Any]) -> None:
        """Compile a cell as often as a stock kernel does before it runs it: each time the compiler warns anew."""
        if not self.shell.should_run_async(code, **parsed):
            self.shell.should_run_async(code, **parsed)

    def _show(self, error: BaseException) -> None:
        """Have an error that IPython let through end the cell as any other, in one line: where it passed is ours."""
        if self.shell.failure is None:
            self.shell.show_line(type(error), error)

    def _finish(self, chars: int) -> dict[str, Any]:
        text, cut = self.raw.drain(4 * chars)
        credit.CELL.set(self.cell)
        with contextlib.suppress(OutputLimit):  # the flags below say so
            self.collector.stream("stdout", text)
        self.collector.end()
        return {
            "failure": self.shell.failure,
            "count": self.shell.execution_count - 1,
            "truncated": self.collector.truncated or cut,
            "flooded": self.collector.flooded,
            "cpu": self.cpu_met,
            "interrupted": self.shell.interrupted,
            "page": self.shell.page,
        }

    def _complete(self, code: str, cursor: int) -> dict[str, Any]:
        with provisionalcompleter():
            found = list(rectify_completions(code, self.shell.Completer.completions(code, cursor)))
        start, end = (found[0].start, found[0].end) if found else (cursor, cursor)
        return {"matches": [c.text for c in found], "start": start, "end": end}

    def _inspect(self, code: str, cursor: int, detail: int) -> dict[str, Any]:
        name = token_at_cursor(code, cursor)
        try:
            return {"data": self.shell.object_inspect_mime(name, detail_level=detail)}
        except KeyError:
            return {"data": None}


def fresh_state() -> None:
    """Give every new session the same random state, so that re-running a solution gives the same output."""
    random.seed(SEED)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(SEED)
    sympy_random = sys.modules.get("sympy.core.random")  # has a generator of its own
    if sympy_random is not None:
        sympy_random.seed(SEED)


def prepare(level: str) -> Callable[[socket.socket, str], None]:
    """Build all that a session at `level` starts with, in the zygote; return what the session then runs to serve its
    socket from its work folder.
    """
    stand_ins.install()
    credit.install()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        executor = Executor(make_shell(), CellLoop(), ours, level)
        _move_in(os.getcwd())
        for code in WARM_UP:
            executor.run({"code": code, "chars": 1000, "messages": 1000, "history": True, "silent": False})
    executor.shell.forget()
    executor.memory.met()  # a session's bound is counted from what this process has now

    def serve(sock: socket.socket, folder: str) -> None:
        _move_in(folder)
        sys.path.insert(0, "")
        executor.serve(sock, folder)

    return serve


def _move_in(folder: str) -> None:
    """Make `folder` the work folder of a session that begins."""
    os.chdir(folder)
    home = os.path.dirname(folder)
    os.environ.update(HOME=folder, TMPDIR=os.path.join(home, "tmp"))
    stand_ins.begin(home)
    fresh_state()
