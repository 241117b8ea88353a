"""The keys and values of a running batch: a slot a row, written in place, so that rows come and go without copying.

One tensor holds everything, shape (layers, 2, slots, heads, positions, head size). The rows under way are
slots 0 … n-1; when one leaves, the last takes its place. Position 0 of a slot takes what padding writes,
tokens stand from position 1 on. Not covered: layers whose state is not one key and value a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

LEAST_POSITIONS = 256


class Slots:
    """Room for the keys and values of the rows of a batch: it grows and shrinks with them.

    Args:
        config: the network's configuration (transformers).
        dtype: of keys and values.
        device: where they lie.
    """

    def __init__(self, config: Any, dtype: torch.dtype, device: str) -> None:
        heads = config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
        heads = getattr(config, "num_key_value_heads", None) or heads
        shape = (config.num_hidden_layers, 2, 1, heads, LEAST_POSITIONS, head_size)
        self._states = torch.zeros(shape, dtype=dtype, device=device)
        self.lengths: list[int] = []

    def bytes_for(self, rows: int, positions: int) -> int:
        """Return how much so many rows take, of which the longest comes to so many positions (tokens and one)."""
        slots, room = _room(rows, positions)
        have = self._states.shape[2] * self._states.shape[4]
        return slots * room * (self._states.nbytes // have)

    def add(self, known: torch.Tensor | None) -> None:
        """Open a slot and put in it what is known of its row, shape (layers, 2, heads, tokens, head size)."""
        length = 0 if known is None else known.shape[3]
        self._make_room(len(self.lengths) + 1, max([length, *self.lengths]) + 1)
        self.lengths.append(length)
        if known is not None:
            self._states[:, :, len(self.lengths) - 1, :, 1 : length + 1] = known

    def remove(self, slot: int) -> None:
        """Close a slot; the last row moves into it."""
        last = len(self.lengths) - 1
        if slot != last:
            end = self.lengths[last] + 1
            self._states[:, :, slot, :, :end] = self._states[:, :, last, :, :end]
            self.lengths[slot] = self.lengths[last]
        self.lengths.pop()

    def read(self, slot: int, start: int, end: int) -> torch.Tensor:
        """Return a copy of the state of a row's tokens ``start`` to ``end``."""
        return self._states[:, :, slot, :, start + 1 : end + 1].clone()

    def forward(self, network: Any, tokens: Sequence[Sequence[int]], first: int) -> torch.Tensor:
        """Feed new tokens to the rows from slot ``first`` on.

        Args:
            network: a causal language model of transformers.
            tokens: one or more new tokens a row; as many rows as there are slots from ``first`` on.
            first: the first slot that is fed.

        Returns:
            The logits of each row's next token, shape (rows, vocabulary).
        """
        rows, width = len(tokens), max(len(t) for t in tokens)
        device = self._states.device
        inputs = torch.zeros(rows, width, dtype=torch.long)
        places = torch.zeros(rows, width, dtype=torch.long)  # 0: padding
        for i, new in enumerate(tokens):
            length = self.lengths[first + i]
            inputs[i, width - len(new) :] = torch.tensor(new)
            places[i, width - len(new) :] = torch.arange(length + 1, length + len(new) + 1)
            self.lengths[first + i] = length + len(new)
        reach = max(self.lengths[first:]) + 1
        self._make_room(len(self.lengths), max(self.lengths) + 1)
        places = places.to(device)
        order = torch.arange(reach, device=device)
        # Padding sees position 0 alone: a row of nothing but masked scores would be not-a-number.
        mask = ((order <= places[:, :, None]) & (order >= 1)) | ((places == 0)[:, :, None] & (order == 0))
        view = _View(self._states[:, :, first : first + rows, :, :reach], places)
        output = network(
            input_ids=inputs.to(device),
            attention_mask=mask[:, None],
            position_ids=(places - 1).clamp(min=0),
            past_key_values=view,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _make_room(self, rows: int, positions: int) -> None:
        """Take what so many rows and positions need where either is short, and give back what the other need not."""
        layers, two, slots, heads, room, size = self._states.shape
        if rows <= slots and positions <= room:
            return
        slots, room = _room(rows, positions)
        made = self._states.new_zeros(layers, two, slots, heads, room, size)
        rows, end = len(self.lengths), min(room, self._states.shape[4])
        made[:, :, :rows, :, :end] = self._states[:, :, :rows, :, :end]
        self._states = made


def _room(rows: int, positions: int) -> tuple[int, int]:
    """Return the powers of two that hold so many rows and positions: few steps, so that growing copies little."""
    return 1 << (rows - 1).bit_length(), max(LEAST_POSITIONS, 1 << (positions - 1).bit_length())


class _View(Cache):  # type: ignore[misc]  # transformers has no types
    """The slots of some rows as the cache of one forward pass."""

    def __init__(self, states: torch.Tensor, places: torch.Tensor) -> None:
        super().__init__(layers=[_Layer(layer[0], layer[1], places) for layer in states])


class _Layer(CacheLayerMixin):  # type: ignore[misc]  # transformers has no types
    """One layer of ``_View``: writes new keys and values into their places, returns all of them."""

    is_sliding = False

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, places: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True
        self._places = places
        self._rows = torch.arange(len(places), device=places.device)[:, None]

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing is left to initialise."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new states, shape (rows, heads, tokens, head size), and return all states of the rows."""
        self.keys[self._rows, :, self._places] = key_states.transpose(1, 2)
        self.values[self._rows, :, self._places] = value_states.transpose(1, 2)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Return the number of positions, position 0 included."""
        return int(self.keys.shape[2])

    def get_max_length(self) -> int:
        """Return the number of positions."""
        return int(self.keys.shape[2])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return length and offset for a mask that is not used: ``Slots.forward`` makes its own."""
        return int(self.keys.shape[2]), 0
