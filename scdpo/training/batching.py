"""From encoded pairs to batches: collators for the plain and the trunk-sharing path, and their sampler.

Both collators give what TRL's ``DPOTrainer`` reads (chosen sides, then rejected sides, as rows) and say which
pairs are step-controlled. ``TreeCollator`` adds the packed row that is really encoded; its ``input_ids`` hold
counted tokens only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler

from scdpo.data.encoding import STEP_CONTROLLED
from scdpo.training.trunk import Packed, TokenTree, pack

KIND_KEY: Final = "step_controlled"
TREE_KEYS: Final = ("tree", "tree_ids", "tree_positions", "slot_positions", "slot_labels", "row_slots")
PASSES_KEY: Final = "passes"
SHARE_KEY: Final = "share"
_REFERENCE_KEYS: Final = ("ref_chosen_logps", "ref_rejected_logps")
Row = Mapping[str, Any]


def sides(rows: Sequence[Row]) -> list[tuple[list[int], list[int]]]:
    """Return the ids and masks of all chosen sides, then of all rejected sides, prompts included."""
    return [
        (
            [*row["prompt_ids"], *row[f"{side}_ids"]],
            [0] * len(row["prompt_ids"]) + list(row[f"{side}_mask"]),
        )
        for side in ("chosen", "rejected")
        for row in rows
    ]


def _shared_fields(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    batch = {KIND_KEY: torch.tensor([row["kind"] == STEP_CONTROLLED for row in rows])}
    for key in _REFERENCE_KEYS:
        if key in rows[0]:
            batch[key] = torch.tensor([row[key] for row in rows])
    return batch


def _pad(lists: Sequence[Sequence[int]], value: int, multiple: int = 1) -> torch.Tensor:
    padded = pad_sequence([torch.tensor(x) for x in lists], batch_first=True, padding_value=value)
    return torch.nn.functional.pad(padded, (0, -padded.shape[1] % multiple), value=value)


@dataclass(frozen=True)
class PairCollator:
    """Pads the sides of pairs on the right, each with its whole prompt: what stock TRL encodes.

    Batch: ``input_ids``, ``attention_mask`` and ``completion_mask``, each ``(2 * pairs, longest)``, longest being
    rounded up to a multiple of ``multiple``.
    """

    pad_token_id: int
    multiple: int | None = None

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the batch of these rows."""
        encoded = sides(rows)
        return {
            "input_ids": _pad([ids for ids, _ in encoded], self.pad_token_id, self.multiple or 1),
            "attention_mask": _pad([[1] * len(ids) for ids, _ in encoded], 0, self.multiple or 1),
            "completion_mask": _pad([mask for _, mask in encoded], 0, self.multiple or 1),
            **_shared_fields(rows),
        }

    def cut(self, rows: Sequence[Row], most: int) -> Iterator[list[Row]]:
        """Cut rows, in order, into batches of at most so many tokens, padding included; one pair is never cut."""
        part: list[Row] = []
        longest = 0
        for row in rows:
            longest = max(longest, *(len(ids) for ids, _ in sides([row])))
            if part and 2 * (len(part) + 1) * longest > most:
                yield part
                part, longest = [], max(len(ids) for ids, _ in sides([row]))
            part.append(row)
        yield part


@dataclass(frozen=True)
class TreeCollator:
    """Packs the sides of pairs into one row in which every shared prefix stands once.

    Batch: ``input_ids`` and ``completion_mask`` ``(2 * pairs, 1 + most counted tokens)``; their first column
    is a filler, since TRL scores from the second on. ``attention_mask`` ``(1, tokens)`` counts the tokens
    that are encoded. ``tree_ids`` and ``tree_positions`` ``(1, tokens)``, ``slot_positions`` and
    ``slot_labels`` ``(slots,)``, ``row_slots`` as ``input_ids`` without the filler (padding: the
    number of slots), ``tree``: the layout.
    """

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the batch of these rows."""
        packed: Packed = pack(sides(rows))
        labels = packed.slot_labels
        return {
            "input_ids": _pad([[0, *(labels[slot] for slot in slots)] for slots in packed.rows], 0),
            "attention_mask": torch.ones(1, len(packed.token_ids), dtype=torch.long),
            "completion_mask": _pad([[0] + [1] * len(slots) for slots in packed.rows], 0),
            "tree": packed.layout,
            "tree_ids": torch.tensor([packed.token_ids]),
            "tree_positions": torch.tensor([packed.positions]),
            "slot_positions": torch.tensor(packed.slot_positions),
            "slot_labels": torch.tensor(labels),
            "row_slots": _pad(packed.rows, len(labels)),
            **_shared_fields(rows),
        }

    def cut(self, rows: Sequence[Row], most: int) -> Iterator[list[Row]]:
        """Cut rows, in order, into trees of at most so many tokens; one pair is never cut."""
        part: list[Row] = []
        tree = TokenTree()
        for row in rows:
            _grow(tree, row)
            if part and tree.length > most:
                yield part
                part, tree = [], TokenTree()
                _grow(tree, row)
            part.append(row)
        yield part


def _grow(tree: TokenTree, row: Row) -> None:
    for ids, mask in sides([row]):
        tree.add(ids, mask)


@dataclass(frozen=True)
class PassCollator:
    """Cuts a batch that has too many tokens for one forward pass into several.

    Batch: that of ``collator`` if one pass does; else ``passes``, the batches of the passes in order, each with its
    ``share`` of the pairs, and which pairs are step-controlled.
    """

    collator: PairCollator | TreeCollator
    most: int

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the batch of these rows."""
        parts = list(self.collator.cut(rows, self.most))
        if len(parts) == 1:
            return self.collator(rows)
        passes = [{**self.collator(part), SHARE_KEY: len(part) / len(rows)} for part in parts]
        # What is no list of passes comes first: there accelerate looks how many pairs the batch has.
        return {KIND_KEY: _shared_fields(rows)[KIND_KEY], PASSES_KEY: passes}


