"""The system call filter of a session: an allow-list, compiled to BPF and installed without any library.

Calls outside the list fail: no network, processes, signals, mounts, namespaces, tracing, keyrings, shared
memory, io_uring or bpf. `clone` and `mount` may be put to a supervisor (the zygote), which is how a session is
forked and its threads are counted. Does not cover what the supervisor decides: see `forking`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import struct

from sandbox.isolation import syscalls
from sandbox.isolation.syscall_table import ALLOWED, NAMED

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_RET_KILL, _RET_ERRNO, _RET_NOTIFY, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FC00000, 0x7FFF0000
_LD, _JEQ, _JSET, _JGE, _RET = 0x20, 0x15, 0x45, 0x35, 0x06
_NR, _ARCH_OFFSET, _ARGS = 0, 4, 16
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_X32 = 0x40000000

# fcntl: setting the owner of asynchronous signals reaches other processes; pipe sizes escape the memory
# limit.
_FCNTL_DENIED = (8, 10, 15, 1026, 1031)
# ioctl: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# prctl: PDEATHSIG, DUMPABLE, NAME, SECCOMP and CAPBSET reads, CAPBSET_DROP, NO_NEW_PRIVS, CAP_AMBIENT,
# SET_VMA.
_PRCTL_ALLOWED = (1, 2, 3, 4, 15, 16, 21, 23, 24, 38, 39, 47, 0x53564D41)
_NAMESPACES = 0x7E020000
_AF_UNIX = 1

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


def _rules(supervised: bool) -> dict[str, list[Instruction]]:
    """Instructions for the calls that are looked at one by one; each list ends in a return."""
    ask: Instruction = (_RET, 0, 0, _RET_NOTIFY) if supervised else _DENY
    return {
        "clone3": [_errno(errno.ENOSYS)],
        "clone": [
            _load_argument(0),
            (_JSET, 0, 2, syscalls.CLONE_THREAD),
            (_JSET, 1, 0, _NAMESPACES),
            ask if supervised else _ALLOW,  # a thread, which the supervisor counts
            ask,
        ],
        "mount": [ask],
        # A supervised session has its own network and file tree, where a Unix socket leads nowhere. Without
        # them it could reach the host's: Landlock does not look at connecting to a path.
        "socket": _one_of(0, (_AF_UNIX,) if supervised else (), _ALLOW, _errno(errno.EAFNOSUPPORT)),
        "socketpair": _one_of(0, (_AF_UNIX,), _ALLOW, _errno(errno.EAFNOSUPPORT)),
        "prctl": _one_of(0, _PRCTL_ALLOWED, _ALLOW, _DENY),
        "prlimit64": _one_of(0, (0,), _ALLOW, _DENY),
        "ioctl": _one_of(1, _IOCTL_ALLOWED, _ALLOW, _errno(errno.ENOTTY)),
        "fcntl": _one_of(1, _FCNTL_DENIED, _DENY, _ALLOW),
        "capset": [_ALLOW],
    }


@functools.cache
def build(arch: str, *, supervised: bool) -> bytes:
    """Return the filter program for `arch`.

    Raises:
        OSError: there is no table for this machine.
    """
    if arch not in _ARCH:
        raise OSError(errno.ENOSYS, f"seccomp: no system call table for {arch}")
    code: list[Instruction] = [
        (_LD, 0, 0, _ARCH_OFFSET),
        (_JEQ, 1, 0, _ARCH[arch]),
        (_RET, 0, 0, _RET_KILL),
        (_LD, 0, 0, _NR),
        (_JGE, 0, 1, _X32),
        _DENY,
    ]
    for name, rule in _rules(supervised).items():
        code += [(_JEQ, 0, len(rule), NAMED[arch][name]), *rule]
    for number in sorted(ALLOWED[arch].values()):
        code += [(_JEQ, 0, 1, number), _ALLOW]
    # Unknown calls look unsupported, so that libraries fall back; known dangerous ones are simply refused.
    code.append(_errno(errno.EPERM))
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
