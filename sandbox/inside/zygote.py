"""The process sessions are forked from: started clean, single-threaded, with IPython, NumPy and SymPy loaded.

It is exec'd, so that nothing of the caller's memory, environment, threads or descriptors reaches a session.
Over one SEQPACKET socket it takes {"op": "start" | "fork" | "forked"} requests and reports what became of its children;
it ends, and every session with it, when that socket closes. Does not cover running cells (`executor`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from sandbox import folders, wire
from sandbox.errors import IsolationError
from sandbox.isolation import fork_permits, levels, syscalls
from sandbox.limits import Level, Limits

Executor = Callable[[socket.socket, str], None]

CONTROL_FD = 3


class OwnerGone(Exception):
    """The process that this zygote works for has ended."""


NO_DESCRIPTOR = -1


class Zygote:
    """Starts sessions on request and watches over them."""

    def __init__(self, control: socket.socket, level: Level, read: list[str], executor: Executor) -> None:
        """Serve `control`; sessions get `level`, may read `read` and run `executor(socket, folder)`."""
        self.control = control
        self.level = level
        self.read = read
        self.executor = executor
        self.pid = os.getpid()
        self.pids: dict[int, int] = {}
        # What a session begins with.
        self.resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.poll = select.poll()
        self.forks = fork_permits.Supervisor(self._report, self.poll)

    def serve(self) -> None:
        """Answer until the owner goes away."""
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.poll.register(self.control, select.POLLIN)
        self.poll.register(ended, select.POLLIN)
        while True:
            ready = self.poll.poll()
            # The owner's requests come first: a session told to fork may report its clone before we have
            # read the message that allows it, but never before that was sent.
            if not self._read_requests():
                return
            for fd, events in ready:
                if fd == ended:
                    os.read(ended, 4096)
                    self._reap()
                elif fd != self.control.fileno():
                    self.forks.ready(fd, events)

    def _read_requests(self) -> bool:
        """Deal with every request that has come; return whether the owner is still there."""
        while True:
            try:
                request, fds = wire.receive_with_fds(self.control)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                return False
            if request is None:
                return False
            self._handle(request, fds)

    def _handle(self, request: dict[str, Any], fds: list[int]) -> None:
        if request["op"] == "start":
            self._start(request, fds[0])
        elif request["op"] == "forked":
            self.forks.end_grant(request["session"])
        else:
            limits = Limits(**request["limits"])
            self.forks.grant(request["session"], request["children"], (limits.disk_mb, limits.files))

    def _start(self, request: dict[str, Any], fd: int) -> None:
        ours, theirs = socket.socketpair()
        pid = syscalls.fork()
        if pid == 0:
            self._be_session(request, fd, theirs)
        theirs.close()
        os.close(fd)
        self.pids[pid] = request["session"]
        self._report({"started": request["session"], "pid": pid}, [os.pidfd_open(pid)])
        # Waits until the child has isolated itself or died, a few milliseconds; later starts take their turn.
        hello, fds, _flags, _address = socket.recv_fds(ours, 1, 1)
        ours.close()
        if hello and fds:
            shared = folders.parts(request.get("folder"))
            self.forks.watch(fds[0], request["session"], pid, request["limits"]["threads"], shared)
        elif hello:
            self._report({"unsupervised": request["session"]})

    def _be_session(self, request: dict[str, Any], fd: int, hello: socket.socket) -> None:
        """Become session `request["session"]`; never returns."""
        status, channel = 1, fd
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            limits = Limits(**request["limits"])
            # Both stay clear of the number that the socket takes below, whatever is free by now.
            fd = channel = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, limits.descriptors)
            hello = socket.socket(
                fileno=fcntl.fcntl(hello.detach(), fcntl.F_DUPFD_CLOEXEC, limits.descriptors)
            )
            keep = sorted((fd, hello.fileno()))
            os.closerange(CONTROL_FD, keep[0])
            os.closerange(keep[0] + 1, keep[1])
            os.closerange(keep[1] + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
            # The highest descriptor is the last that a cell closing what it did not open will come to.
            os.dup2(fd, limits.descriptors - 1, inheritable=False)
            os.close(fd)
            sock = socket.socket(fileno=limits.descriptors - 1)
            channel = sock.fileno()
            try:
                folder, listener = levels.enter_session(
                    self.level, limits, self.read, request.get("folder", ""), self.pid
                )
                listeners = [listener] if listener != NO_DESCRIPTOR else []
                socket.send_fds(hello, [b"1"], listeners)
                for each in (*listeners, hello.detach()):
                    os.close(each)
                levels.seal(self.level, limits)
                self.executor(sock, folder)
                status = 0
            except IsolationError as error:
                sock.sendall(wire.encode({"fatal": str(error)}))
        except (OSError, ValueError, OverflowError) as error:
            # The owner would learn no more than an exit code.
            os.write(channel, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
        finally:
            os._exit(status)

    def end_sessions(self) -> None:
        """End every session and wait until it is gone."""
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        for pid in self.pids:
            os.waitpid(pid, 0)

    def _reap(self) -> None:
        """Collect ended children, forks among them, and tell the owner how they ended and what they had used."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.forks.ended(pid)
            if pid in self.pids:
                self._report(
                    {
                        "ended": self.pids.pop(pid),
                        "code": os.waitstatus_to_exitcode(status),
                        "cpu_seconds": used.ru_utime + used.ru_stime,
                        "grown_bytes": max(used.ru_maxrss * 1024 - self.resident, 0),
                    }
                )

    def _report(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Send to the owner, waiting while it is busy; descriptors are closed here once sent."""
        if "forked" in message:
            self.pids[message["pid"]] = message["forked"]
        try:
            wire.send_with_fds(self.control, message, fds or [])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise OwnerGone from error
        finally:
            for fd in fds or []:
                os.close(fd)


def _unusable(packages: list[str], preload: list[str]) -> str | None:
    """Import what is to be `preload`ed; return what is wrong with that or with the folders `packages`, or None."""
    for folder in packages:
        if not os.access(folder, os.R_OK | os.X_OK):  # under `strict` a root's sessions are not root
            return f"packages: sessions cannot read {folder}: let others read it (chmod -R o+rX)"
    for name in preload:
        try:
            __import__(name)
        except Exception as error:  # noqa: BLE001 - a module that is loaded may raise anything
            return f"preload: {name} cannot be imported: {type(error).__name__}: {error}"
    return None


def main(config: str) -> None:
    """Run a zygote as `config` (JSON: level, imports, packages, preload, root, home, fd) says."""
    settings = json.loads(config)
    if settings["fd"] != CONTROL_FD:
        os.dup2(settings["fd"], CONTROL_FD, inheritable=False)
        os.close(settings["fd"])
    control = socket.socket(fileno=CONTROL_FD)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, most)
    )  # one descriptor a session, and more while it starts
    try:
        read = levels.enter_zygote(settings["level"], settings["imports"])
    except IsolationError as error:
        wire.send_with_fds(control, {"fatal": str(error)}, [])
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the owner's terminal is the owner's business
    # Only now: everything above also lives in the waiting outer half, which has no use for IPython.
    from sandbox.inside import executor, memory

    why = _unusable(settings["packages"], settings["preload"])
    if why:
        wire.send_with_fds(control, {"failed": why[:2000]}, [])
        os._exit(1)
    run = executor.prepare(settings["level"])
    if settings["root"] not in settings["imports"]:  # installed, that is where all packages are
        sys.path.remove(settings["root"])
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    levels.prepare(settings["level"])
    memory.share_objects()
    memory.use_large_pages()
    wire.send_with_fds(control, {"ready": settings["level"]}, [])
    zygote = Zygote(control, settings["level"], read, run)
    with contextlib.suppress(OwnerGone):
        zygote.serve()
    if settings["home"]:  # else the sessions' files end with their namespace, as they do with this process
        zygote.end_sessions()
        folders.remove(settings["home"])
    os._exit(0)
