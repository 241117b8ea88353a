"""How much memory there is for this process and all it starts: the host's, or less where a control group says so.

A container's limit is its control group's, version 1 or 2, and any group above may have a lower one. Does not cover
what one session may use (`isolation.rlimits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# HostMemory left free for everything else: this share of all, at most this many bytes.
RESERVE_SHARE = 0.05
RESERVE_BYTES = 2**30
# Version 1 writes a number near 2**63 where there is no limit.
_NO_LIMIT = 2**60


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes in all, and those of them that can still be used."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class _Files:
    """Where a version of control groups says what."""

    limit: str
    used: str
    cache: str  # the line of memory.stat for file pages that are given back when memory is short


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def memory(root: Path = Path("/")) -> HostMemory:
    """Return the memory of the tightest of the host and the control groups this process is in.

    Raises:
        ValueError: /proc/meminfo below `root` does not say.
    """
    fields = _table(root / "proc/meminfo", 1024)
    try:
        host = HostMemory(fields["MemTotal:"], fields["MemAvailable:"])
    except KeyError as error:
        raise ValueError(f"/proc/meminfo has no {error}") from error
    return min([host, *_groups(root)], key=lambda each: each.available - reserve(each.total))


def reserve(total: int) -> int:
    """Return how many bytes of `total` are kept free."""
    return min(RESERVE_BYTES, int(RESERVE_SHARE * total))


def memory_is_short() -> bool:
    """Whether less memory is free than is kept back for everything else."""
    found = memory()
    return found.available < reserve(found.total)


def _groups(root: Path) -> Iterator[HostMemory]:
    """Yield what each memory control group with a limit leaves, from this process's own upwards."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # a kernel without control groups
        return
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if not controllers:
            tops, files = (mounts, mounts / "unified"), _VERSION_2
        elif "memory" in controllers.split(","):
            tops, files = (mounts / "memory", mounts), _VERSION_1
        else:
            continue
        for top in tops:
            # Inside a container the path may be the host's: then only the mount itself is there.
            inner = top / path.lstrip("/")
            for folder in (inner, *inner.parents):
                if folder == top.parent:
                    break
                found = _group(folder, files)
                if found:
                    yield found


def _group(folder: Path, files: _Files) -> HostMemory | None:
    try:
        limit = (folder / files.limit).read_text(encoding="ascii").strip()
        if limit == "max" or int(limit) > _NO_LIMIT:
            return None
        used = int((folder / files.used).read_text(encoding="ascii"))
        cache = _table(folder / "memory.stat", 1).get(files.cache, 0)
    except FileNotFoundError:
        return None
    return HostMemory(int(limit), int(limit) - used + cache)


def _table(path: Path, unit: int) -> dict[str, int]:
    """Return the lines `name number ...` of a file, times `unit`."""
    rows = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {row[0]: int(row[1]) * unit for row in rows if len(row) > 1}
