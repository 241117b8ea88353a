"""Trunk sharing: many sequences packed into one row in which every shared prefix stands once.

The sequences of a batch form a tree of tokens. ``pack`` lays it out flat: each *segment* is a run of tokens
that continue each other, and sees itself and the *context* ranges of its ancestors, nothing else; a token's
position is its depth in the tree. A position's output predicts one token; where several counted
continuations leave the same token, all but the first start with a copy of it. Tokens after which nothing
is counted are not encoded.

``TREE_ATTENTION`` is an attention function registered with transformers that works segment by segment on
``scaled_dot_product_attention``, so no cost or memory is spent on pairs of tokens that do not see each other.
Without a layout it is transformers' own ``sdpa``. Not covered, and refused where it can be seen: models that do not
take their attention from the registry or have layers that mix tokens in another way, sliding windows shorter than
a sequence, attention with soft caps, sinks or a position bias. Not covered either: key-value caches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from scdpo.errors import SettingsError

TREE_ATTENTION: Final = "scdpo_tree"
LAYER_TYPES: Final = {"full_attention", "sliding_attention"}
"""The ``layer_types`` of a model's configuration that a tree can be followed through."""
REMEDY: Final = "set share_trunk: false"
_UNSUPPORTED: Final = ("softcap", "s_aux", "position_bias")
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
        attended: how often an attention layer has used the layout, so that a model which ignores it is found out.
    """

    def __init__(self, segments: Sequence[Segment], depth: int) -> None:
        self.segments = tuple(segments)
        self.depth = depth
        self.attended = 0
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


@dataclass(frozen=True)
class Packed:
    """Sequences packed as a tree.

    Attributes:
        token_ids: the row's tokens.
        positions: each token's depth.
        slot_positions: flat positions whose output scores a counted token.
        slot_labels: the counted token of each slot.
        rows: for each sequence, the slots of its counted tokens, in order.
        layout: the segments.
    """

    token_ids: list[int]
    positions: list[int]
    slot_positions: list[int]
    slot_labels: list[int]
    rows: list[list[int]]
    layout: TreeLayout


@dataclass
class _Edge:
    token: int
    child: int | None = None
    slot: int | None = None


class _Tree:
    """Tokens as nodes; node 0 is the root, which holds none."""

    def __init__(self) -> None:
        self.edges: list[dict[int, _Edge]] = [{}]
        self.labels: list[int] = []

    def add(self, ids: Sequence[int], counted: Sequence[int]) -> list[int]:
        """Insert a sequence; return the slots of its counted tokens."""
        last = max((i for i, c in enumerate(counted) if c), default=-1)
        node, slots = 0, list[int]()
        for i in range(last + 1):
            edge = self.edges[node].get(ids[i])
            if edge is None:
                edge = self.edges[node][ids[i]] = _Edge(ids[i])
            if counted[i]:
                if edge.slot is None:
                    edge.slot = len(self.labels)
                    self.labels.append(ids[i])
                slots.append(edge.slot)
            if i < last:
                if edge.child is None:
                    edge.child = len(self.edges)
                    self.edges.append({})
                node = edge.child
        return slots


def pack(sequences: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Packed:
    """Pack sequences into one row in which shared prefixes stand once.

    Args:
        sequences: token ids and, of equal length, 1 for each token whose log-probability is wanted.

    Raises:
        ValueError: if the lengths differ or a first token is counted (nothing predicts it).
    """
    tree = _Tree()
    rows = []
    for ids, counted in sequences:
        if len(ids) != len(counted):
            raise ValueError(f"{len(ids)} tokens with a mask of {len(counted)}")
        if counted and counted[0]:
            raise ValueError("the first token of a sequence cannot be scored")
        rows.append(tree.add(ids, counted))
    return _lay_out(tree, rows)


def _lay_out(tree: _Tree, rows: list[list[int]]) -> Packed:
    token_ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    slot_positions = [0] * len(tree.labels)
    # A segment to come: the edge it starts with, what it sees, its depth, and the token to repeat before it.
    pending: list[tuple[_Edge, tuple[Range, ...], int, int | None]] = [
        (edge, (), 0, None) for edge in reversed(tree.edges[0].values())
    ]
    while pending:
        edge, context, depth, copied = pending.pop()
        start = len(token_ids)
        if copied is not None:
            token_ids.append(copied)
            positions.append(depth - 1)
            slot_positions[_slot(edge)] = start
        node = edge.child
        branches: list[tuple[_Edge, tuple[Range, ...], int, int | None]] = []
        token = edge.token
        while node is not None:
            at = len(token_ids)
            token_ids.append(token)
            positions.append(depth)
            depth += 1
            following: _Edge | None = None
            scored = False
            for onward in tree.edges[node].values():
                repeat = onward.slot is not None and scored
                if onward.slot is not None and not scored:
                    slot_positions[onward.slot] = at
                    scored = True
                if onward.child is not None and following is None and not repeat:
                    following = onward
                elif onward.child is not None or repeat:
                    seen = at if repeat else at + 1
                    ranges = (*context, (start, seen)) if seen > start else context
                    branches.append((onward, ranges, depth, token if repeat else None))
            node, token = (following.child, following.token) if following else (None, token)
        segments.append(Segment(start, len(token_ids), context))
        pending += reversed(branches)
    return Packed(
        token_ids,
        positions,
        slot_positions,
        list(tree.labels),
        rows,
        TreeLayout(segments, max(positions, default=-1) + 1),
    )


def _slot(edge: _Edge) -> int:
    if edge.slot is None:
        raise AssertionError("only a counted token has a copy of its predecessor before it")
    return edge.slot


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: TreeLayout | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within the tree; transformers' attention interface.

    Args:
        module: the attention layer.
        query: ``(1, heads, length, width)``.
        key: ``(1, key heads, length, width)``.
        value: as ``key``.
        attention_mask: used only without a tree.
        dropout: dropout of the attention weights.
        scaling: factor on the scores; the default of ``scaled_dot_product_attention`` if None.
        tree: the layout of the row; without it the call goes to ``sdpa`` as it stands.
        kwargs: passed on to ``sdpa``.

    Returns:
        ``(1, length, heads, width)`` and None for the weights.

    Raises:
        ValueError: if the layer has a sliding window that would cut the longest sequence, or scores tokens in
            a way that this function does not know.
    """
    unknown = [name for name in _UNSUPPORTED if kwargs.get(name) is not None]
    if unknown:
        raise SettingsError(
            f"this model's attention uses {', '.join(unknown)}, which the tree's has not; {REMEDY}"
        )
    if tree is None:
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return result
    if kwargs.get("sliding_window") is not None and kwargs["sliding_window"] < tree.depth:
        raise SettingsError(
            f"a sliding window of {kwargs['sliding_window']} tokens is shorter than a sequence of "
            f"{tree.depth}; {REMEDY}"
        )
    tree.attended += 1
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    outputs = []
    for index, segment in enumerate(tree.segments):
        own = slice(segment.start, segment.end)
        ranges = [*segment.context, (segment.start, segment.end)]
        outputs.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, own],
                _take(key, ranges),
                _take(value, ranges),
                attn_mask=tree.mask(index, query.device) if segment.context else None,
                is_causal=not segment.context,
                dropout_p=dropout,
                scale=scaling,
            )
        )
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _take(states: torch.Tensor, ranges: Sequence[Range]) -> torch.Tensor:
    parts = [states[:, :, start:end] for start, end in ranges]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