class TrunkSampler(Sampler[int]):
    """Orders pairs so that batches of ``batch_size`` hold whole problems and about as many tokens each.

    Every epoch shuffles the problems anew, from ``seed`` and the epoch alone. Within a window of batches the
    largest problems are placed first, each in the batch with the fewest tokens that has room for all its
    pairs; a problem is split only where no batch has. Every batch but the last is full, so that each pair
    weighs the same in the loss.

    Args:
        problem_ids: of each pair.
        tokens: that each pair adds to a tree.
        batch_size: pairs of one forward pass.
        seed: of the order.
        window: batches that are balanced against each other.
    """

    def __init__(
        self, problem_ids: Sequence[str], tokens: Sequence[int], batch_size: int, seed: int, window: int = 16
    ) -> None:
        self._groups: dict[str, list[int]] = {}
        for index, problem in enumerate(problem_ids):
            self._groups.setdefault(problem, []).append(index)
        self._tokens = list(tokens)
        self._batch_size = batch_size
        self._seed = seed
        self._window = window
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._tokens)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = random.Random(f"{self._seed}/{self._epoch}")
        groups = list(self._groups.values())
        generator.shuffle(groups)
        capacity = self._window * self._batch_size
        pairs: list[list[int]] = []
        room = capacity
        for group in groups:
            while len(group) > room:
                pairs.append(group[:room])
                yield from self._balanced([g for g in pairs if g], capacity, generator)
                group, pairs, room = group[room:], [], capacity
            pairs.append(group)
            room -= len(group)
        yield from self._balanced([g for g in pairs if g], capacity - room, generator)

    def _balanced(self, groups: list[list[int]], pairs: int, generator: random.Random) -> list[int]:
        """Return the pairs of a window in an order whose batches are full and balanced."""
        sizes = [self._batch_size] * (pairs // self._batch_size)
        if pairs % self._batch_size:
            sizes.append(pairs % self._batch_size)
        batches: list[list[int]] = [[] for _ in sizes]
        load = [0] * len(sizes)
        for group in sorted(groups, key=lambda g: -self._cost(g)):
            rest = group
            while rest:
                room = [size - len(batch) for size, batch in zip(sizes, batches, strict=True)]
                fitting = [i for i, free in enumerate(room) if free >= len(rest)]
                best = (
                    min(fitting, key=load.__getitem__)
                    if fitting
                    else max(range(len(room)), key=room.__getitem__)
                )
                part, rest = rest[: room[best]], rest[room[best] :]
                batches[best] += part
                load[best] += self._cost(part)
        full = [batch for batch in batches if len(batch) == self._batch_size]
        generator.shuffle(full)
        short = [batch for batch in batches if len(batch) < self._batch_size]
        return [index for batch in full + short for index in batch]

    def _cost(self, group: Sequence[int]) -> int:
        return sum(self._tokens[index] for index in group)


def tree_tokens(rows: Sequence[Row]) -> list[int]:
    """Return, for each pair, about how many tokens it adds to the tree of its problem."""
    seen: set[str] = set()
    tokens = []
    for row in rows:
        new = len(row["rejected_ids"])
        if row["problem_id"] not in seen:
            seen.add(row["problem_id"])
            new += len(row["prompt_ids"]) + len(row["chosen_ids"])
        tokens.append(new)
    return tokens
