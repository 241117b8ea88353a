"""Blocks, steps and solutions: the data that every other part reads and writes.

A *block* is text, code, or the execution output that the kernel wrote after a code block. A *step*
is what a solution can be cut between: one text block, or one code block with its execution. This
module knows nothing of how a solution is written for a model; that is ``sandbox.formats``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

BlockType = Literal["text", "code", "execution"]
BLOCK_TYPES: tuple[BlockType, ...] = get_args(BlockType)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a solution.

    Raises:
        ValueError: if ``type`` is not ``text``, ``code`` or ``execution``, or ``content`` no string.
    """

    type: BlockType
    content: str

    def __post_init__(self) -> None:
        if self.type not in BLOCK_TYPES:
            raise ValueError(f"block type {self.type!r} is not one of {', '.join(BLOCK_TYPES)}")
        if not isinstance(self.content, str):
            raise ValueError(f"block content must be a string, not {type(self.content).__name__}")

    def to_dict(self) -> dict[str, str]:
        """Return the block as it stands in a record: ``{"type": …, "content": …}``."""
        return {"type": self.type, "content": self.content}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Block:
        """Read a block from a record.

        Raises:
            ValueError: if ``type`` or ``content`` is missing or of the wrong kind.
        """
        for field in ("type", "content"):
            if field not in record:
                raise ValueError(f"a block needs the field {field!r}; it has {sorted(record)}")
        return cls(cast(BlockType, record["type"]), record["content"])


@dataclass(frozen=True, slots=True)
class Step:
    """Step ``index`` (from 0) of a solution: ``(text,)``, ``(code,)`` or ``(code, execution)``."""

    index: int
    blocks: tuple[Block, ...]

    @property
    def is_code(self) -> bool:
        """Whether the step is a code block (with its execution, where it ran)."""
        return self.blocks[0].type == "code"


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
            format: ``mathcoder``, ``markdown`` or ``cot`` (see ``sandbox.formats``).
        """
        from sandbox.formats import get_format

        return cls(get_format(format).parse(text))

    def render(self, format: str = "mathcoder") -> str:
        """Write the solution as a model writes it; ``parse`` gives the same blocks back.

        Raises:
            ValueError: if the format cannot express a block (code in ``cot``).
        """
        from sandbox.formats import get_format

        return get_format(format).render(self.blocks)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps t_0 … t_m. An execution without code before it stands as a step of its own."""
        groups: list[list[Block]] = []
        for block in self.blocks:
            follows_code = block.type == "execution" and groups and groups[-1][-1].type == "code"
            if follows_code:
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
