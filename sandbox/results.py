"""Turn what came back for a cell into a `CellResult`: its status, and the text a model is shown.

What comes back was checked (`replies`), but the texts are the cell's own. Does not cover where they come from: see
`outputs` (inside) and `core` (outside).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox import cut
from sandbox.limits import CellResult, Level, Limits, Status
from sandbox.wire import clean_text

# What a traceback may add to a text that has met its limit.
TRACEBACK_CHARS = 4000
# How an OSError begins for want of memory: of `mmap` and other calls, where Python has no MemoryError.
NO_MEMORY = f"[Errno {errno.ENOMEM}]"
# How an ImportError ends where a library's code does not fit in: a first `import pandas` in little memory.
NO_ROOM = "failed to map segment from shared object"


@dataclass(slots=True)
class CellOutcome:
    """What came back for one request.

    Attributes:
        done: how the executor says it ended; None when it never said.
        events: what the cell wrote and displayed.
        timed_out: the wall clock was met.
        died: why the session's process ended, when it did.
    """

    done: dict[str, Any] | None
    events: list[list[Any]] = field(default_factory=list)
    timed_out: bool = False
    died: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The texts of one cell, cut to its limit, and whether anything was cut."""

    output: str
    stdout: str
    stderr: str
    error: str | None
    truncated: bool


def refusal(level: Level, why: str) -> CellResult:
    """Return the result of a cell that was not run, because its session has ended; `why` says of what."""
    error = f"SessionLost: this session has ended ({why}); its variables are gone and the cell was not run"
    return CellResult("died", error, error=error, state_lost=True, isolation=level)


def judge(outcome: CellOutcome, limits: Limits, level: Level, seconds: float, state_lost: bool) -> CellResult:
    """Return the result of a cell that ran for `seconds` under `limits`."""
    text = render(outcome.events, limits.output_chars)
    done = outcome.done or {}
    status, error = _status(outcome, done, limits)
    output = text.output
    if error and status not in ("ok", "error") and error.rstrip(": ") not in output:
        output = f"{output}\n{error}" if output else error
    return CellResult(
        status=status,
        output=output,
        stdout=text.stdout,
        stderr=text.stderr,
        error=error,
        seconds=seconds,
        truncated=bool(done.get("truncated")) or text.truncated,
        state_lost=state_lost,
        isolation=level,
    )


def cpu_used(limits: Limits) -> str:
    """Return the error of a session that met its limit of processor time."""
    return f"TimeoutError: the session used its {limits.cpu_seconds} s of processor time"


def overrule(result: CellResult, status: Status, error: str) -> CellResult:
    """Return `result` with the status and error of a limit that was met outside the cell."""
    output = f"{result.output}\n{error}" if result.output else error
    return replace(result, status=status, error=error, output=output)


def _status(outcome: CellOutcome, done: dict[str, Any], limits: Limits) -> tuple[Status, str | None]:
    # A cell that ended by itself, before the interrupt reached it, was in time.
    if outcome.timed_out and done.get("interrupted", True):
        return "timeout", f"TimeoutError: the cell ran longer than {limits.cell_seconds:g} s"
    if outcome.died is not None:
        return "died", f"KernelDied: {outcome.died}"
    if done.get("flooded"):
        return "output", f"OutputLimit: the cell wrote far more than {limits.output_chars} characters"
    failure = done.get("failure")
    if failure:
        name = clean_text(str(failure[0]))
        if done.get("cpu") and name in (
            "CpuLimit",
            "CancelledError",
        ):  # the latter where the cell was waiting
            return "timeout", cpu_used(limits)
        error = cut.COLOUR.sub("", f"{name}: {failure[1]}")[:2000]
        return "memory" if _is_full(name, failure[1]) else "error", error
    if done.get("truncated"):
        return "output", f"OutputLimit: output was cut to {limits.output_chars} characters"
    return "ok", None


def _is_full(name: str, message: str) -> bool:
    """Whether an exception was raised for want of memory."""
    return (
        name == "MemoryError"
        or (name == "OSError" and message.startswith(NO_MEMORY))
        or (name == "ImportError" and message.endswith(NO_ROOM))
    )


def render(events: list[list[Any]], limit: int) -> Text:
    """Join checked `events` in order; values and tracebacks start on a line of their own."""
    parts: list[str | int] = []  # texts, and between them how many characters were left out
    error = None
    room = limit
    fresh = True  # at the start of a line
    for event in _as_shown(events):
        if event[0] == "cut":
            parts.append(event[1])
            fresh = True
            continue
        if event[0] == "stream":
            text = event[2]
        else:
            if event[0] == "error":
                error = f"{event[1]}: {event[2]}"
                text = cut.COLOUR.sub("", "\n".join(event[3]))
                # Tracebacks come on top of a full output: their end matters more than the bound.
                room += min(len(text), TRACEBACK_CHARS)
            else:
                text = event[1].get("text/plain", "")
                text = text if isinstance(text, str) else str(text)
            if not text:
                continue
            text = ("" if fresh else "\n") + text + "\n"
        if text:
            parts.append(text)
            fresh = text.endswith("\n")
    before, left_out, after = _around_the_cut(parts)
    output = cut.join(before, left_out, after.rstrip("\n"), room)
    return Text(
        output=output,
        stdout=_written(events, "stdout")[:limit],
        stderr=_written(events, "stderr")[:limit],
        error=error,
        truncated=left_out > 0 or len(before) + len(after.rstrip("\n")) > room,
    )


def _written(events: list[list[Any]], stream: str) -> str:
    return "".join(event[2] for event in events if event[:2] == ["stream", stream])


def _as_shown(events: list[list[Any]]) -> list[list[Any]]:
    """Return what a notebook shows below the cell at its end: displays were updated in place, or all was cleared."""
    shown: list[list[Any]] = []
    displays: dict[str, int] = {}
    clearing = False
    for event in events:
        if clearing or event == ["clear", False]:
            shown, displays, clearing = [], {}, False
        if event[0] == "clear":
            clearing = event[1]  # once there is something to show instead
            continue
        name = event[3].get("display_id") if event[0] == "display" else None
        if isinstance(name, str) and event[4]:
            if name in displays:  # else it stands below an earlier cell
                shown[displays[name]] = event
            continue
        if isinstance(name, str):
            displays[name] = len(shown)
        shown.append(event)
    return shown


def _around_the_cut(parts: list[str | int]) -> tuple[str, int, str]:
    """Return the text before the first gap in `parts`, what is missing in all, and the text after the last gap."""
    gaps = [i for i, part in enumerate(parts) if isinstance(part, int)]
    if not gaps:
        return "", 0, "".join(str(part) for part in parts)
    between = parts[gaps[0] : gaps[-1] + 1]
    left_out = sum(part if isinstance(part, int) else len(part) for part in between)
    before, after = parts[: gaps[0]], parts[gaps[-1] + 1 :]
    return "".join(map(str, before)), left_out, "".join(map(str, after))
