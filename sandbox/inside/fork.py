"""Fork a session's own process, inside it, when the owner asks.

Says why not when a fork could not be faithful: threads do not survive one, and open files would be shared.
Does not cover permission, which the zygote gives (`isolation.fork_permits`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import sys
from typing import Any

from sandbox import wire
from sandbox.inside import files
from sandbox.inside.outputs import RawOutput
from sandbox.isolation import rootfs, syscalls
from sandbox.isolation.fork_permits import FORK_FLAGS
from sandbox.isolation.levels import SESSION_ID

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# Kept here, since a cell may put something else in its place.
_close_one = os.close


def fork(
    sock: socket.socket, fds: list[int], children: list[int]
) -> tuple[socket.socket | None, dict[str, Any]]:
    """Fork once for each of `children`, which are reached over the sockets `fds`; these are closed here.

    Never raises: the cells may have used up the descriptors, or put something else in the place of any function here.

    Returns:
        in the caller, None and what to answer: how many were made, and why not all; in each child, the socket it is
        to serve from now on.
    """
    made, opened = 0, list(fds)
    try:
        reason = "the sockets were not received" if len(fds) != len(children) else None
        reason = reason or unsound({0, 1, 2, sock.fileno(), *fds})
        home = os.open(rootfs.HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.append(home)
        for fd, child in zip(fds, children, strict=False) if reason is None else ():
            if _clone() == 0:
                return _be_child(sock, fd, fds, child, home), {}
            made += 1
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}"[:500]
    finally:
        _close(opened)
    return None, {"forked": made, "unsound": reason or ""}


def _be_child(sock: socket.socket, fd: int, fds: list[int], child: int, home: int) -> socket.socket:
    """Put socket `fd` where the parent's was, and the files as they were; or say why not, and end."""
    number = sock.detach()
    try:
        os.dup2(fd, number, inheritable=False)
        for each, name in _open_files({0, 1, 2, number, home, *fds}):
            _reopen(each, name)
        _settle(child, home)
        return socket.socket(fileno=number)
    except Exception as error:
        os.write(fd, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
        raise
    finally:  # half a copy must not answer for its parent
        if sys.exc_info()[0] is not None:
            os._exit(1)


def unsound(expected: set[int]) -> str | None:
    """Return why a fork now would not be a faithful copy, or None. `expected` are descriptors that may be
    open.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        return "a thread is running"
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the current folder has been removed"
    names = [name for fd, name in _open_files(expected) if not _reopens(fd, name)]
    return f"open: {', '.join(names)}"[:500] if names else None


def _open_files(expected: set[int]) -> list[tuple[int, str]]:
    """Return the open descriptors beyond `expected`, and what each leads to."""
    listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    found = []
    try:
        for fd in sorted({int(name) for name in os.listdir(listing)} - expected - {listing}):
            with contextlib.suppress(FileNotFoundError):  # the descriptor through which the list was read
                found.append((fd, os.readlink(str(fd), dir_fd=listing)))
    finally:
        os.close(listing)
    return found


def _reopens(fd: int, name: str) -> bool:
    """Whether the child can open a file anew: one that can only be read, as the fonts that matplotlib keeps open."""
    mode = os.fstat(fd).st_mode
    reads = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    return stat.S_ISREG(mode) and reads and not name.startswith(rootfs.HOME + os.sep) and os.path.exists(name)


def _reopen(fd: int, name: str) -> None:
    """Give the child its own place in an open file, where the parent's would move with it."""
    new = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    os.lseek(new, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(new, fd, inheritable=False)
    os.close(new)


def _clone() -> int:
    """Clone this process into user and mount namespaces of its own; return 0 in the child. Raises OSError."""
    return syscalls.clone(FORK_FLAGS)


def _settle(child: int, home: int) -> None:
    """Take up the new home (the zygote mounts it in answer to this call) and copy what the old one, `home`, holds."""
    folder = os.getcwd()
    syscalls.syscall("mount", None, None, None, child, None)
    syscalls.map_ids(SESSION_ID, SESSION_ID, SESSION_ID)
    for name in ("work", "tmp"):
        source = os.open(name, _FOLDER, dir_fd=home)
        target = os.open(os.path.join(rootfs.HOME, name), _FOLDER)
        try:
            files.copy_tree(source, target)
            os.fchmod(target, os.fstat(source).st_mode & 0o7777)
        finally:
            _close([source, target])
    os.chdir(folder)
    RawOutput().open(rootfs.WORK)
    # Only now: until here they opened what the cells had closed to themselves.
    syscalls.drop_capabilities(bounding=False)


def _close(fds: list[int]) -> None:
    for fd in fds:
        _close_one(fd)
