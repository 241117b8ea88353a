"""Cut a text that is too long in the middle, and say there how much is missing.

Both ends are kept: a traceback names its exception in the last line. Used inside a session and outside. Does not cover
what is kept of a stream while it is still being written (`inside.outputs`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_COLOUR = 32


def missing(count: int) -> str:
    """Return the line that stands for `count` characters left out."""
    return f"[... {count:,} characters left out ...]"


def start_of(text: str, size: int) -> str:
    """Return the first `size` characters of `text`, fewer where the last would be in the middle of a colour code."""
    torn = _torn(text, size)
    return text[: torn[0] if torn else size]


def end_of(text: str, size: int) -> str:
    """Return the last `size` characters of `text`, fewer where the first would be in the middle of a colour code."""
    start = max(len(text) - size, 0)
    torn = _torn(text, start)
    return text[torn[1] if torn else start :]


def _torn(text: str, place: int) -> tuple[int, int] | None:
    """Return where the colour code begins and ends that a cut before character `place` would go through."""
    for code in COLOUR.finditer(text, max(place - _LONGEST_COLOUR, 0), place + _LONGEST_COLOUR):
        if code.start() < place < code.end():
            return code.span()
    return None


def join(before: str, left_out: int, after: str, room: int) -> str:
    """Return `before` and `after`, between which `left_out` characters are missing, cut to `room` characters.

    The line that says how many are missing comes on top of `room`. With nothing left out and room enough it is
    `before + after`.
    """
    if not left_out and len(before) + len(after) <= room:
        return before + after
    size = len(before) + left_out + len(after)
    if not left_out:
        before = after = before + after
    tail = end_of(after, max(room // 2, room - len(before)) if left_out else room // 2)
    head = start_of(before, room - len(tail))
    left_out = size - len(head) - len(tail)
    return "\n".join([head.rstrip("\n"), missing(left_out), tail.lstrip("\n")]).strip("\n")


def lines(whole: Sequence[str], room: int) -> tuple[list[str], bool]:
    """Return the lines of `whole` cut to `room` characters, colour codes not counted, and whether any was cut.

    Whole lines go; one that is too long by itself is cut in its own middle and loses its colours, none of which
    could be torn in two then.
    """
    if sum(map(_size, whole)) <= room:
        return list(whole), False
    tail = _from_the_start(whole[::-1], room // 2)[::-1]
    head = _from_the_start(whole[: len(whole) - len(tail)], room - room // 2)
    middle = whole[len(head) : len(whole) - len(tail)]
    if not middle:
        return head + tail, True
    note = f"[... {len(middle):,} lines, {sum(map(_size, middle)):,} characters left out ...]"
    return [*head, note, *tail], True


def _from_the_start(whole: Sequence[str], room: int) -> list[str]:
    """Return the first lines that fit into `room`, at least one."""
    kept: list[str] = []
    for line in whole:
        if _size(line) > room:
            return kept or [join(COLOUR.sub("", line), 0, "", room)]
        kept.append(line)
        room -= _size(line)
    return kept


def _size(line: str) -> int:
    return len(COLOUR.sub("", line)) + 1
