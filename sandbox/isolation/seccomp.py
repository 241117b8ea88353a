"""The system call filter of a session: an allow-list, compiled to BPF and installed without any library.

Calls outside the list fail: no network, processes, signals, mounts, namespaces, tracing, keyrings, shared
memory, io_uring or bpf, and nothing that the kernel counts for a user as a whole, the host's own programs among them.
`clone` and `mount` may be put to a supervisor (the zygote), which is how a session is forked and its threads are
counted. A session that is not enclosed (it sees the host's file tree, as at level `landlock`) may also make no call
that Landlock does not look at and that could change or tell something of the host's: modes and times are changed by
the supervisor for it. A second, short program (`seal`) is laid over it when the session has handed its listener over.
Does not cover what the supervisor decides: see `fork_permits`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import struct

from sandbox.isolation import file_permits, syscalls
from sandbox.isolation.syscall_table import ALLOWED, NAMED

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_RET_KILL, _RET_ERRNO, _RET_NOTIFY, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FC00000, 0x7FFF0000
_LD, _AND, _JEQ, _JSET, _JGE, _RET = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
_NR, _ARCH_OFFSET, _ARGS = 0, 4, 16
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_X32 = 0x40000000
# A kernel before 5.0 (and gVisor) knows no listener; one process can have one only, which may be its container's.
NO_LISTENER = (errno.EINVAL, errno.EBUSY, errno.ENOSYS)

# fcntl: setting the owner of asynchronous signals reaches other processes, a lease makes the host's own opening of a
# file wait, pipe sizes escape the memory limit, and hints on writing (1036, 1038) stay with the host's file.
_FCNTL_DENIED = (8, 10, 15, 1024, 1026, 1031, 1036, 1038)
# fcntl: SETLK, SETLKW, OFD_SETLK, OFD_SETLKW. No other process has a session's files, so that a lock is always
# granted; on a library's file, the true one would make the host wait.
_FCNTL_GRANTED = (6, 7, 37, 38)
# ioctl: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# prctl: PDEATHSIG and DUMPABLE reads, NAME, SECCOMP and CAPBSET reads, CAPBSET_DROP, NO_NEW_PRIVS, CAP_AMBIENT,
# SET_VMA.
_PRCTL_ALLOWED = (2, 3, 15, 16, 21, 23, 24, 38, 39, 47, 0x53564D41)
# What Landlock does not look at, by path or by a descriptor that reading alone gave: modes, owners and times of
# files, and their length (before its third version).
_HOST_CALLS = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "truncate"),
)
# Nor at extended attributes, whose text is the host's. Libraries take this for a file system that has none.
_ATTRIBUTE_CALLS = ("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr")
# Which argument is the mode of a new file, and which the flags of `open`.
_MODES = {"open": 2, "openat": 3, "creat": 1, "mknod": 1, "mknodat": 2}
_FLAGS = {"open": 1, "openat": 2}
_SET_ID_BITS = 0o6000
_O_ACCMODE, _O_TRUNC, _O_RDONLY = 0o3, 0o1000, 0o0
_NAMESPACES = 0x7E020000
# A thread shares its process's descriptors: what one keeps open in a table of its own, nobody would see.
_THREAD = syscalls.CLONE_THREAD | syscalls.CLONE_FILES
_CLOSE_RANGE_UNSHARE = 2
_AF_UNIX = 1
_SOCK_STREAM, _SOCK_TYPE = 1, 0xF

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def _errno(number: int) -> Instruction:
    return (_RET, 0, 0, _RET_ERRNO | number)


_ALLOW: Instruction = (_RET, 0, 0, _RET_ALLOW)
_DENY = _errno(errno.EPERM)


def _load_argument(index: int) -> Instruction:
    return (_LD, 0, 0, _ARGS + 8 * index)


def _one_of(
    index: int, values: tuple[int, ...], then: Instruction, otherwise: Instruction
) -> list[Instruction]:
    """Rule on the low half of argument `index`."""
    if not values:
        return [otherwise]
    tests = [(_JEQ, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_load_argument(index), *tests, otherwise, then]


def _rules(supervised: bool, enclosed: bool) -> dict[str, list[Instruction]]:
    """Instructions for the calls that are looked at one by one; each list ends in a return."""
    report: Instruction = (_RET, 0, 0, _RET_NOTIFY) if supervised else _DENY
    ask = report if enclosed else _DENY
    rules = {
        "clone3": [_errno(errno.ENOSYS)],
        "clone": [
            _load_argument(0),
            (_JSET, 0, 4, syscalls.CLONE_THREAD),
            (_AND, 0, 0, _THREAD | _NAMESPACES),
            (_JEQ, 1, 0, _THREAD),
            _DENY,
            report if supervised else _ALLOW,  # a thread, which the supervisor counts
            ask,
        ],
        "close_range": [_load_argument(2), (_JSET, 0, 1, _CLOSE_RANGE_UNSHARE), _DENY, _ALLOW],
        "mount": [ask],
        # Unix stream sockets alone. One by itself leads nowhere, since `connect`, `bind` and `listen` are refused; the
        # ends of a pair know no other. A datagram socket could be sent from to any path, and to another session.
        "socket": _unix_stream(),
        "socketpair": _unix_stream(),
        "sendmsg": [_ALLOW],  # until `seal`
        "seccomp": [_ALLOW],
        "prctl": _one_of(0, _PRCTL_ALLOWED, _ALLOW, _DENY),
        "prlimit64": _one_of(0, (0,), _ALLOW, _DENY),
        "ioctl": _one_of(1, _IOCTL_ALLOWED, _ALLOW, _errno(errno.ENOTTY)),
        "fcntl": [
            _load_argument(1),
            *(test for value in _FCNTL_DENIED for test in ((_JEQ, 0, 1, value), _DENY)),
            *_one_of(1, _FCNTL_GRANTED, _errno(0), _ALLOW),
        ],
        "flock": [_errno(0)],  # as for the locks of fcntl
        "capset": [_ALLOW],
    }
    return rules if enclosed else rules | _host_rules(report)


def _unix_stream() -> list[Instruction]:
    """Instructions that allow a Unix stream socket and no other."""
    return [
        _load_argument(0),
        (_JEQ, 1, 0, _AF_UNIX),
        _errno(errno.EAFNOSUPPORT),
        _load_argument(1),
        (_AND, 0, 0, _SOCK_TYPE),
        (_JEQ, 1, 0, _SOCK_STREAM),
        _DENY,
        _ALLOW,
    ]


def _host_rules(report: Instruction) -> dict[str, list[Instruction]]:
    """Instructions for the calls through which a session could reach the host's files and sockets."""
    rules = {name: [_DENY] for name in _HOST_CALLS} | {name: [report] for name in file_permits.CALLS}
    rules |= {name: [_errno(errno.EOPNOTSUPP)] for name in _ATTRIBUTE_CALLS}
    rules["openat2"] = [_errno(errno.ENOSYS)]  # its flags and mode lie in memory, where a filter cannot look
    for name, mode in _MODES.items():
        rules[name] = [_load_argument(mode), (_JSET, 0, 1, _SET_ID_BITS), _DENY]
        if (
            name in _FLAGS
        ):  # emptying a file that is opened for reading only: Landlock would look at the reading
            rules[name] += [
                _load_argument(_FLAGS[name]),
                (_AND, 0, 0, _O_ACCMODE | _O_TRUNC),
                (_JEQ, 0, 1, _O_RDONLY | _O_TRUNC),
                _DENY,
            ]
        rules[name].append(_ALLOW)
    return rules


