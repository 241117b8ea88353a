"""The kernel interfaces that Python does not wrap, by ctypes: namespaces, mounts, capabilities, seccomp,
Landlock.

Every function raises OSError with the call's name. Does not cover policy: see `seccomp`, `landlock`,
`rootfs`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from typing import Any

from sandbox.isolation.syscall_table import NAMED

ARCH = platform.machine()
NR = NAMED.get(ARCH, {})

CLONE_FILES = 0x00000400
CLONE_PARENT = 0x00008000
CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
# The same, but for keeping the interpreter's lock over the call.
_locked = ctypes.PyDLL(None, use_errno=True)
_locked.syscall.restype = ctypes.c_long


class MountAttr(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def syscall(name: str, *args: Any) -> int:
    """Make the system call `name` of the table. Raises OSError; ENOSYS on a machine without a table."""
    if name not in NR:
        raise OSError(errno.ENOSYS, f"{name}: no system call table for {ARCH}")
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = _libc.syscall(ctypes.c_long(NR[name]), *values)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return int(result)


def fork() -> int:
    """Fork this process, which must have no other thread; return 0 in the copy, the copy's number in the caller.

    What was registered to be done at a fork (`os.register_at_fork`) is not done. It is for other threads, whose locks
    nobody would release, and for random states, which are to be alike here; and every object it looks at is on one
    more page that the copy gets for itself.
    """
    return _checked("fork", _locked.fork())


def clone(flags: int) -> int:
    """Do as `fork`, by the system call, which can be asked for namespaces with `flags`."""
    return _checked("clone", _locked.syscall(*(ctypes.c_long(a) for a in (NR["clone"], flags, 0, 0, 0, 0))))


def _checked(name: str, pid: int) -> int:
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return pid


def prctl(option: int, *args: int) -> None:
    """Change an attribute of this process."""
    syscall("prctl", option, *(list(args) + [0] * (4 - len(args))))


def unshare(flags: int) -> None:
    """Leave the namespaces named in `flags` for new ones."""
    syscall("unshare", flags)


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd`."""
    syscall("setns", fd, kind)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach the file system `source`, of type `kind`, at `target`."""
    syscall("mount", source.encode(), target.encode(), kind.encode(), flags, data.encode())


def mount_read_only(target: str, *, recursive: bool, devices: bool = False) -> None:
    """Make the mount at `target` (and those below) read-only, without set-uid programs and, unless told, `devices`."""
    no_devices = 0 if devices else MOUNT_ATTR_NODEV
    attr = MountAttr(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | no_devices, 0, 0, 0)
    pointer = ctypes.c_void_p(ctypes.addressof(attr))
    flags = AT_RECURSIVE if recursive else 0
    try:
        syscall("mount_setattr", AT_FDCWD, target.encode(), flags, pointer, ctypes.sizeof(attr))
    except OSError as error:
        if error.errno != errno.ENOSYS:  # before Linux 5.12, and in gVisor
            raise
        flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | (0 if devices else MS_NODEV)
        mount("", target, "", flags)
        for point in _mounts_below(target) if recursive else ():
            try:
                mount("", point, "", flags)
            except OSError as covered:
                if (
                    covered.errno != errno.EINVAL
                ):  # what a later mount covers is out of reach, for sessions too
                    raise


def _mounts_below(target: str) -> list[str]:
    """Return the mount points below `target`."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if point.startswith(target.rstrip("/") + "/")]


def pivot_root(new: str) -> None:
    """Make `new` the root of this mount namespace and let go of the old one."""
    os.chdir(new)
    syscall("pivot_root", b".", b".")
    syscall("umount2", b".", MNT_DETACH)
    os.chdir("/")


def map_ids(inside: int, uid: int, gid: int) -> None:
    """Map id `inside` of the caller's new user namespace to `uid` and `gid` of its parent."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def drop_capabilities(*, bounding: bool) -> None:
    """Give up every capability of the caller, and with `bounding` the means to gain any."""
    if bounding:
        for capability in range(64):
            try:
                prctl(PR_CAPBSET_DROP, capability)
            except OSError:  # past the last one this kernel knows, or not ours to drop
                break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    syscall("capset", header, (ctypes.c_uint32 * 6)())
