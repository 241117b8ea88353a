"""Change modes and times of files for a session that sees the host's file tree, in its own folders and nowhere else.

A filter cannot look at paths, so the calls are reported to the zygote, which makes the change itself: it opens what
the session named, asks the kernel where that really is, and changes what it has opened. Nothing can be put in its
place meanwhile. Does not cover owners, set-id bits and extended attributes, which stay refused everywhere.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Callable

CALLS = ("chmod", "fchmod", "fchmodat", "utimensat")
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW = -100, 0x100
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
_PATH_BYTES = 4096
_TIMES = struct.Struct("=4q")


def change(call: str, pid: int, args: list[int], folders: tuple[str, ...]) -> int:
    """Make the `call` of thread `pid` for it if it is about something below `folders`.

    Returns:
        0, or a negative errno.
    """
    try:
        return _CHANGES[call](pid, args, folders)
    except OSError as error:
        return -(error.errno or errno.EPERM)
    except (OverflowError, struct.error):  # an address where nothing is, a time that is none
        return -errno.EFAULT


def _chmod(pid: int, args: list[int], folders: tuple[str, ...]) -> int:
    return _set_mode(_open(pid, _AT_FDCWD, args[0]), args[1], folders)


def _fchmod(pid: int, args: list[int], folders: tuple[str, ...]) -> int:
    return _set_mode(_open(pid, _signed(args[0]), None), args[1], folders)


def _fchmodat(pid: int, args: list[int], folders: tuple[str, ...]) -> int:
    return _set_mode(_open(pid, _signed(args[0]), args[1]), args[2], folders)


def _utimensat(pid: int, args: list[int], folders: tuple[str, ...]) -> int:
    asked = _TIMES.unpack(_memory(pid, args[2], _TIMES.size)) if args[2] else (0, _UTIME_NOW, 0, _UTIME_NOW)
    return _set_times(_open(pid, _signed(args[0]), args[1] or None, args[3]), asked, folders)


_CHANGES: dict[str, Callable[[int, list[int], tuple[str, ...]], int]] = {
    "chmod": _chmod,
    "fchmod": _fchmod,
    "fchmodat": _fchmodat,
    "utimensat": _utimensat,
}


def _set_mode(fd: int, mode: int, folders: tuple[str, ...]) -> int:
    try:
        if not _is_below(fd, folders) or mode & (stat.S_ISUID | stat.S_ISGID):
            return -errno.EPERM
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(mode))
        return 0
    finally:
        os.close(fd)


def _set_times(fd: int, asked: tuple[int, ...], folders: tuple[str, ...]) -> int:
    try:
        if not _is_below(fd, folders):
            return -errno.EPERM
        found, times = os.fstat(fd), []
        for held, (seconds, nanoseconds) in zip(
            (found.st_atime_ns, found.st_mtime_ns), (asked[:2], asked[2:]), strict=True
        ):
            if nanoseconds == _UTIME_NOW:
                times.append(time.time_ns())
            elif nanoseconds == _UTIME_OMIT:
                times.append(held)
            else:
                times.append(seconds * 10**9 + nanoseconds)
        os.utime(f"/proc/self/fd/{fd}", ns=(times[0], times[1]))
        return 0
    finally:
        os.close(fd)


def _open(pid: int, folder: int, path: int | None, flags: int = 0) -> int:
    """Open, without any right to it, what a thread means by a descriptor and the address of a path, if any."""
    base = f"/proc/{pid}/cwd" if folder == _AT_FDCWD else f"/proc/{pid}/fd/{folder}"
    if folder != _AT_FDCWD and not os.path.lexists(base):
        raise OSError(errno.EBADF, "no such descriptor")
    follow = os.O_NOFOLLOW if flags & _AT_SYMLINK_NOFOLLOW else 0
    if path is None:
        return os.open(base, os.O_PATH | os.O_CLOEXEC)
    name = _memory(pid, path, _PATH_BYTES).partition(b"\0")[0]
    if not name:
        raise OSError(errno.ENOENT, "an empty path")
    return os.open(os.path.join(os.fsencode(base), name), os.O_PATH | os.O_CLOEXEC | follow)


def _is_below(fd: int, folders: tuple[str, ...]) -> bool:
    """Whether what was opened lies in one of `folders`, or is one: the kernel says where it really is."""
    place = os.readlink(f"/proc/self/fd/{fd}")
    return any(place == folder or place.startswith(folder + os.sep) for folder in folders)


def _memory(pid: int, address: int, size: int) -> bytes:
    """Return up to `size` bytes of a thread's memory; fewer at the end of what is mapped."""
    mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(mem, size, address)
    finally:
        os.close(mem)


def _signed(value: int) -> int:
    """Return the low half of a register as the signed integer that a descriptor is."""
    low = value & 0xFFFFFFFF
    return low - 2**32 if low & 2**31 else low
