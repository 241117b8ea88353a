"""Blocks and steps: the units that solutions are made of, and cut between.

A *block* is text, code, the execution output that the kernel wrote after a code block, or a thought: what a
reasoning model writes for itself before it answers. A *step* is what a solution can be cut between: one text block,
or one code block with its execution, and the thoughts before it. Not covered: how they are written for a model
(``sandbox.formats``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

BlockType = Literal["text", "code", "execution", "thought"]
BLOCK_TYPES: tuple[BlockType, ...] = get_args(BlockType)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a solution.

    Raises:
        ValueError: if ``type`` is not one of ``BLOCK_TYPES``, or ``content`` no string.
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
    """Step ``index`` (from 0) of a solution: ``(text,)``, ``(code,)`` or ``(code, execution)``, behind its thoughts."""

    index: int
    blocks: tuple[Block, ...]

    @property
    def is_code(self) -> bool:
        """Whether the step is a code block (with its execution, where it ran)."""
        return self.code is not None

    @property
    def code(self) -> str | None:
        """The code of the step, or None."""
        return next((block.content for block in self.blocks if block.type == "code"), None)

    @property
    def content(self) -> str:
        """What the step runs, or says: its code, else the first block that is no thought."""
        said = [block.content for block in self.blocks if block.type != "thought"]
        return self.code if self.code is not None else next(iter(said), "")

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the step's executions show: none or one, as a rule."""
        return tuple(block.content for block in self.blocks if block.type == "execution")
