"""Fork a session's own process, inside it, when the owner asks.

Says why not when a fork could not be faithful: threads do not survive one, and open files would be shared.
The clone is made by a raw system call, since `os.fork` cannot ask for namespaces. Does not cover permission,
which the zygote gives (`forking`).
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import socket
import stat
from typing import Any

from sandbox.isolation import rootfs, syscalls
from sandbox.isolation.fork_permits import FORK_FLAGS
from sandbox.isolation.levels import SESSION_ID

_python = ctypes.PyDLL(None, use_errno=True)
_python.syscall.restype = ctypes.c_long


def fork(
    sock: socket.socket, fds: list[int], children: list[int]
) -> tuple[socket.socket | None, dict[str, Any]]:
    """Fork once for each of `children`, which are reached over the sockets `fds`.

    Returns:
        in the caller, None and what to answer; in each child, the socket it is to serve from now on.
    """
    number = sock.fileno()
    reason = (
        unsound({0, 1, 2, number, *fds}) if len(fds) == len(children) else "the sockets were not received"
    )
    if reason:
        _close(fds)
        return None, {"unsound": reason}
    old = os.open(rootfs.HOME, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    state = random.getstate()
    try:
        for fd, child in zip(fds, children, strict=True):
            if _clone() == 0:
                return _be_child(sock, fd, fds, child, old, state), {}
    except OSError as error:
        return None, {"unsound": str(error)}
    finally:
        os.close(old)
    _close(fds)
    return None, {"forked": len(children)}


def _be_child(
    sock: socket.socket, fd: int, fds: list[int], child: int, old: int, state: Any
) -> socket.socket:
    """Put socket `fd` where the parent's was, and the random state and files as they were; or end."""
    whole = False
    try:
        number = sock.detach()
        os.dup2(fd, number, inheritable=False)
        _close(fds)
        random.setstate(state)
        _settle(child, old)
        whole = True
        return socket.socket(fileno=number)
    finally:  # only reached when it failed: half a copy must not answer for its parent
        if not whole:
            os._exit(1)


def unsound(expected: set[int]) -> str | None:
    """Return why a fork now would not be a faithful copy, or None. `expected` are descriptors that may be
    open.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        return "a thread is running"
    listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extra = sorted({int(name) for name in os.listdir(listing)} - expected - {listing})
        names = []
        for fd in extra:
            try:
                names.append(os.readlink(str(fd), dir_fd=listing))
            except FileNotFoundError:  # the descriptor of the listing itself
                continue
    finally:
        os.close(listing)
    return f"open: {', '.join(names)}"[:500] if names else None


def _clone() -> int:
    """Clone this process into user and mount namespaces of its own; return 0 in the child. Raises OSError."""
    ctypes.pythonapi.PyOS_BeforeFork()
    arguments = [ctypes.c_long(a) for a in (syscalls.NR["clone"], FORK_FLAGS, 0, 0, 0, 0)]
    pid = int(_python.syscall(*arguments))
    number = ctypes.get_errno()
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return pid


def _settle(child: int, old: int) -> None:
    """Take up the new work folder (the zygote mounts it in answer to this call) and copy the old one's
    files.
    """
    syscalls.syscall("mount", None, None, None, child, None)
    syscalls.map_ids(SESSION_ID, SESSION_ID, SESSION_ID)
    syscalls.drop_capabilities(bounding=False)
    for name in ("work", "tmp"):
        source = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=old)
        try:
            _copy(source, os.path.join(rootfs.HOME, name))
        finally:
            os.close(source)
    os.chdir(rootfs.WORK)


def _copy(source: int, target: str) -> None:
    """Copy what folder descriptor `source` holds into `target`: files, folders and links, never through a
    link.
    """
    with os.scandir(source) as entries:
        for entry in entries:
            path = os.path.join(target, entry.name)
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                os.symlink(os.readlink(entry.name, dir_fd=source), path)
            elif stat.S_ISFIFO(mode):
                os.mkfifo(path, stat.S_IMODE(mode))
            elif stat.S_ISDIR(mode):
                os.mkdir(path)
                below = os.open(
                    entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source
                )
                try:
                    _copy(below, path)
                finally:
                    os.close(below)
                os.chmod(path, stat.S_IMODE(mode))
            elif stat.S_ISREG(mode):
                below = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
                with os.fdopen(below, "rb") as reader, open(path, "wb") as writer:
                    shutil.copyfileobj(reader, writer)
                os.chmod(path, stat.S_IMODE(mode))


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
