"""The attention of a tree in one call a layer: FlexAttention with a block mask, for GPUs.

``scdpo.training.tree_attention`` attends segment by segment: right for a processor, but on a GPU a batch of a hundred
segments is a thousand small kernels a layer. Here one kernel works on the whole row and skips the blocks of 128 by 128
positions in which nobody sees anybody. The block mask is made of the segments, once a batch. Not covered: dropout of
attention weights, and float64 on a GPU; the caller takes the other path for them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from scdpo.training.layout import TreeLayout

BLOCK: Final = 128
_KERNEL_TYPES: Final = (torch.float32, torch.float16, torch.bfloat16)


def takes(query: torch.Tensor, dropout: float) -> bool:
    """Whether FlexAttention serves these queries: on a GPU, in a precision that its kernel has, without dropout."""
    return query.is_cuda and not dropout and query.dtype in _KERNEL_TYPES


def flex_tree_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, tree: TreeLayout
) -> torch.Tensor:
    """Attend within the tree; shapes as of ``tree_attention``, the result ``(1, heads, length, width)``."""
    attend = _compiled() if query.is_cuda else flex_attention
    found: torch.Tensor = attend(
        query, key, value, block_mask=block_mask(tree, query.device), scale=scaling, enable_gqa=True
    )
    return found


@cache
def _compiled() -> Any:
    # Rows differ in length from batch to batch; without dynamic shapes each would compile a kernel of its own.
    return torch.compile(flex_attention, dynamic=True)


def block_mask(tree: TreeLayout, device: torch.device) -> BlockMask:
    """Return which blocks of keys each block of queries sees, in part or whole; made once for a layout and a device."""
    if device not in tree.block_masks:
        tree.block_masks[device] = _make_block_mask(tree, device)
    made: BlockMask = tree.block_masks[device]
    return made


def _make_block_mask(tree: TreeLayout, device: torch.device) -> BlockMask:
    visible = visible_pairs(tree)
    rows = np.minimum(BLOCK, tree.length - BLOCK * np.arange(len(visible)))
    whole = visible == rows[:, None] * BLOCK
    tables = [_as_lists(blocks, device) for blocks in ((visible > 0) & ~whole, whole)]
    segment_of, ends = (torch.from_numpy(table).to(device) for table in _seen_ends(tree))

    def sees(batch: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        mine, theirs = segment_of[query], segment_of[key]
        return torch.where(mine == theirs, key <= query, key < ends[mine, theirs])

    return BlockMask.from_kv_blocks(
        *tables[0], *tables[1], BLOCK_SIZE=BLOCK, mask_mod=sees, seq_lengths=(tree.length, tree.length)
    )


def visible_pairs(tree: TreeLayout) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Count, for each block of queries and of keys, the pairs of positions in which the query sees the key."""
    blocks = -(-tree.length // BLOCK)
    starts = BLOCK * np.arange(blocks)
    counts = np.zeros((blocks, blocks), dtype=np.int64)
    for segment in tree.segments:
        queries = _overlap(starts, segment.start, segment.end)
        for first, last in segment.context:
            counts += np.outer(queries, _overlap(starts, first, last))
        touched = np.flatnonzero(queries)
        for block in touched:
            own = np.arange(max(segment.start, starts[block]), min(segment.end, starts[block] + BLOCK))
            # The query at position q sees the keys of its segment up to its own.
            before = np.clip(own[:, None] + 1 - np.maximum(starts[touched], segment.start), 0, None)
            counts[block, touched] += np.minimum(
                before, _overlap(starts, segment.start, segment.end)[touched]
            ).sum(0)
    return counts


def _overlap(
    starts: np.ndarray[Any, np.dtype[np.int64]], first: int, last: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how many positions of ``first`` to ``last`` (excluded) lie in each block."""
    inside: np.ndarray[Any, np.dtype[np.int64]] = np.minimum(starts + BLOCK, last) - np.maximum(starts, first)
    return inside.clip(min=0)


def _as_lists(
    blocks: np.ndarray[Any, np.dtype[np.bool_]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return, for each row, the number of blocks and their columns, the columns that do not count behind."""
    order = np.argsort(~blocks, axis=1, kind="stable").astype(np.int32)
    numbers = torch.from_numpy(blocks.sum(axis=1).astype(np.int32))
    return numbers.to(device)[None, None], torch.from_numpy(order).to(device)[None, None]


def _seen_ends(
    tree: TreeLayout,
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return each position's segment, and for two segments where the second's part that the first sees ends.

    What a segment sees of an ancestor is a prefix of it; of others it sees nothing, which is an end of 0.
    """
    segment_of = np.repeat(np.arange(len(tree.segments)), [s.end - s.start for s in tree.segments])
    ends = np.zeros((len(tree.segments), len(tree.segments)), dtype=np.int64)
    for number, segment in enumerate(tree.segments):
        for first, last in segment.context:
            ends[number, segment_of[first]] = last
    return segment_of, ends
