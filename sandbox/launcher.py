"""Start a zygote and, through it, sessions; fork or replay them.

One launcher belongs to one sandbox and its event loop.

Does not cover how sessions are shared out (`pool`) or what they run (`core`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from sandbox import folders, wire
from sandbox.core import START_SECONDS, Exit, Origin, SessionCore
from sandbox.errors import IsolationError, SandboxError, SessionClosed
from sandbox.isolation import rootfs
from sandbox.libraries import PRELOAD, Libraries
from sandbox.limits import Level, Limits

_BOOT = (
    "import sys, json; c = sys.argv[1]; s = json.loads(c); "
    "sys.path += [p for p in [*s['imports'], s['root']] if p not in sys.path]; "
    "from sandbox.inside.zygote import main; main(c)"
)


def environment() -> dict[str, str]:
    """Return the whole environment of a zygote: nothing of the caller's is passed on."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": rootfs.WORK,
        "TMPDIR": rootfs.TMP,
        # The same everywhere, so that a solution that is run again prints its sets in the same order.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # One arena and one numerical thread: a tight bound on address space, and nothing a fork would lose.
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Arrow, which pandas loads, else starts a thread on import, and a fork would lose it.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


class Launcher:
    """A zygote process, and the sessions that came from it."""

    def __init__(self, level: Level, libraries: Libraries) -> None:
        """Prepare to start sessions under `level` that can import `libraries`; `open` starts the zygote."""
        self._libraries = libraries
        self.level = level
        self.sessions: dict[int, SessionCore] = {}
        self._numbers = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._booted: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._home: folders.Home | None = None
        self._no_forks: str | None = None if level == "strict" else "only strict isolation can fork"

    async def open(self) -> None:
        """Start the zygote unless it runs, and wait until it takes requests.

        Raises:
            IsolationError: a layer the level requires is refused here.
            SandboxError: it did not come up.
        """
        async with self._turn:
            if self._home is None and self.level != "strict":
                await asyncio.to_thread(folders.sweep)
                self._home = folders.Home()
            if self._control is None:
                self._spawn()
            assert self._booted is not None
            try:
                await asyncio.wait_for(asyncio.shield(self._booted), START_SECONDS)
            except TimeoutError as error:
                self._lose("the zygote did not start in time")
                raise SandboxError(f"the zygote did not start within {START_SECONDS:.0f} s") from error

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        config = {
            "level": self.level,
            "imports": [*rootfs.import_folders(), *self._libraries.packages],
            "packages": self._libraries.packages,
            "preload": [*PRELOAD, *self._libraries.preload],
            "root": root,
            "home": self._home and self._home.path,
            "fd": theirs.fileno(),
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-c", _BOOT, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        self._control = ours
        loop = asyncio.get_running_loop()
        self._booted = loop.create_future()
        loop.add_reader(ours, self._readable)

    async def start(self, limits: Limits) -> SessionCore:
        """Start one session and wait until it takes cells.

        Raises:
            IsolationError: a layer was refused.
            SandboxError: the session or the zygote ended instead.
        """
        await self.open()
        ours, theirs = socket.socketpair()
        session = self.adopt(ours, limits)
        request: dict[str, Any] = {"op": "start", "session": session.number, "limits": asdict(limits)}
        if self.level != "strict":
            assert self._home is not None
            session.folder = request["folder"] = self._home.make(session.number)
        with theirs:
            await self._tell(request, [theirs.fileno()])
        try:
            await session.wait_ready(START_SECONDS)
        except BaseException:
            session.dispose()
            raise
        return session

    def adopt(self, sock: socket.socket, limits: Limits, *, forked: bool = False) -> SessionCore:
        """Give a session that is about to exist its number."""
        self._numbers += 1
        session = SessionCore(self._numbers, sock, limits, self.level, forked=forked)
        session.on_close.append(lambda: self._forget(session.number))
        self.sessions[session.number] = session
        return session

    async def fork(self, session: SessionCore, count: int) -> list[SessionCore]:
        """Return `count` sessions with the state of `session`: forked, or replayed where a fork would not be
        faithful or fails.

        Raises:
            SessionClosed: `session` is closed or has lost its state, or a replayed one lost it on the way.
        """
        async with session.turn:
            if not session.alive:
                raise SessionClosed("a session that is closed or has lost its state cannot be forked")
            made: list[SessionCore] = []
            reason = self._no_forks or ""
            try:
                while len(made) < count and session.alive and self._no_forks is None:
                    # Their sockets go to the session in one message and must find room among its descriptors.
                    batch = min(count - len(made), wire.MAX_FDS, session.limits.descriptors // 3)
                    forks, reason = await self._fork_batch(session, batch)
                    made += forks
                    if len(forks) < batch:
                        break
                while len(made) < count:
                    # What the zygote says of this host may arrive while the first fork is being tried.
                    made.append(await self._replay(session, self._no_forks or reason))
            except BaseException:
                for child in made:
                    child.dispose()
                raise
            return made

    async def _fork_batch(self, parent: SessionCore, count: int) -> tuple[list[SessionCore], str]:
        """Return up to `count` forks that take cells, and why there are not more."""
        children: list[SessionCore] = []
        theirs: list[socket.socket] = []
        ready: list[SessionCore] = []
        try:
            for _ in range(count):
                ours, its = socket.socketpair()
                theirs.append(its)
                children.append(self.adopt(ours, parent.limits, forked=True))
            made, reason = await self._fork_onto(parent, children, theirs)
            for its in theirs:  # else a copy that ends before it is ready would not be heard to hang up
                its.close()
            deadline = time.monotonic() + parent.limits.cell_seconds
            for child in children[:made]:
                try:
                    await child.wait_ready(max(deadline - time.monotonic(), 0.0))
                except SandboxError as error:
                    reason = str(error)
                    continue
                child.origin = Origin("fork")
                child.history = list(parent.history)
                ready.append(child)
            return ready, reason
        finally:
            for its in theirs:
                its.close()
            for child in children:
                if child not in ready:
                    child.dispose()
            with contextlib.suppress(SandboxError):  # the zygote has ended, and every process of it
                await self._tell({"op": "forked", "session": parent.number}, [])

    async def _fork_onto(
        self, parent: SessionCore, children: list[SessionCore], theirs: list[socket.socket]
    ) -> tuple[int, str]:
        """Have the zygote let `parent` be forked, and it fork; return how many copies there are, and why not all."""
        numbers = [child.number for child in children]
        limits = asdict(parent.limits)
        await self._tell({"op": "fork", "session": parent.number, "children": numbers, "limits": limits}, [])
        return await parent.fork_onto(numbers, theirs)

    async def _replay(self, parent: SessionCore, reason: str) -> SessionCore:
        """Return a session in which the cells of `parent` have run again."""
        child = await self.start(parent.limits)
        matches = True
        for code, output in parent.history:
            result, _ = await child.run(code)
            if result.state_lost:
                child.dispose()
                raise SessionClosed(f"replay for a fork ({reason}) lost its state: {result.error}")
            matches = matches and result.output == output
        child.origin = Origin("replay", reason, matches)
        return child

    def _forget(self, number: int) -> None:
        self.sessions.pop(number, None)

    def close(self) -> None:
        """End the zygote and every session, and wait for the process to go."""
        for session in list(self.sessions.values()):
            session.dispose()
        self._lose("the sandbox was closed")
        if self._home is not None:
            self._home.remove()
            self._home = None

    def abandon(self) -> None:
        """Let go of the zygote and every session without a word to them, in a process forked from the owner's.

        The loop's own descriptors are shared with the owner and stay as they are.
        """
        for session in list(self.sessions.values()):
            session.abandon()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._home is not None:
            self._home.abandon()

    async def _tell(self, message: dict[str, Any], fds: list[int]) -> None:
        while True:
            if self._control is None:
                raise SandboxError("the zygote has ended")
            try:
                wire.send_with_fds(self._control, message, fds)
                return
            except BlockingIOError:  # its queue is full: it is busy forking
                await asyncio.sleep(0.001)
            except (BrokenPipeError, ConnectionResetError) as error:
                self._lose("the zygote has ended")
                raise SandboxError("the zygote has ended") from error

    def _readable(self) -> None:
        assert self._control is not None
        try:
            message, fds = wire.receive_with_fds(self._control)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            message, fds = None, []
        if message is None:
            self._lose("the zygote has ended")
            return
        assert self._booted is not None
        if "ready" in message:
            self._booted.set_result(None)
        elif "fatal" in message:
            self._booted.set_exception(IsolationError(message["fatal"]))
        elif "failed" in message:
            self._booted.set_exception(SandboxError(wire.clean_text(message["failed"])))
        elif "unsupervised" in message:
            self._no_forks = self._no_forks or "this host refuses a listener for supervised system calls"
        elif "ended" in message:
            session = self.sessions.get(message["ended"])
            if session and not session.ended.done():
                session.ended.set_result(
                    Exit(message["code"], message["cpu_seconds"], message["grown_bytes"])
                )
        else:
            number = message["started"] if "started" in message else message["forked"]
            session = self.sessions.get(number)
            if session:
                session.attach(message["pid"], fds[0])
            else:  # nobody waits for it any more
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fds[0], signal.SIGKILL)
                os.close(fds[0])

    def _lose(self, why: str) -> None:
        """Let go of the zygote, which ends it, and of whoever waits for it."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._booted is not None and not self._booted.done():
            self._booted.set_exception(SandboxError(why))
            self._booted.exception()
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
