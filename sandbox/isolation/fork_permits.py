"""Answer the calls that sessions' filters report: above all, let a session be forked when its owner asks.

A session may not create processes: its filter reports every `clone`, and every `mount`, to the zygote, which refuses
those of processes, except for as many as the owner has just asked for, and only until it has its forks or has given
up. The forked child gets user and mount namespaces of its own with the clone, and an empty work folder from the zygote
in answer to its `mount` call; a copy that never asks for one is ended with the grant. Threads are counted here and not
by the kernel's limit, which a session and all its forks would share. Does not cover what the child then does
(`inside.fork`), or changes to files, which are reported at level `landlock` and made by `file_permits`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.isolation import file_permits, rootfs, syscalls
from sandbox.isolation.syscall_table import ALLOWED

# The child is the zygote's, which learns how it ended, and not the session's.
FORK_FLAGS = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_PARENT | 17  # SIGCHLD

_FILE_CALLS = {
    number: name for name, number in ALLOWED.get(syscalls.ARCH, {}).items() if name in file_permits.CALLS
}
_CONTINUE = 1
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_PARENT_NAMESPACE = 0xB702


class _Notice(ctypes.Structure):
    """struct seccomp_notif, with its struct seccomp_data."""

    _fields_ = [
        ("id", ctypes.c_uint64),
        ("pid", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("nr", ctypes.c_int32),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("args", ctypes.c_uint64 * 6),
    ]


class _Answer(ctypes.Structure):
    """struct seccomp_notif_resp."""

    _fields_ = [
        ("id", ctypes.c_uint64),
        ("val", ctypes.c_int64),
        ("error", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    ]


@dataclass(slots=True)
class _Family:
    """One filter: a session and everything forked from it, under the same limit of threads each."""

    members: dict[int, int]  # pid -> session
    threads: int
    folders: tuple[str, ...]  # on the host, in which it may change files


@dataclass(slots=True)
class _Grant:
    """Children the owner has asked for, not yet all made."""

    parent: int
    clones: int
    children: list[int]
    disk: tuple[int, int]
    namespace: int | None  # of the parent's user ids


class Supervisor:
    """Decides on the reported calls of all sessions."""

    def __init__(self, report: Callable[[dict[str, Any], list[int]], None], poll: select.poll) -> None:
        """Tell the owner of new children through `report(message, descriptors)`; have `poll` watch for
        calls.
        """
        self._report = report
        self._poll = poll
        self._families: dict[int, _Family] = {}
        self._grants: dict[int, _Grant] = {}
        self._root = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def watch(self, listener: int, session: int, pid: int, threads: int, folders: tuple[str, ...]) -> None:
        """Take over the `listener` of a new session, which may have `threads` beside its main one and change modes
        and times below `folders`.
        """
        self._families[listener] = _Family({pid: session}, threads, folders)
        self._poll.register(listener, select.POLLIN)

    def ready(self, fd: int, events: int) -> None:
        """Deal with what `poll` saw on `fd`: a reported call, or a listener that nobody uses any more."""
        if events & select.POLLIN:
            self._decide(fd)
            return
        self._families.pop(fd, None)
        self._poll.unregister(fd)
        os.close(fd)

    def grant(self, session: int, children: list[int], disk: tuple[int, int]) -> None:
        """Allow `session` to be cloned once for each of `children`, until `end_grant`."""
        pids = [
            pid for f in self._families.values() for pid, member in f.members.items() if member == session
        ]
        namespace = _namespace(pids[0]) if pids else None
        self._grants[session] = _Grant(session, len(children), list(children), disk, namespace)

    def end_grant(self, session: int) -> None:
        """Allow `session` no more clones, and end those it made and that were never settled."""
        grant = self._grants.pop(session, None)
        if grant is not None and grant.namespace is not None and grant.clones < len(grant.children):
            settled = {pid for family in self._families.values() for pid in family.members}
            _end_strays(grant.namespace, settled)

    def ended(self, pid: int) -> None:
        """Forget a session's process that has ended."""
        for family in self._families.values():
            family.members.pop(pid, None)

    def _decide(self, listener: int) -> None:
        """Answer one reported call."""
        notice = _Notice()
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # the caller was killed meanwhile
                return
            raise
        answer = _Answer(notice.id, 0, -errno.EPERM, 0)
        family = self._families[listener]
        if notice.nr == syscalls.NR["clone"] and notice.args[0] & syscalls.CLONE_THREAD:
            if _threads(notice.pid) <= family.threads:
                answer = _Answer(notice.id, 0, 0, _CONTINUE)
            else:
                answer.error = -errno.EAGAIN
        elif notice.nr == syscalls.NR["clone"]:
            grant = self._grants.get(family.members.get(notice.pid, -1))
            if grant and grant.clones and notice.args[0] & 0xFFFFFFFF == FORK_FLAGS and not notice.args[1]:
                grant.clones -= 1
                answer = _Answer(notice.id, 0, 0, _CONTINUE)
        elif notice.nr == syscalls.NR["mount"] and notice.pid not in family.members:
            answer.error = self._settle(listener, notice.pid, int(notice.args[3]))
        elif notice.nr in _FILE_CALLS:
            call = _FILE_CALLS[notice.nr]
            answer.error = file_permits.change(call, notice.pid, list(notice.args), family.folders)
        try:
            fcntl.ioctl(listener, _SEND, answer)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINPROGRESS):
                raise

    def _settle(self, listener: int, pid: int, child: int) -> int:
        """Give the new process `pid` its work folder and report it; return 0 or a negative errno."""
        for grant in self._grants.values():
            if child in grant.children:
                break
        else:
            return -errno.EPERM
        family = self._families[listener]
        if grant.parent not in family.members.values():
            return -errno.EPERM
        try:
            self._mount_home(pid, grant.disk)
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            return -(error.errno or errno.EPERM)
        grant.children.remove(child)
        family.members[pid] = child
        self._report({"forked": child, "pid": pid}, [pidfd])
        return 0

    def _mount_home(self, pid: int, disk: tuple[int, int]) -> None:
        """Mount an empty work folder in the namespace of `pid`, from outside."""
        namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(namespace, syscalls.CLONE_NEWNS)
            try:
                rootfs.mount_home(*disk)
            finally:
                syscalls.setns(self._root, syscalls.CLONE_NEWNS)
        finally:
            os.close(namespace)


def _threads(pid: int) -> int:
    """Return how many threads the process of thread `pid` has, its main one among them; 0 when it has gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return 0


def _end_strays(namespace: int, settled: set[int]) -> None:
    """Kill the processes that were cloned by the one with user ids in `namespace` and are not among the `settled`."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in settled and _namespace(int(name), above=True) == namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)


def _namespace(pid: int, *, above: bool = False) -> int | None:
    """Return the number of the user namespace of `pid`, or of the one `above` it; None where it cannot be known."""
    try:
        fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if above:
            below, fd = fd, fcntl.ioctl(fd, _PARENT_NAMESPACE)
            os.close(below)
        return os.fstat(fd).st_ino
    except PermissionError:  # it is the outermost that may be seen
        return None
    finally:
        os.close(fd)
