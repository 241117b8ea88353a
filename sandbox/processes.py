"""What the host sees and sets of a session's process, which a descriptor names beyond doubt."""

from __future__ import annotations

import contextlib
from pathlib import Path


def folder_of(pidfd: int) -> Path | None:
    """Return the folder in /proc of the process that the descriptor names, None when it has gone."""
    try:
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii")
        pid = next(int(line.split()[1]) for line in info.splitlines() if line.startswith("Pid:"))
    except (OSError, StopIteration):
        return None
    return Path(f"/proc/{pid}") if pid > 0 else None


def stand_back(pidfd: int, nice: int) -> None:
    """Have a session's whole group stand back by ``nice``, where the kernel shares the processor out by groups.

    Outside containers the kernel gives every session (setsid) an equal share, and looks at the nice of a process within
    its group only (sched(7), autogroup): twelve sessions that hang would leave their owner a thirteenth. It takes this
    from root at once, from others ten times a second; a session that comes too soon keeps its equal share.
    """
    folder = folder_of(pidfd)
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / "autogroup").write_text(str(nice), encoding="ascii")
