"""The special-token format of MathCoder and SCDPO."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from sandbox.blocks import Block, BlockType
from sandbox.formats.base import Located, Piece, normalise_newlines, refuse, written

_MARKED: tuple[BlockType, ...] = ("text", "code", "execution")


@dataclass(frozen=True, slots=True)
class MathCoderFormat:
    """The special-token format of MathCoder and SCDPO (see their public inference scripts).

    Its limits are those of the SCDPO reference: 24 blocks, 3,000 characters and 512 tokens per block.
    """

    name: str = "mathcoder"
    end: str = "<|endofmessage|>"
    stop: tuple[str, ...] = ("<|endofblock|>", "<|endofmessage|>")
    special_tokens: tuple[str, ...] = (
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|text|>",
        "<|code|>",
        "<|execution|>",
        "<|endofblock|>",
        "<|endofmessage|>",
    )
    most_blocks: int | None = 24
    most_characters: int | None = 3000
    block_tokens: int = 512
    _NAMES: ClassVar[str] = "system|user|assistant|text|code|execution|endofblock|endofmessage"
    _MARK: ClassVar[re.Pattern[str]] = re.compile(rf"<\|({_NAMES})\|>")
    _ESCAPABLE: ClassVar[re.Pattern[str]] = re.compile(rf"<(\\*)\|({_NAMES})\|>")
    _ESCAPED: ClassVar[re.Pattern[str]] = re.compile(rf"<\\(\\*)\|({_NAMES})\|>")

    def prompt(self, question: str, system: str = "") -> str:
        """Return the system and user messages and the opening of the assistant's."""
        return "".join(
            [
                f"<|system|><|text|>{self._escape(system)}<|endofblock|><|endofmessage|>",
                f"<|user|><|text|>{self._escape(question)}<|endofblock|><|endofmessage|>",
                "<|assistant|>",
            ]
        )

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write each block as ``<|type|>content<|endofblock|>`` (see ``Format.write``)."""
        return written(self, blocks, ended)

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write each block as ``<|type|>content<|endofblock|>``."""
        return "".join(f"{self.open(b)}{self._escape(b.content)}{self.close(b.type)}" for b in blocks)

    def open(self, block: Block) -> str:
        """Return the token that opens a block.

        Raises:
            ValueError: if there is none for its type.
        """
        if block.type not in _MARKED:
            raise refuse(self, block, "text, code and executions")
        return f"<|{block.type}|>"

    def close(self, type: BlockType) -> str:
        """Return the token that closes a block."""
        return "<|endofblock|>"

    def whole(self, turn: str) -> bool:
        """Whether a turn is a block with its marks and none inside, or the mark that ends the message."""
        if turn in ("", self.end):
            return True
        marks = list(self._MARK.finditer(turn))
        if not marks or marks[0].start() > 0 or marks[0][1] not in _MARKED:
            return False
        return [mark.end() for mark in marks[1:]] in ([], [len(turn)])

    def ended(self, turn: str) -> bool:
        """Whether the turn ends in the mark that ends the message."""
        return turn.endswith(self.end)

    def before_output(self, text: str) -> str:
        """Return the text as it is."""
        return text

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read blocks (see ``locate``)."""
        return tuple(located.block for located in self.locate(text))

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Read blocks; a block that is not closed ends at the next opening token or at the end."""
        prompt, mark, _ = text.rpartition("<|assistant|>")  # a whole prompt may come along
        start = content = len(prompt) + len(mark)
        found: list[Located] = []
        inside: BlockType | None = None
        for match in self._MARK.finditer(text, start):
            closes = match[1] == "endofblock"
            end = match.end() if closes else match.start()
            self._take(found, inside, text[content : match.start()], start, end, closes)
            if match[1] == "endofmessage":
                return found
            inside = cast(BlockType, match[1]) if match[1] in _MARKED else None
            start, content = end, match.end()
        self._take(found, inside, text[content:], start, len(text), False)
        return found

    def _take(
        self,
        found: list[Located],
        inside: BlockType | None,
        content: str,
        start: int,
        end: int,
        closed: bool,
    ) -> None:
        content = self._ESCAPED.sub(r"<\1|\2|>", normalise_newlines(content))
        if inside is not None:
            found.append(Located(Block(inside, content), start, end, closed))
        elif content.strip():
            found.append(Located(Block("text", content), start, end, closed))

    def _escape(self, content: str) -> str:
        return self._ESCAPABLE.sub(r"<\\\1|\2|>", normalise_newlines(content))
