"""What a session may use, and what a cell gave back.

Does not cover how a limit is enforced: see `isolation` (rlimits, quotas), `executor` (output, interrupts)
and `core` (wall clock, host memory).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["strict", "landlock", "none"]
Status = Literal["ok", "error", "timeout", "memory", "output", "died"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one session. Every field is enforced; crossing one is reported, never silent.

    Attributes:
        cell_seconds: wall-clock seconds a cell may run before it is interrupted (> 0).
        grace_seconds: seconds an interrupted cell has to stop before its session is killed (> 0).
        cpu_seconds: processor seconds of a whole session, all its cells together (>= 1).
        memory_mb: MiB of address space a session may add to what it starts with (>= 32).
        output_chars: characters of `CellResult.output` kept for a cell (>= 1); a traceback may come on top.
        output_messages: display messages, and switches between stdout and stderr, a cell may cause (>= 1).
        disk_mb: MiB the work folder may hold (>= 1).
        files: files and folders the work folder may hold (>= 8).
        threads: threads that a session may have at once beside its main one (>= 1), each fork for itself; bounded by
            memory alone where the kernel reports no system calls (see `scdpo doctor`).
        descriptors: file descriptors a session may have open (>= 32).
        nice: how far a session stands back for others that want the processor, as for nice(1) (0 to 19).
    """

    cell_seconds: float = 10.0
    grace_seconds: float = 0.7
    cpu_seconds: int = 600
    memory_mb: int = 1024
    output_chars: int = 8000
    output_messages: int = 1000
    disk_mb: int = 64
    files: int = 2048
    threads: int = 32
    descriptors: int = 128
    nice: int = 0

    def __post_init__(self) -> None:
        """Refuse values that could not work.

        Raises:
            ValueError: a field is below its smallest useful value.
        """
        floors: dict[str, float] = {
            "cell_seconds": 0.001,
            "grace_seconds": 0.001,
            "cpu_seconds": 1,
            "memory_mb": 32,
            "output_chars": 1,
            "output_messages": 1,
            "disk_mb": 1,
            "files": 8,
            "threads": 1,
            "descriptors": 32,
            "nice": 0,
        }
        for name, floor in floors.items():
            if not getattr(self, name) >= floor:
                raise ValueError(f"Limits.{name} must be at least {floor}, got {getattr(self, name)!r}")
        if self.nice > 19:
            raise ValueError(f"Limits.nice must be at most 19, got {self.nice!r}")


@dataclass(frozen=True, slots=True)
class CellResult:
    """What one cell did.

    Attributes:
        status: `ok`; `error` (the cell raised); `timeout` (wall clock or processor time met); `memory` (memory limit
            met); `output` (wrote more than the limit; the middle was cut out); `died` (the kernel process ended).
        output: what a model is shown after the code block: streams, displayed values, the last expression as IPython
            prints it, and the traceback, in the order they came; "" when there was nothing. Of what is too long both
            ends are kept, and a line between them says how much is missing.
        stdout: text written to standard output alone, from its beginning up to `output_chars`.
        stderr: text written to standard error alone, likewise.
        error: `Name: message` of the exception or of the limit met, else None.
        seconds: wall-clock seconds from sending the cell to having its result.
        truncated: something the cell wrote was cut off.
        state_lost: the session's variables are gone; it refuses further cells.
        isolation: the level the cell ran under.
    """

    status: Status
    output: str
    stdout: str = ""
    stderr: str = ""
    error: str | None = None
    seconds: float = 0.0
    truncated: bool = False
    state_lost: bool = False
    isolation: Level = "strict"
