"""Where the tokens of a tree stand in a packed row, and who sees whom: segments and what each sees of its ancestors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

Range = tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """Flat positions ``start`` to ``end`` (excluded), which also see the ``context`` ranges."""

    start: int
    end: int
    context: tuple[Range, ...]


class TreeLayout:
    """The segments of a packed row, in order and without gaps.

    Not a dataclass: FSDP would hand each layer a copy of one, and ``attended`` would be lost.

    Args:
        segments: the segments.
        depth: the length of the longest sequence.

    Attributes:
        block_masks: what ``scdpo.training.flex`` makes of the segments, by device.
        attended: how often an attention layer has used the layout, so that a model which ignores it is found out.
    """

    def __init__(self, segments: Sequence[Segment], depth: int) -> None:
        self.segments = tuple(segments)
        self.depth = depth
        self.attended = 0
        self.block_masks: dict[torch.device, Any] = {}
        self._masks: dict[tuple[int, torch.device], torch.Tensor] = {}

    @property
    def length(self) -> int:
        """Number of tokens in the row."""
        return self.segments[-1].end if self.segments else 0

    def mask(self, index: int, device: torch.device) -> torch.Tensor:
        """Return which keys (context, then the segment itself) each query of a segment sees; made once."""
        if (index, device) not in self._masks:
            segment = self.segments[index]
            own = segment.end - segment.start
            seen = sum(end - start for start, end in segment.context)
            mask = torch.ones(own, seen + own, dtype=torch.bool, device=device).tril(seen)
            self._masks[index, device] = mask
        return self._masks[index, device]

    def dense_mask(self) -> torch.Tensor:
        """Return the whole mask, ``(length, length)`` booleans: row i sees column j."""
        mask = torch.zeros(self.length, self.length, dtype=torch.bool)
        for segment in self.segments:
            own = slice(segment.start, segment.end)
            mask[own, own] = (
                torch.ones(segment.end - segment.start, segment.end - segment.start).tril().bool()
            )
            for start, end in segment.context:
                mask[own, start:end] = True
        return mask
