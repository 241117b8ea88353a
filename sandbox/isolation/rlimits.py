"""The resource limits of a session: what the kernel itself holds it to.

A hard limit that this process was given itself cannot be raised: the lower one holds then, and `attainable` names it.
Does not cover limits on all sessions together (`watch`) or the work folder's own quota (`rootfs`, `watch`).
"""

from __future__ import annotations

import functools
import resource
import signal
from dataclasses import replace

from sandbox.errors import SandboxError
from sandbox.limits import Limits

MIB = 2**20
# The hard limit on processor time is this much above the soft one, so that a cell can be told before it is ended.
CPU_GRACE = 5
# Descriptors above the limit that a session needs while it moves its socket out of the cells' way.
SPARE_DESCRIPTORS = 8
STACK_BYTES = 8 * MIB
# Address space on top of a session's limit, for saying that the limit was met.
RESERVE_BYTES = 64 * MIB
# Timers and queued signals, which the kernel counts for a user as a whole: all of the user's would be none for others.
PENDING_SIGNALS = 128


def attainable(limits: Limits) -> tuple[Limits, list[str]]:
    """Return `limits`, no higher than this process's own hard limits let them be, and a sentence for each lowered.

    Raises:
        SandboxError: a hard limit leaves less than a session can do with.
    """
    bounds = {
        "cpu_seconds": (resource.RLIMIT_CPU, "-t", lambda hard: max(hard - CPU_GRACE, 1)),
        "disk_mb": (resource.RLIMIT_FSIZE, "-f", lambda hard: max(hard // MIB, 1)),
        "descriptors": (resource.RLIMIT_NOFILE, "-n", lambda hard: hard - SPARE_DESCRIPTORS),
        "memory_mb": (resource.RLIMIT_AS, "-v", lambda hard: hard // MIB),
        "threads": (resource.RLIMIT_NPROC, "-u", lambda hard: hard - 1),
    }
    lowered, why = {}, []
    for name, (kind, flag, most) in bounds.items():
        hard = resource.getrlimit(kind)[1]
        asked = getattr(limits, name)
        if hard != resource.RLIM_INFINITY and most(hard) < asked:
            lowered[name] = most(hard)
            why.append(
                f"Limits.{name} is {most(hard)} instead of {asked}: the hard limit here (ulimit -H {flag})"
            )
    try:
        return replace(limits, **lowered), why
    except ValueError as error:
        raise SandboxError(f"{'; '.join(why)}; no session can do with that: {error}") from error


@functools.cache
def address_space() -> int:
    """Return the bytes of address space this process, or the one it was forked from, has at first asking."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def confine(limits: Limits) -> None:
    """Set the resource limits of the calling process, for good, but for the numbers of threads (`bound_tasks`) and of
    descriptors (`bound_descriptors`).
    """
    memory = address_space() + limits.memory_mb * MIB
    disk = limits.disk_mb * MIB
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory + RESERVE_BYTES),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + CPU_GRACE),
        (resource.RLIMIT_FSIZE, disk, disk),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_STACK, STACK_BYTES, STACK_BYTES),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_SIGPENDING, PENDING_SIGNALS, PENDING_SIGNALS),
    ):
        _lower(kind, soft, hard)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing past the quota is an error, not a death


def bound_descriptors(limits: Limits) -> None:
    """Let the calling process open no more files than its limit.

    It sends none to others any more: the kernel would let it only while its user has fewer than that on their way.
    """
    _lower(resource.RLIMIT_NOFILE, limits.descriptors, limits.descriptors)


def bound_tasks(count: int) -> None:
    """Let the calling process's user have `count` processes and threads."""
    _lower(resource.RLIMIT_NPROC, count, count)


def _lower(kind: int, soft: int, hard: int) -> None:
    """Set a limit, or leave the lower one that holds already."""
    held = resource.getrlimit(kind)[1]
    if held != resource.RLIM_INFINITY:
        soft, hard = min(soft, held), min(hard, held)
    resource.setrlimit(kind, (soft, hard))