@functools.cache
def build(arch: str, *, supervised: bool, enclosed: bool) -> bytes:
    """Return the filter program for `arch`; `enclosed` where namespaces hide the host's files and network.

    Raises:
        OSError: there is no table for this machine.
    """
    if arch not in _ARCH:
        raise OSError(errno.ENOSYS, f"seccomp: no system call table for {arch}")
    numbers = ALLOWED[arch] | NAMED[arch]
    code: list[Instruction] = [
        (_LD, 0, 0, _ARCH_OFFSET),
        (_JEQ, 1, 0, _ARCH[arch]),
        (_RET, 0, 0, _RET_KILL),
        (_LD, 0, 0, _NR),
        (_JGE, 0, 1, _X32),
        _DENY,
    ]
    rules = _rules(supervised, enclosed)
    for name, rule in rules.items():
        if name in numbers:
            code += [(_JEQ, 0, len(rule), numbers[name]), *rule]
    for number in sorted(number for name, number in ALLOWED[arch].items() if name not in rules):
        code += [(_JEQ, 0, 1, number), _ALLOW]
    # Unknown calls look unsupported, so that libraries fall back; known dangerous ones are simply refused.
    code.append(_errno(errno.EPERM))
    return _packed(code)


def seal(arch: str) -> bytes:
    """Return the program to be laid over that of `build` once the listener has been sent: no more is sent like that.

    Descriptors on their way through a socket pair are in no table, where the quota is looked for, and as many as the
    kernel lets a user have would keep every other session from being started. The machine was checked by `build`.
    """
    code: list[Instruction] = [(_LD, 0, 0, _NR)]
    for name in ("sendmsg", "seccomp"):
        code += [(_JEQ, 0, 1, (ALLOWED[arch] | NAMED[arch])[name]), _DENY]
    return _packed([*code, _ALLOW])


def _packed(code: list[Instruction]) -> bytes:
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def install(program: bytes, *, listener: bool) -> int:
    """Filter the calling process from now on; needs no_new_privs.

    Returns:
        the descriptor on which supervised calls are reported, or -1 without `listener`.

    Raises:
        OSError: the kernel has no seccomp filters, or another supervisor is already in place.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // 8, ctypes.addressof(buffer))
    flags = _NEW_LISTENER if listener else 0
    result = syscalls.syscall("seccomp", _SET_MODE_FILTER, flags, ctypes.c_void_p(ctypes.addressof(header)))
    return result if listener else -1
