"""Turn the events of a cell into the text a model is shown. Events come from a session and are hostile data.

Does not cover where the events come from: see `outputs` (inside) and `core` (outside).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .wire import clean_text


@dataclass(frozen=True, slots=True)
class Text:
    """The texts of one cell, cut to its limit, and whether anything was cut."""

    output: str
    stdout: str
    stderr: str
    error: str | None
    truncated: bool


def check(event: Any) -> list[Any]:
    """Return `event` with its texts made writable as UTF-8.

    Raises:
        TypeError, ValueError, IndexError: it is not an event.
    """
    if not isinstance(event, list):
        raise TypeError("an event is a list")
    kind = event[0]
    if kind == "stream" and event[1] in ("stdout", "stderr") and isinstance(event[2], str):
        return [kind, event[1], clean_text(event[2])]
    if kind == "result" and isinstance(event[1], dict) and isinstance(event[2], dict):
        return [kind, _clean(event[1]), _clean(event[2]), int(event[3])]
    if kind == "display" and all(isinstance(part, dict) for part in event[1:4]):
        return [kind, _clean(event[1]), _clean(event[2]), _clean(event[3]), bool(event[4])]
    if kind == "clear":
        return [kind, bool(event[1])]
    if kind == "error" and isinstance(event[3], list):
        lines = [clean_text(str(line)) for line in event[3]]
        return [kind, clean_text(str(event[1])), clean_text(str(event[2])), lines]
    raise ValueError(f"unknown event {str(kind)[:40]!r}")


def render(events: list[list[Any]], limit: int) -> Text:
    """Join checked `events` in order; values and tracebacks start on a line of their own."""
    parts: list[str] = []
    streams: dict[str, list[str]] = {"stdout": [], "stderr": []}
    error = None
    fresh = True  # at the start of a line
    for event in events:
        if event[0] == "clear":
            parts.clear()
            fresh = True
            continue
        if event[0] == "stream":
            streams[event[1]].append(event[2])
            text = event[2]
        else:
            if event[0] == "error":
                error = f"{event[1]}: {event[2]}"
                text = "\n".join(event[3])
            else:
                text = event[1].get("text/plain", "")
                text = text if isinstance(text, str) else str(text)
            if not text:
                continue
            text = ("" if fresh else "\n") + text + "\n"
        if text:
            parts.append(text)
            fresh = text.endswith("\n")
    whole = "".join(parts).rstrip("\n")
    # Tracebacks may come on top of a full output: their end matters more than the bound.
    room = limit + 4000
    return Text(
        output=whole[:room],
        stdout="".join(streams["stdout"])[:room],
        stderr="".join(streams["stderr"])[:room],
        error=error,
        truncated=len(whole) > room,
    )


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if depth < 32 and isinstance(value, dict):
        return {clean_text(str(k)): _clean(v, depth + 1) for k, v in value.items()}
    if depth < 32 and isinstance(value, list):
        return [_clean(v, depth + 1) for v in value]
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)
