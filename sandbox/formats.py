r"""How a solution is written for a model and read back: ``mathcoder``, ``markdown``, ``cot`` and ``metamath``.

Every format keeps two promises, tested on real and on random text:

* ``parse(render(blocks))`` gives the blocks back, whatever they contain. Where a content would read
  as the format's own mark-up (a kernel may print ``<|endofblock|>``), one backslash is put into it
  on writing and taken out on reading, so that output can never forge a block.
* ``parse`` takes any text at all, in linear time; what stands outside every block is read as text.

Line ends are normalised to ``\n`` on writing. Not covered: chat templates
and the formats of other projects that use neither of these marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from sandbox.blocks import BLOCK_TYPES, Block, BlockType


def normalise_newlines(text: str) -> str:
    r"""Return the text with the line ends ``\r\n`` and ``\r`` written as ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


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

    def prompt(self, question: str, system: str = "") -> str:
        """Return everything that stands before the assistant's first block."""

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write blocks; a prefix and its rest (given the prefix's last type) join to the whole."""

    def open(self, type: BlockType, previous: BlockType | None = None) -> str:
        """Return what stands before the content of a block."""

    def close(self, type: BlockType) -> str:
        """Return what stands after the content of a block."""

    def closed(self, text: str) -> bool:
        """Whether the last block of a text that ends at a stop is complete."""

    def whole(self, turn: str) -> bool:
        """Whether what a model wrote up to a stop is one block, or the end of its message, and no other mark-up."""

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read the assistant's message back into blocks. Never raises."""


@dataclass(frozen=True, slots=True)
class MathCoderFormat:
    """The special-token format of MathCoder and SCDPO (see their public inference scripts)."""

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

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write each block as ``<|type|>content<|endofblock|>``."""
        return "".join(f"{self.open(b.type)}{self._escape(b.content)}{self.close(b.type)}" for b in blocks)

    def open(self, type: BlockType, previous: BlockType | None = None) -> str:
        """Return the token that opens a block of this type."""
        return f"<|{type}|>"

    def close(self, type: BlockType) -> str:
        """Return the token that closes a block."""
        return "<|endofblock|>"

    def closed(self, text: str) -> bool:
        """Whether the text ends in the token that closes a block."""
        return text.endswith("<|endofblock|>")

    def whole(self, turn: str) -> bool:
        """Whether a turn is a block with its marks and none inside, or the mark that ends the message."""
        if turn in ("", self.end):
            return True
        marks = list(self._MARK.finditer(turn))
        if not marks or marks[0].start() > 0 or marks[0][1] not in BLOCK_TYPES:
            return False
        return [mark.end() for mark in marks[1:]] in ([], [len(turn)])

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read blocks; a block that is not closed ends at the next opening token or at the end."""
        message = normalise_newlines(text).rpartition("<|assistant|>")[2]  # a whole prompt may come along
        pieces = self._MARK.split(message)
        blocks: list[Block] = []
        inside: BlockType | None = None
        self._take(blocks, None, pieces[0])
        for mark, content in zip(pieces[1::2], pieces[2::2], strict=True):
            if mark == "endofmessage":
                break
            inside = mark if mark in BLOCK_TYPES else None  # type: ignore[assignment]
            self._take(blocks, inside, content)
        return tuple(blocks)

    def _take(self, blocks: list[Block], inside: BlockType | None, content: str) -> None:
        content = self._ESCAPED.sub(r"<\1|\2|>", content)
        if inside is not None:
            blocks.append(Block(inside, content))
        elif content.strip():
            blocks.append(Block("text", content))

    def _escape(self, content: str) -> str:
        return self._ESCAPABLE.sub(r"<\\\1|\2|>", normalise_newlines(content))


_INFO_OF: dict[BlockType, str] = {"code": "python", "execution": "output"}
_TYPE_OF: dict[str, BlockType] = {"python": "code", "py": "code", "python3": "code", "output": "execution"}
_BETWEEN_TEXTS = "<!-- next block -->\n"


@dataclass(frozen=True, slots=True)
class MarkdownFormat:
    """Text with ```` ```python ```` and ```` ```output ```` fences, as ToRA and Qwen2.5-Math write it.

    A fence is closed by the first line of at least as many backticks (CommonMark 0.31, section 4.5), so
    contents that hold fences get a longer one. Fences with another info string are part of the text.
    """

    name: str = "markdown"
    end: str = ""
    stop: tuple[str, ...] = ("```python\n", "\n```\n", "```output")
    special_tokens: tuple[str, ...] = ()
    _FENCE: ClassVar[re.Pattern[str]] = re.compile(r"(`{3,})[ \t]*(?:(\w+)[ \t]*)?")
    _TICKS: ClassVar[re.Pattern[str]] = re.compile(r"^`{3,}", re.MULTILINE)
    _ESCAPABLE: ClassVar[re.Pattern[str]] = re.compile(
        r"^(\\*)(?=`{3,}[ \t]*(?:python3?|py|output)[ \t]*$|<!-- next block -->$)", re.MULTILINE
    )
    _ESCAPED: ClassVar[re.Pattern[str]] = re.compile(
        r"^\\(?=\\*(?:`{3,}[ \t]*(?:python3?|py|output)[ \t]*|<!-- next block -->)$)", re.MULTILINE
    )

    def prompt(self, question: str, system: str = "") -> str:
        """Return the question, after the system text where there is one, each followed by an empty line."""
        return "".join(f"{normalise_newlines(part)}\n\n" for part in (system, question) if part)

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write texts as they are and code and execution in fences."""
        parts: list[str] = []
        for block in blocks:
            content = normalise_newlines(block.content)
            if block.type == "text":
                parts.append(
                    f"{self.open('text', previous)}{self._ESCAPABLE.sub(self._add_backslash, content)}\n"
                )
            else:
                ticks = "`" * (max((len(m) for m in self._TICKS.findall(content)), default=2) + 1)
                parts.append(f"{ticks}{_INFO_OF[block.type]}\n{content}\n{ticks}\n")
            previous = block.type
        return "".join(parts)

    @staticmethod
    def _add_backslash(match: re.Match[str]) -> str:
        return "\\" + match.group(1)

    def open(self, type: BlockType, previous: BlockType | None = None) -> str:
        """Return the fence that opens a block; between two texts, the comment that keeps them apart."""
        if type == "text":
            return _BETWEEN_TEXTS if previous == "text" else ""
        return f"```{_INFO_OF[type]}\n"

    def close(self, type: BlockType) -> str:
        """Return the line end, and the closing fence where there is one."""
        return "\n" if type == "text" else "\n```\n"

    def closed(self, text: str) -> bool:
        """Whether the text ends in a closing fence."""
        return text.endswith("\n```\n")

    def whole(self, turn: str) -> bool:
        """Return true: a turn is a text and a fence that opens, or what stands in one."""
        return True

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read fenced code and output; a fence that is never closed runs to the end."""
        blocks: list[Block] = []
        lines: list[str] = []
        inside: BlockType = "text"
        ticks = 0
        for line in normalise_newlines(text).split("\n"):
            fence = self._FENCE.fullmatch(line)
            info = (fence.group(2) or "") if fence else ""
            if inside != "text":
                if fence and not info and len(fence.group(1)) >= ticks:
                    blocks.append(Block(inside, "\n".join(lines)))
                    inside, lines = "text", []
                    continue
            elif (fence and info in _TYPE_OF) or line + "\n" == _BETWEEN_TEXTS:
                self._take_text(blocks, lines)
                lines = []
                if fence:
                    inside, ticks = _TYPE_OF[info], len(fence.group(1))
                continue
            lines.append(line)
        if inside == "text":
            # What follows the last line end is a line of its own only if it holds something.
            self._take_text(blocks, lines[:-1] if lines and not lines[-1] else lines)
        else:
            blocks.append(Block(inside, "\n".join(lines)))
        return tuple(blocks)

    def _take_text(self, blocks: list[Block], lines: Sequence[str]) -> None:
        if lines:
            blocks.append(Block("text", self._ESCAPED.sub("", "\n".join(lines))))


@dataclass(frozen=True, slots=True)
class CotFormat:
    r"""Chain of thought: text only, one step a line, as MetaMath-style solutions are written.

    A line end inside an open ``\[``, ``$$`` or ``\begin{…}`` does not end a step. Each block keeps the line
    ends that follow it, so that the text is the blocks joined.
    """

    name: str = "cot"
    before: str = ""
    after: str = "\n\n"
    end: str = ""
    stop: tuple[str, ...] = ("\n",)
    special_tokens: tuple[str, ...] = field(default=())
    _LINES: ClassVar[re.Pattern[str]] = re.compile(r"[^\n]*(?:\n+|\Z)")
    _DISPLAY: ClassVar[re.Pattern[str]] = re.compile(r"\\\[|\\\]|\$\$|\\begin\{|\\end\{")

    def prompt(self, question: str, system: str = "") -> str:
        """Return the question between the format's own words, after the system text where there is one."""
        asked = f"{self.before}{normalise_newlines(question)}{self.after}"
        return f"{normalise_newlines(system)}\n\n{asked}" if system else asked

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Join the texts.

        Raises:
            ValueError: if a block is not text.
        """
        parts: list[str] = []
        for block in blocks:
            if block.type != "text":
                raise ValueError(f"the cot format holds text only, not a block of type {block.type!r}")
            parts.append(normalise_newlines(block.content))
        return "".join(parts)

    def open(self, type: BlockType, previous: BlockType | None = None) -> str:
        """Return nothing: a step needs no mark before it."""
        return ""

    def close(self, type: BlockType) -> str:
        """Return nothing: the line end is part of the step."""
        return ""

    def closed(self, text: str) -> bool:
        """Whether the text ends at a line end."""
        return text.endswith("\n")

    def whole(self, turn: str) -> bool:
        """Return true: there is no mark-up."""
        return True

    def parse(self, text: str) -> tuple[Block, ...]:
        """Cut the text into steps at line ends outside displayed formulas."""
        blocks: list[Block] = []
        pending: list[str] = []
        depth, dollars = 0, False
        for line in self._LINES.findall(normalise_newlines(text)):
            for mark in self._DISPLAY.findall(line):
                if mark == "$$":
                    dollars = not dollars
                else:
                    depth = max(0, depth + (1 if mark in (r"\[", r"\begin{") else -1))
            pending.append(line)
            if depth == 0 and not dollars:
                self._take(blocks, pending)
                pending = []
        self._take(blocks, pending)
        return tuple(blocks)

    @staticmethod
    def _take(blocks: list[Block], lines: list[str]) -> None:
        content = "".join(lines)
        if not content:
            return
        if blocks and (not content.strip() or not blocks[-1].content.strip()):
            blocks[-1] = Block("text", blocks[-1].content + content)  # blank lines are no step of their own
        else:
            blocks.append(Block("text", content))


METAMATH = CotFormat(
    "metamath",
    before="Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n",
    after="\n\n### Response: Let's think step by step.",
)
"""Chain of thought under the prompt that MetaMath's models were trained with (its repository, ``eval_gsm8k.py``)."""

_FORMATS: dict[str, Format] = {
    made.name: made for made in (MathCoderFormat(), MarkdownFormat(), CotFormat(), METAMATH)
}
FORMAT_NAMES: tuple[str, ...] = tuple(_FORMATS)


def get_format(name: str) -> Format:
    """Return the format of this name.

    Raises:
        ValueError: if there is none.
    """
    if name not in _FORMATS:
        raise ValueError(f"format {name!r} is not one of {', '.join(FORMAT_NAMES)}")
    return _FORMATS[name]
