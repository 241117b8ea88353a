"""What every way of writing solutions offers, and what a written solution consists of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.blocks import Block, BlockType


def normalise_newlines(text: str) -> str:
    r"""Return the text with the line ends ``\r\n`` and ``\r`` written as ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """What is written for one block, or for the end of the message.

    Attributes:
        runs: the text in parts, each with whether the model writes it (and not the host).
    """

    runs: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(text for text, _ in self.runs)


@dataclass(frozen=True, slots=True)
class Located:
    """A block as it was read.

    Attributes:
        block: what was read.
        start: where what is written for it begins in the text, its marks included.
        end: where that ends; the next block begins there or later.
        closed: whether the block is complete; one that is not may go on.
    """

    block: Block
    start: int
    end: int
    closed: bool = True


class Format(Protocol):
    """What a way of writing solutions must offer."""

    @property
    def name(self) -> str:
        """The word that callers and records use for the format."""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Mark-up that a tokenizer should hold as single tokens."""

    @property
    def end(self) -> str:
        """What ends the assistant's message; empty where the tokenizer's own end token does."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings at which generation hands over to the host: a block, or the message, is finished."""

    @property
    def most_blocks(self) -> int | None:
        """How many blocks a solution in this format may have; None where only the context bounds it."""

    @property
    def most_characters(self) -> int | None:
        """How many characters a block in this format may have; None where only the context bounds it."""

    @property
    def block_tokens(self) -> int:
        """How many tokens a model may write up to a stop, where the caller does not say."""

    def prompt(self, question: str, system: str = "") -> str:
        """Return everything that stands before the assistant's first block."""

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write blocks as they follow others in one message: a piece a block, and one for the end if that is theirs.

        A text that follows a text of ``before`` goes on from it, without the mark that keeps two texts apart.

        Raises:
            ValueError: if the format cannot express a block.
        """

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write blocks; a prefix and its rest (given the prefix's last type) join to the whole."""

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Read the assistant's message back into blocks, with where each stands. Never raises.

        Args:
            text: the message, or what follows a part of it.
            continued: whether it follows a part.
        """

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read the assistant's message back into blocks. Never raises."""

    def whole(self, turn: str) -> bool:
        """Whether what a model wrote up to a stop is one block, or the end of its message, and no other mark-up."""

    def ended(self, turn: str) -> bool:
        """Whether a turn that stopped at a stop string ends the message."""

    def before_output(self, text: str) -> str:
        """Return the message so far as it stands before the output of the code that it ends in."""


def written(format: Format, blocks: Sequence[Block], ended: bool) -> list[Piece]:
    """Return the pieces of a format whose blocks are written one by one (see ``Format.write``)."""
    previous: BlockType | None = None
    pieces = []
    for block in blocks:
        text = format.render([block], previous)
        # Where a stop string opens the kernel's block, the model wrote that string to hand over.
        own = max((len(s) for s in format.stop if text.startswith(s)), default=0)
        own = own if block.type == "execution" else len(text)
        pieces.append(
            Piece(tuple((part, mine) for part, mine in ((text[:own], True), (text[own:], False)) if part))
        )
        previous = block.type
    if ended:
        pieces.append(Piece(((format.end, True),) if format.end else ()))
    return pieces


def refuse(format: Format, block: Block, holds: str) -> ValueError:
    """Return the error for a block that a format cannot express."""
    return ValueError(f"the {format.name} format holds {holds} only, not a block of type {block.type!r}")
