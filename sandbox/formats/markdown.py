"""Text with fences for code and output, as ToRA and Qwen2.5-Math write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from sandbox.blocks import Block, BlockType
from sandbox.formats.base import Located, Piece, normalise_newlines, refuse, written

BETWEEN_TEXTS: Final = "<!-- next block -->\n"
LONG_BLOCK_TOKENS: Final = 32_768
"""Tokens up to a stop, where a format has no bound of its own: what the long solutions of today's models have."""
_INFO_OF: Final[dict[BlockType, str]] = {"code": "python", "execution": "output"}
_TYPE_OF: Final[dict[str, BlockType]] = {
    "python": "code",
    "py": "code",
    "python3": "code",
    "output": "execution",
}


@dataclass(frozen=True, slots=True)
class MarkdownFormat:
    """Text with ```` ```python ```` and ```` ```output ```` fences, as ToRA and Qwen2.5-Math write it.

    A fence may stand behind up to three spaces, which its lines then lose, and is closed by the first line of at
    least as many backticks (CommonMark 0.31, section 4.5), so contents that hold fences get a longer one. Fences
    with another info string, or none, are part of the text.
    """

    name: str = "markdown"
    end: str = ""
    # A closing fence behind up to three spaces too: a list item's code stands so.
    # Servers take four strings at most; a closing fence may stand behind up to three spaces.
    stop: tuple[str, ...] = ("```python\n", "```\n", "```output")
    special_tokens: tuple[str, ...] = ()
    most_blocks: int | None = None
    most_characters: int | None = None
    block_tokens: int = LONG_BLOCK_TOKENS
    _LINE: ClassVar[re.Pattern[str]] = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
    # A fence: "  ```python" and "````". Not one: "    ```python" (indented code), "```python is" (prose).
    _FENCE: ClassVar[re.Pattern[str]] = re.compile(r"( {0,3})(`{3,})[ \t]*(?:(\w+)[ \t]*)?")
    _TICKS: ClassVar[re.Pattern[str]] = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)
    _MARK_UP: ClassVar[str] = r"(?: {0,3}`{3,}[ \t]*(?:python3?|py|output)[ \t]*$|<!-- next block -->$)"
    _ESCAPABLE: ClassVar[re.Pattern[str]] = re.compile(rf"^(\\*)(?={_MARK_UP})", re.MULTILINE)
    _ESCAPED: ClassVar[re.Pattern[str]] = re.compile(rf"^\\(?=\\*{_MARK_UP})", re.MULTILINE)

    def prompt(self, question: str, system: str = "") -> str:
        """Return the question, after the system text where there is one, each followed by an empty line."""
        return "".join(f"{normalise_newlines(part)}\n\n" for part in (system, question) if part)

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write texts as they are and code and execution in fences (see ``Format.write``)."""
        return written(self, blocks, ended)

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write texts as they are and code and execution in fences; a comment keeps two texts apart."""
        parts: list[str] = []
        for block in blocks:
            content = normalise_newlines(block.content)
            if block.type == "text":
                between = BETWEEN_TEXTS if previous == "text" else ""
                parts.append(f"{between}{self._ESCAPABLE.sub(self._add_backslash, content)}\n")
            elif block.type in _INFO_OF:
                ticks = "`" * (max((len(m) for m in self._TICKS.findall(content)), default=2) + 1)
                parts.append(f"{ticks}{_INFO_OF[block.type]}\n{content}\n{ticks}\n")
            else:
                raise refuse(self, block, "text, code and executions")
            previous = block.type
        return "".join(parts)

    @staticmethod
    def _add_backslash(match: re.Match[str]) -> str:
        return "\\" + match.group(1)

    def whole(self, turn: str) -> bool:
        """Return true: a turn is a text and a fence that opens, or what stands in one."""
        return True

    def ended(self, turn: str) -> bool:
        """Return false: no stop string ends the message."""
        return False

    def before_output(self, text: str) -> str:
        """Return the text with its last line ended: a model may end its message right behind a fence."""
        return text if text.endswith("\n") else text + "\n"

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read blocks (see ``locate``)."""
        return tuple(located.block for located in self.locate(text))

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Read fenced code and output; a fence that is never closed runs to the end."""
        found: list[Located] = []
        lines: list[str] = []
        inside: BlockType = "text"
        ticks = indent = start = 0
        for match in self._LINE.finditer(text):
            if match.start() == match.end() == len(text):
                break  # what follows the last line end is a line of its own only if it holds something
            line = match[0].rstrip("\r\n")
            fence = self._FENCE.fullmatch(line)
            info = (fence[3] or "") if fence else ""
            if inside != "text":
                if fence and not info and len(fence[2]) >= ticks:
                    found.append(Located(Block(inside, "\n".join(lines)), start, match.end()))
                    inside, lines, start = "text", [], match.end()
                    continue
                line = line[min(indent, len(line) - len(line.lstrip(" "))) :]
            elif (fence and info in _TYPE_OF) or line + "\n" == BETWEEN_TEXTS:
                self._take_text(found, lines, start, match.start())
                lines, start = [], match.start()
                if fence:
                    inside, indent, ticks = _TYPE_OF[info], len(fence[1]), len(fence[2])
                continue
            lines.append(line)
        if inside == "text":
            self._take_text(found, lines, start, len(text), closed=False)
        else:
            # As everywhere, a last line end closes its line; an empty line is behind it.
            lines += [""] if text.endswith(("\n", "\r")) and lines else []
            found.append(Located(Block(inside, "\n".join(lines)), start, len(text), closed=False))
        return found

    def _take_text(
        self, found: list[Located], lines: Sequence[str], start: int, end: int, closed: bool = True
    ) -> None:
        if lines:
            found.append(Located(Block("text", self._ESCAPED.sub("", "\n".join(lines))), start, end, closed))
