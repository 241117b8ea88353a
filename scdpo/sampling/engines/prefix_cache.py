"""Keys and values of prompts already seen, so that a solution's next block does not compute its prefix again.

Blocks of 16 tokens are kept under a hash chained from the start of the prompt, the least recently used
go first: the scheme of vLLM's automatic prefix caching, on tensors of a transformers model. Not covered:
sliding-window and recurrent layers, whose state is not one key and value a token.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch

BLOCK_TOKENS = 16


class PrefixCache:
    """Keys and values by token prefix.

    Args:
        max_bytes: how much is kept; the oldest blocks make room.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._blocks: OrderedDict[tuple[int, tuple[int, ...]], torch.Tensor] = OrderedDict()

    def _keys(self, tokens: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
        keys: list[tuple[int, tuple[int, ...]]] = []
        parent = 0
        for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            key = (parent, tuple(tokens[start : start + BLOCK_TOKENS]))
            keys.append(key)
            parent = hash(key)
        return keys

    def get(self, tokens: Sequence[int]) -> torch.Tensor | None:
        """Return the stored state of the longest known prefix, or None.

        Returns:
            A tensor of shape (layers, 2, heads, known tokens, head size), at most ``len(tokens) - 1`` tokens,
            so that there is always one left to compute the next token from.
        """
        found: list[torch.Tensor] = []
        for key in self._keys(tokens[:-1]):
            block = self._blocks.get(key)
            if block is None:
                break
            self._blocks.move_to_end(key)
            found.append(block)
        return torch.cat(found, dim=3) if found else None

    def put(self, tokens: Sequence[int], read: Callable[[int, int], torch.Tensor]) -> None:
        """Store the state of a sequence.

        Args:
            tokens: the sequence.
            read: returns the state of tokens ``start`` to ``end``, shape (layers, 2, heads, tokens, head
                size); asked only for blocks that are not stored yet.
        """
        for number, key in enumerate(self._keys(tokens)):
            if key not in self._blocks:
                self._blocks[key] = read(number * BLOCK_TOKENS, (number + 1) * BLOCK_TOKENS)
                self._bytes += self._blocks[key].nbytes
            self._blocks.move_to_end(key)
        while self._bytes > self._max_bytes:
            _, oldest = self._blocks.popitem(last=False)
            self._bytes -= oldest.nbytes
