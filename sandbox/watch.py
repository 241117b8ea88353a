"""Keep the host safe from sessions together: its free memory, and disk use where no quota holds.

One session's own limits are the kernel's business (`isolation`); this is about their sum, and about level
`landlock`, which has no bounded file system. Does not cover processor time: sessions share it as all
processes do.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from sandbox import folders, processes
from sandbox.core import SessionCore
from sandbox.host_memory import memory_is_short
from sandbox.limits import Limits

WATCH_SECONDS = 0.5
# A session whose folder cannot be looked at so many times in a row, since it moves things about, is over its quota.
BLIND_LOOKS = 4


def resident_bytes(session: SessionCore) -> int:
    """Return the memory of the session's process that is its own, 0 when it has gone."""
    folder = processes.folder_of(session.pidfd)
    try:
        fields = (folder / "statm").read_text(encoding="ascii").split() if folder else ["0"] * 3
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


class Disk:
    """What one session keeps on the host's disk, by looks at its work folder and its open files."""

    def __init__(self, session: SessionCore, folder: str) -> None:
        """Look at what `session` has in `folder`."""
        self._session = session
        self._folder = folder
        self._processor_time = ""
        self._blind = 0

    def excess(self) -> str | None:
        """Return how the session is over its quota, None when it is not or has not run since the last look."""
        limits = self._session.limits
        here = processes.folder_of(self._session.pidfd)
        try:
            now = " ".join((here / "stat").read_text().rpartition(")")[2].split()[11:13]) if here else ""
            if here is None or now == self._processor_time:
                return None
            over = over_quota(self._folder, limits, here)
            self._blind, self._processor_time = 0, now
        except OSError as error:
            self._blind += 1
            return f"the work folder could not be looked at: {error}" if self._blind >= BLIND_LOOKS else None
        return (
            f"the work folder took more than {limits.disk_mb} MiB or {limits.files} files" if over else None
        )


def over_quota(folder: str, limits: Limits, process: Path) -> bool:
    """Whether the files in `folder`, and those without a name that `process` holds, are more than `limits` allow.

    Raises:
        OSError: they could not be looked at: the session moves them about, or has gone.
    """
    size = count = 0
    seen: set[int] = set()
    for found in _files(folder, limits, process):
        count += 1
        if found.st_ino in seen:  # another name of the same
            continue
        seen.add(found.st_ino)
        size += found.st_blocks * 512
        if size > limits.disk_mb * 2**20 or count > limits.files:
            return True
    size += len(_mapped(folder, process) - seen) * limits.disk_mb * 2**20
    return size > limits.disk_mb * 2**20


def _files(folder: str, limits: Limits, process: Path) -> Iterable[os.stat_result]:
    for _fd, _name, found in folders.walk(folder, most=limits.files + 1):
        yield found
    for each in (process / "fd").iterdir():
        try:
            found = each.stat()
        except FileNotFoundError:  # closed meanwhile
            continue
        if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
            yield found


def _mapped(folder: str, process: Path) -> set[int]:
    """Return the inodes below `folder` that have no name any more and that `process` has mapped.

    How long such a file is cannot be told: each counts as the longest there can be.
    """
    inodes = set()
    for line in (process / "maps").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith(f"{folder}/") and fields[5].endswith(" (deleted)"):
            inodes.add(int(fields[4]))
    return inodes


async def watch(sessions: dict[int, SessionCore]) -> None:
    """Look after `sessions` until cancelled, ending the one that takes too much."""
    disks: dict[int, Disk] = {}
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        alive = {number: session for number, session in sessions.items() if session.alive}
        if alive and memory_is_short():
            _end_largest(alive.values())
        disks = {number: disk for number, disk in disks.items() if number in alive}
        for number, session in alive.items():
            if session.folder is not None:
                disk = disks.setdefault(number, Disk(session, session.folder))
                excess = await asyncio.to_thread(disk.excess)
                if excess and session.alive:
                    session.end_for("died", f"DiskLimit: {excess}")


def _end_largest(sessions: Iterable[SessionCore]) -> None:
    largest = max(sessions, key=resident_bytes)
    largest.end_for("memory", "MemoryError: the host ran short of memory, and this session held the most")
