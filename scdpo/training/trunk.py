"""Trunk sharing: many sequences packed into one row in which every shared prefix stands once.

The sequences of a batch form a tree of tokens. ``pack`` lays it out flat: each *segment* is a run of tokens
that continue each other, and sees itself and the *context* ranges of its ancestors, nothing else; a token's
position is its depth in the tree. A position's output predicts one token; where several counted
continuations leave the same token, all but the first start with a copy of it. Tokens after which nothing
is counted are not encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scdpo.training.layout import Range, Segment, TreeLayout


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


class TokenTree:
    """Sequences as a tree of tokens; node 0 is the root, which holds none."""

    def __init__(self) -> None:
        self.edges: list[dict[int, _Edge]] = [{}]
        self.labels: list[int] = []
        self._copies = 0

    @property
    def length(self) -> int:
        """How many tokens the packed row has, repeated ones included."""
        return len(self.edges) - 1 + self._copies

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
                    self._copies += any(other.slot is not None for other in self.edges[node].values())
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
    tree = TokenTree()
    rows = []
    for ids, counted in sequences:
        if len(ids) != len(counted):
            raise ValueError(f"{len(ids)} tokens with a mask of {len(counted)}")
        if counted and counted[0]:
            raise ValueError("the first token of a sequence cannot be scored")
        rows.append(tree.add(ids, counted))
    return _lay_out(tree, rows)


def _lay_out(tree: TokenTree, rows: list[list[int]]) -> Packed:
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
