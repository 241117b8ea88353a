"""Landlock: files a session may touch, and (on newer kernels) no TCP, no signals and abstract sockets
outward.

Does not cover quotas or hiding: Landlock denies access but does not bound what is written.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

from sandbox.isolation import syscalls

# What a kernel answers that was built without Landlock, or started without it.
MISSING = (errno.ENOSYS, errno.EOPNOTSUPP)
_CREATE_VERSION = 1
_PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """Return the kernel's Landlock version, 0 when it has none."""
    try:
        return syscalls.syscall("landlock_create_ruleset", None, 0, _CREATE_VERSION)
    except OSError:
        return 0


def restrict(read: Iterable[str], write: Iterable[str]) -> None:
    """Confine the calling process: files below `read` can be read, those below `write` also changed.

    Paths that do not exist are passed over. Needs no_new_privs.

    Raises:
        OSError: the kernel has no Landlock, or refused.
    """
    version = abi()
    if not version:
        raise OSError(errno.ENOSYS, "Landlock is not in this kernel or not switched on")
    handled = _FIRST
    handled |= REFER if version >= 2 else 0
    handled |= TRUNCATE if version >= 3 else 0
    handled |= IOCTL_DEV if version >= 5 else 0
    attr = _Ruleset(handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = syscalls.syscall("landlock_create_ruleset", ctypes.c_void_p(ctypes.addressof(attr)), size, 0)
    try:
        for path in read:
            _allow(ruleset, path, READ_FILE | READ_DIR | EXECUTE)
        for path in write:
            _allow(ruleset, path, handled & ~EXECUTE)
        syscalls.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            access &= _FILE_ONLY
        rule = _PathBeneath(access, parent)
        pointer = ctypes.c_void_p(ctypes.addressof(rule))
        syscalls.syscall("landlock_add_rule", ruleset, _PATH_BENEATH, pointer, 0)
    finally:
        os.close(parent)
