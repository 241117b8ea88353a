"""Solutions: blocks in a row, the steps that they are cut into, and how they are read and written.

How a solution is written for a model is the business of ``sandbox.formats``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.blocks import Block, Step
from sandbox.formats import get_format


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution as a sequence of blocks, with the steps t_0 … t_m that it is cut into."""

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, blocks: Iterable[Block | Mapping[str, Any]]) -> Solution:
        """Build a solution from blocks or from their records."""
        return cls(tuple(b if isinstance(b, Block) else Block.from_dict(b) for b in blocks))

    @classmethod
    def parse(cls, text: str, format: str = "mathcoder") -> Solution:
        """Read a solution that a model wrote. Never raises on any text.

        Args:
            text: the assistant's message.
            format: a name of ``sandbox.formats``, such as ``mathcoder``, ``markdown`` or ``cot``.
        """
        return cls(get_format(format).parse(text))

    def render(self, format: str = "mathcoder") -> str:
        """Write the solution as a model writes it; ``parse`` gives the same blocks back.

        Raises:
            ValueError: if the format cannot express a block (code in ``cot``).
        """
        return get_format(format).render(self.blocks)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps t_0 … t_m. An execution without code before it stands as a step of its own."""
        groups: list[list[Block]] = []
        for block in self.blocks:
            follows_code = block.type == "execution" and groups and groups[-1][-1].type == "code"
            follows_thought = bool(groups) and groups[-1][-1].type == "thought"
            if follows_code or follows_thought:
                groups[-1].append(block)
            else:
                groups.append([block])
        return tuple(Step(i, tuple(group)) for i, group in enumerate(groups))

    def prefix(self, k: int) -> Solution:
        """Return steps t_0 … t_k, k included.

        Raises:
            IndexError: if there is no step k.
        """
        return Solution(tuple(b for step in self._steps_checked(k)[: k + 1] for b in step.blocks))

    def rest(self, k: int) -> Solution:
        """Return steps t_{k+1} … t_m: what follows the prefix up to step k.

        Raises:
            IndexError: if there is no step k.
        """
        return Solution(tuple(b for step in self._steps_checked(k)[k + 1 :] for b in step.blocks))

    def _steps_checked(self, k: int) -> tuple[Step, ...]:
        steps = self.steps
        if not 0 <= k < len(steps):
            raise IndexError(f"step {k} of a solution with {len(steps)} steps")
        return steps

    @property
    def code_blocks(self) -> tuple[str, ...]:
        """The contents of the code blocks, in order."""
        return tuple(b.content for b in self.blocks if b.type == "code")

    @property
    def final_text(self) -> str:
        """The text that the model wrote after its last code or execution block."""
        texts: list[str] = []
        for block in reversed(self.blocks):
            if block.type != "text":
                break
            texts.append(block.content)
        return "\n".join(reversed(texts))

    @property
    def final_answer(self) -> str | None:
        r"""What the last balanced ``\boxed{…}`` of the final text holds, or None.

        This is the plain reading; ``verifier.extract_answer`` also knows the other ways to state an answer.
        """
        return last_boxed(self.final_text)

    def to_dicts(self) -> list[dict[str, str]]:
        """Return the blocks as they stand in a record."""
        return [b.to_dict() for b in self.blocks]


def last_boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{…}`` with balanced braces holds, stripped, or None. Linear time."""
    answer: str | None = None
    opened: list[
        int | None
    ] = []  # one entry a brace: where the content of a box starts, None for other braces
    depth_of_boxes = 0
    position = 0
    while position < len(text):
        character = text[position]
        if text.startswith(r"\boxed{", position) or text.startswith(r"\fbox{", position):
            position = text.index("{", position) + 1
            opened.append(position)
            depth_of_boxes += 1
            continue
        if character == "\\":
            position += 2
            continue
        if character == "{":
            opened.append(None)
        elif character == "}" and opened:
            start = opened.pop()
            if start is not None:
                depth_of_boxes -= 1
                if depth_of_boxes == 0:
                    answer = text[start:position].strip()
        position += 1
    return answer
