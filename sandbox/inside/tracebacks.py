"""Tracebacks as IPython shows them, of which a very deep one is rendered at its ends alone.

A recursion without end leaves a thousand frames, which take seconds to render and of which the output keeps the first
and the last. Does not cover cutting the text (`sandbox.cut`).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from IPython.core.ultratb import AutoFormattedTB, FrameInfo
from stack_data.core import RepeatedFrames

# Frames shown at each end of a traceback with more than twice as many. A frame takes 40 characters at least, and
# 4,000 are kept of each end under the default limit.
END_FRAMES = 50


class _LeftOut(FrameInfo):
    """Stands in a list of frames for those that are left out."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._sd = RepeatedFrames([], [])  # which IPython never looks into


class EndsOfTraceback(AutoFormattedTB):
    """IPython's own formatter, but for the middle of a very deep traceback, and for frames of this package."""

    # Frames left out since this was last set to 0.
    left_out = 0

    def get_records(self, etb: TracebackType, context: int, tb_offset: int) -> Any:
        """Return the frames of `etb` that are to be shown."""
        links = _chain(etb)
        count = len(links) - 2 * END_FRAMES
        if count <= 0:
            return super().get_records(_traceback(links), context, tb_offset)
        self.left_out += count
        shown = _traceback(links[:END_FRAMES] + links[-END_FRAMES:])
        records = super().get_records(shown, context, tb_offset)
        return [*records[:-END_FRAMES], _LeftOut(count), *records[-END_FRAMES:]]

    def format_record(self, frame_info: FrameInfo) -> str:
        """Return a frame as text."""
        if isinstance(frame_info, _LeftOut):
            return f"[... {frame_info.count:,} frames left out ...]\n"
        return str(super().format_record(frame_info))


def _chain(etb: TracebackType | None) -> list[TracebackType]:
    """Return the links of a traceback, without those of this package, which a stock kernel has not."""
    links = []
    while etb is not None:
        links.append(etb)
        etb = etb.tb_next
    return [link for link in links if not _ours(link)] or links


def _ours(link: TracebackType) -> bool:
    return str(link.tb_frame.f_globals.get("__name__")).startswith("sandbox.inside.")


def _traceback(links: list[TracebackType]) -> TracebackType:
    """Return the traceback that is made of `links` alone (>= 1)."""
    shown = None
    for link in reversed(links):
        shown = TracebackType(shown, link.tb_frame, link.tb_lasti, link.tb_lineno)
    assert shown is not None
    return shown
