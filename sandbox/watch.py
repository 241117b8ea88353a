"""Keep the host safe from sessions together: its free memory, and disk use where no quota holds.

One session's own limits are the kernel's business (`isolation`); this is about their sum, and about level
`landlock`, which has no bounded file system. Does not cover processor time: sessions share it as all
processes do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from sandbox.core import SessionCore
from sandbox.limits import Limits

WATCH_SECONDS = 0.5
# Memory left free for everything else on the host: this share of all, at most this many bytes.
RESERVE_SHARE = 0.05
RESERVE_BYTES = 2**30


def meminfo(field: str) -> int:
    """Return a field of /proc/meminfo in bytes. Raises ValueError when there is no such field."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/meminfo has no {field}")


def memory_is_short() -> bool:
    """Whether the host has less free memory than is kept back for everything else."""
    return meminfo("MemAvailable") < min(RESERVE_BYTES, int(RESERVE_SHARE * meminfo("MemTotal")))


def resident_bytes(session: SessionCore) -> int:
    """Return the memory of the session's process that is its own, 0 when it has gone."""
    try:
        info = Path(f"/proc/self/fdinfo/{session.pidfd}").read_text(encoding="ascii")
        pid = next(line.split()[1] for line in info.splitlines() if line.startswith("Pid:"))
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except (OSError, StopIteration):
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def over_quota(folder: str, limits: Limits) -> bool:
    """Whether the files in `folder` take more room, or are more, than `limits` allow."""
    size = count = 0
    for path, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        for name in files:
            try:
                size += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
        if size > limits.disk_mb * 2**20 or count > limits.files:
            return True
    return False


async def watch(sessions: dict[int, SessionCore]) -> None:
    """Look after `sessions` until cancelled, killing the one that takes too much."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        alive = [s for s in sessions.values() if s.alive]
        if alive and memory_is_short():
            _end_largest(alive)
        for session in alive:
            folder = session.folder
            if folder is not None and await asyncio.to_thread(over_quota, folder, session.limits):
                session.end_for(
                    "died", f"DiskLimit: the work folder took more than {session.limits.disk_mb} MiB"
                )


def _end_largest(sessions: Iterable[SessionCore]) -> None:
    largest = max(sessions, key=resident_bytes)
    largest.end_for("memory", "MemoryError: the host ran short of memory, and this session held the most")
