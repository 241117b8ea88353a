"""Chain of thought: text only, in steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sandbox.blocks import Block, BlockType
from sandbox.formats.base import Located, Piece, normalise_newlines, refuse, written
from sandbox.formats.markdown import LONG_BLOCK_TOKENS


@dataclass(frozen=True, slots=True)
class CotFormat:
    r"""Chain of thought: text only, one step a line, as MetaMath-style solutions are written.

    A line end inside an open ``\[``, ``$$`` or ``\begin{…}`` does not end a step. Each block keeps the line
    ends that follow it, so that the text is the blocks joined.

    Attributes:
        before: what stands before the question.
        after: what stands behind it.
        paragraphs: a step is a paragraph, or what begins with a numbered heading, as today's models write; not a line.
    """

    name: str = "cot"
    before: str = ""
    after: str = "\n\n"
    end: str = ""
    stop: tuple[str, ...] = ("\n",)
    special_tokens: tuple[str, ...] = ()
    most_blocks: int | None = None
    most_characters: int | None = None
    block_tokens: int = LONG_BLOCK_TOKENS
    paragraphs: bool = False
    _LINES: ClassVar[re.Pattern[str]] = re.compile(r"[^\r\n]*(?:[\r\n]+|\Z)")
    _DISPLAY: ClassVar[re.Pattern[str]] = re.compile(r"\\\[|\\\]|\$\$|\\begin\{|\\end\{")
    # A numbered step: "Step 2: Add.", "### **Step 2**", "3. Divide.", "**3.** Divide". Not one: "Stepping back, …",
    # "3.5 apples are left", "12 apples".
    _NUMBERED: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:#{1,6} +)?(?:\*\*)?(?:Step +\d|\d{1,2}[.)](?:\*\*)? )", re.IGNORECASE
    )

    def prompt(self, question: str, system: str = "") -> str:
        """Return the question between the format's own words, after the system text where there is one."""
        asked = f"{self.before}{normalise_newlines(question)}{self.after}"
        return f"{normalise_newlines(system)}\n\n{asked}" if system else asked

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write the texts as they are (see ``Format.write``)."""
        return written(self, blocks, ended)

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Join the texts.

        Raises:
            ValueError: if a block is not text.
        """
        parts: list[str] = []
        for block in blocks:
            if block.type != "text":
                raise refuse(self, block, "text")
            parts.append(normalise_newlines(block.content))
        return "".join(parts)

    def whole(self, turn: str) -> bool:
        """Return true: there is no mark-up."""
        return True

    def ended(self, turn: str) -> bool:
        """Return false: no stop string ends the message."""
        return False

    def before_output(self, text: str) -> str:
        """Return the text as it is: there is no code."""
        return text

    def parse(self, text: str) -> tuple[Block, ...]:
        """Cut the text into steps (see ``locate``)."""
        return tuple(located.block for located in self.locate(text))

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Cut the text into steps, at line ends or paragraphs outside displayed formulas."""
        starts: list[int] = []
        depth, dollars, ended, blank = 0, False, True, True
        for match in self._LINES.finditer(text):
            line = normalise_newlines(match[0])
            if not line:
                continue
            numbered = self.paragraphs and depth == 0 and not dollars and self._NUMBERED.match(line)
            # Blank lines are no step of their own, but part of the one beside them.
            if not starts or ((ended or numbered) and line.strip() and not blank):
                starts.append(match.start())
                blank = not line.strip()
            blank = blank and not line.strip()
            for mark in self._DISPLAY.findall(line):
                if mark == "$$":
                    dollars = not dollars
                else:
                    depth = max(0, depth + (1 if mark in (r"\[", r"\begin{") else -1))
            ended = depth == 0 and not dollars and (not self.paragraphs or line.endswith("\n\n"))
        ends = [*starts[1:], len(text)]
        return [
            Located(Block("text", normalise_newlines(text[start:end])), start, end, end < len(text) or ended)
            for start, end in zip(starts, ends, strict=False)
        ]


METAMATH = CotFormat(
    "metamath",
    before="Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n",
    after="\n\n### Response: Let's think step by step.",
)
"""Chain of thought under the prompt that MetaMath's models were trained with (its repository, ``eval_gsm8k.py``)."""

PARAGRAPHS = CotFormat(
    "paragraphs",
    # Servers take four strings at most, and a chat template has its own. A heading ("## Step 2") stands behind an empty
    # line; where it does not, it is read as a step all the same, of the temperature of the one before.
    stop=("\n\n", "\nStep ", "\n**Step "),
    paragraphs=True,
)
"""Chain of thought in paragraphs and numbered steps, as instruct models of today write it."""
