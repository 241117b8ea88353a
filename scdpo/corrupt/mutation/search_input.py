"""What the search for a mutation works on: the correct solution, a place in it, and the commands of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from sandbox.blocks import Block
from scdpo.corrupt.rewriting.changes import values_in
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions
from scdpo.corrupt.rewriting.plausible import ValueContext
from scdpo.corrupt.rewriting.programs import literals

Plan = Literal["kept", "departed", "miscopied", "contradicted"]


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Start a session; answered with it."""


@dataclass(frozen=True, slots=True)
class RunCell:
    """Run a cell; answered with its ``CellResult``."""

    session: Any
    code: str


@dataclass(frozen=True, slots=True)
class ForkSession:
    """Branch a session; answered with the new one."""

    session: Any


@dataclass(frozen=True, slots=True)
class CloseSession:
    """End a session; answered with None."""

    session: Any


Command = OpenSession | RunCell | ForkSession | CloseSession


@dataclass(frozen=True, slots=True)
class Corruption:
    """A wrong continuation after step ``branch_step`` (from 0) of a correct solution.

    Attributes:
        branch_step: the last step of the shared prefix.
        rejected: the continuation: the mutated cell, its output, and the later blocks with the changed values.
        final_answer: the wrong answer that it states.
        kind: the kind of the mutation (``operator``, ``constant``, …).
        description: what was changed, for a reader.
        plan: how the mutation stands to the text before the cell: ``kept`` (nothing there speaks against it),
            ``departed`` (the text names, in words or a formula, an operation that the cell no longer does),
            ``miscopied`` (a number that the question states is written down wrongly: no slip of reasoning) or
            ``contradicted`` (the text writes out in numbers what the cell should reckon, though not its result, or
            quotes the number of the problem that the cell mistakes). Found in this order.
        attempts: how many mutations were tried at this step, this one included.
    """

    branch_step: int
    rejected: tuple[Block, ...]
    final_answer: str
    kind: str
    description: str
    plan: Plan
    attempts: int


@dataclass(frozen=True, slots=True)
class MutableCell:
    """A cell of the correct solution as it runs here: its output and the variables after it."""

    output: str
    variables: dict[str, str]


@dataclass(slots=True)
class Case:
    """A correct solution with all that is known of it."""

    blocks: tuple[Block, ...]
    steps: tuple[int, ...]  # where each step starts in blocks
    cells: dict[int, MutableCell]  # by index of the code block
    question: str
    gold: str
    limits: ValueContext


@dataclass(frozen=True, slots=True)
class Place:
    """A cell to be mutated, ``case.blocks[cell]``, in a continuation that starts after ``step``.

    The continuation starts with the cell, or with the text before it; then a number is misread in both.
    """

    case: Case
    step: int
    cell: int

    @property
    def start(self) -> int:
        """The first block of the continuation."""
        return self.case.steps[self.step + 1]

    @property
    def with_text(self) -> bool:
        """Whether the text before the cell belongs to the continuation."""
        return self.start < self.cell

    @property
    def plan(self) -> str:
        """The text before the cell, if the prefix ends with it."""
        before = self.case.blocks[self.cell - 1]
        return before.content if before.type == "text" and not self.with_text else ""


def values_before(blocks: Sequence[Block]) -> set[Fraction]:
    """Return the values that a prefix states: in its texts, its programs and their outputs."""
    values: set[Fraction] = set()
    for block in blocks:
        if block.type == "text":
            values.update(m.value for m in find_mentions(block.content) if m.role == "value")
        else:
            values.update(values_in(block.content) if block.type == "execution" else literals(block.content))
    return values
