r"""Text to token ids and back for one tokenizer, in pieces: what follows what, and where a piece ends.

A text that goes on from another has other ids than the same text on its own: SentencePiece tokenizers (Llama 2,
Mistral 7B) put a space before whatever begins a text, or stands behind a mark, and take it away in decoding only at
the very beginning. So ``<|code|>x = 3`` is encoded as ``<|code|>``, ``▁x``, … and must be read as ``x = 3`` again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

Ids = list[int]
_ANCHOR: Final = "\n"
_CHARACTER_BYTES: Final = 4


def begin_ids(tokenizer: Any) -> list[int]:
    """Return the begin token as a list of one id if the tokenizer puts it before a text, as Llama's do; else nothing.

    Sampling and training both begin with it, so that a model is trained on the contexts that it samples in.
    """
    first = list(tokenizer("a")["input_ids"][:1])
    return first if first == [tokenizer.bos_token_id] else []


class Tokens:
    """A tokenizer of transformers, for texts in pieces.

    Args:
        tokenizer: of a model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._begin = begin_ids(tokenizer)
        self._marks = frozenset(tokenizer.added_tokens_decoder)
        self._anchor = self.encode(_ANCHOR)
        self._anchor_text = self._decode(self._anchor)

    def encode(self, text: str) -> Ids:
        """Return the ids of a text on its own, special tokens recognised, none added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_prompt(self, text: str) -> Ids:
        """Return the ids of a text that a prompt begins with, behind the begin token if the tokenizer puts one there.

        A chat template may have written that token itself.
        """
        ids = self.encode(text)
        return ids if ids[: len(self._begin)] == self._begin else self._begin + ids

    def encode_after(self, text: str, before: int | None = None) -> Ids:
        """Return the ids of a text as it follows an id; None for a text that begins or follows a mark."""
        return self.encode_with_spans(text, before)[0]

    def encode_with_spans(self, text: str, before: int | None = None) -> tuple[Ids, list[tuple[int, int]]]:
        """Return the ids of a text as ``encode_after`` does, and which of its characters each stands for."""
        if self._inside(before):
            ids, spans = self._with_spans(_ANCHOR + text)
            if ids[: len(self._anchor)] == self._anchor:
                return ids[len(self._anchor) :], [(a - 1, b - 1) for a, b in spans[len(self._anchor) :]]
            # Its first character melts into one token with the line end before it.
        return self._with_spans(text)

    def _with_spans(self, text: str) -> tuple[Ids, list[tuple[int, int]]]:
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(encoded["input_ids"]), list(encoded["offset_mapping"])

    def spell(self, ids: Sequence[int], before: int | None = None) -> str:
        """Return the text of ids.

        Args:
            ids: as they follow ``before``.
            before: the id before them; None for ids that begin a text or follow a mark.
        """
        inside = self._inside(before)
        if not self._prepends:
            return self._decode_after(ids) if inside else self._decode(ids)
        parts = []
        for is_mark, group in itertools.groupby(ids, key=self._marks.__contains__):
            run = list(group)
            # The decoder takes the space before a text away: right behind a mark, wrong inside a text.
            parts.append(self._decode_after(run) if inside and not is_mark else self._decode(run))
            inside = False
        return "".join(parts)

    def without_spaces(self, text: str) -> str:
        """Return a text that was decoded elsewhere without the spaces that this tokenizer puts behind marks."""
        if self._prepends:
            for mark in (str(token) for token in self.tokenizer.added_tokens_decoder.values()):
                text = text.replace(f"{mark} ", mark)
        return text

    def fit(self, ids: Sequence[int], text: str, before: int | None = None) -> Ids:
        """Return ids that spell a text which begins as ``ids`` do, with what differs at their end written anew."""
        count, spelt = self._reach(ids, text, len(text), before)
        kept = list(ids[:count])
        rest = text[len(spelt) :]
        return kept + (self.encode_after(rest, kept[-1] if kept else before) if rest else [])

    def cut(self, ids: Sequence[int], text: str, ends: Sequence[int], before: int | None = None) -> list[Ids]:
        """Cut ids where their text is cut.

        Args:
            ids: of the text.
            text: what ``spell`` says of them.
            ends: where each piece ends, ascending; the last is the text's length or less.
            before: as for ``spell``.

        Returns:
            A list of ids for each end, and one for what is left. A token that lies across an end is written
            anew, in two.
        """
        pieces, start, left = [], 0, list(ids)
        for end in ends:
            count, spelt = self._reach(left, text[start:], end - start, before)
            piece, left = left[:count], left[count:]
            start += len(spelt)
            if start < end:
                last = piece[-1] if piece else before
                across = next(
                    (n for n in range(1, len(left)) if len(self.spell(left[:n], last)) > end - start),
                    len(left),
                )
                stop = start + len(self.spell(left[:across], last))
                piece += self.encode_after(text[start:end], last)
                left = [*self.encode_after(text[end:stop], piece[-1]), *left[across:]]
            pieces.append(piece)
            before = piece[-1] if piece else before
            start = end
        return [*pieces, left]

    def _reach(self, ids: Sequence[int], text: str, end: int, before: int | None) -> tuple[int, str]:
        """Return how many of the first ids spell no more than ``text[:end]``, and what they spell."""
        few, many = 0, 1
        while many < len(ids) and len(self.spell(ids[:many], before)) <= end:
            few, many = many, 2 * many
        many = min(many, len(ids))
        while few < many:
            middle = (few + many + 1) // 2
            if len(self.spell(ids[:middle], before)) <= end:
                few = middle
            else:
                many = middle - 1
        # The bytes of an unfinished character are shown as up to three others, which the text does not have.
        few = min(few + _CHARACTER_BYTES, len(ids))
        while not text.startswith(spelt := self.spell(ids[:few], before), 0, end):
            few -= 1
        return few, spelt

    def _inside(self, before: int | None) -> bool:
        return before is not None and before not in self._marks

    @cached_property
    def _prepends(self) -> bool:
        """Whether encoding puts a space behind a mark that decoding leaves there."""
        mark = next(
            (str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special), ""
        )
        return bool(mark) and self._decode(self.encode(f"{mark}x")) == f"{mark} x"

    def _decode(self, ids: Sequence[int]) -> str:
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )

    def _decode_after(self, ids: Sequence[int]) -> str:
        return self._decode([*self._anchor, *ids])[len(self._anchor_text) :]
