"""The records of a run: what a line of ``solutions.jsonl``, ``branches.jsonl`` and ``pairs.jsonl`` holds.

``datasets.load_dataset(RUN, "pairs")`` reads a run folder as it stands: every line of a file has the same fields, and
the folder's card (``scdpo.data.card``) says what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.blocks import Block, BlockType
from sandbox.solution import Solution
from verifier.parsing.plain_numbers import read_number

CONFIRMED_RATIO: Final = 1 / 3
"""An error begins with the first wrong move where the share of right roll-outs falls to this part of it or less.

Relative, since a fixed fall cannot show in places where the model is seldom right: its habits.
"""

IMPORTED: Final = "imported"
"""What stands for the engine of a solution that was not sampled here."""


class Record(BaseModel):
    """What all records have: an id unique in its file, and their version; another version is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: str


class BlockRecord(BaseModel):
    """A block as it stands in a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: BlockType
    content: str


class VerdictRecord(BaseModel):
    """Whether the final answer is right, and what it was taken to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["correct", "incorrect", "unverifiable"]
    answer: str | None
    reason: str


class SamplingRecord(BaseModel):
    """How a solution was sampled.

    ``temperatures`` has one entry a sampled step. ``tokens`` counts the sampled tokens. ``block_tokens`` holds,
    where the format has a mark for every block, the token ids of each block and, last, of the end of
    the message, so that training sees exactly what was sampled; otherwise it is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    model: str
    format: str
    seed: int
    temperatures: list[float]
    finish: str
    tokens: int
    block_tokens: list[list[int]]


class SolutionRecord(Record):
    """A sampled solution. ``dropped`` says why it may not enter a pair; empty where it may."""

    problem_id: str
    question: str
    gold: str
    blocks: list[BlockRecord]
    verdict: VerdictRecord
    clean: bool
    dropped: str
    sampling: SamplingRecord
    isolation: str

    @property
    def solution(self) -> Solution:
        """The solution itself."""
        return Solution(tuple(Block(b.type, b.content) for b in self.blocks))

    @property
    def preferred(self) -> bool:
        """Right, finished, and free of errors, apologies and repairs (paper, section 2)."""
        return not self.dropped and self.clean and self.verdict.status == "correct"

    @property
    def dispreferred(self) -> bool:
        """Finished, and the answer it states is wrong. One that cannot be read or verified is neither."""
        return (
            not self.dropped
            and self.verdict.status == "incorrect"
            and is_readable(self.verdict.answer, self.gold)
        )


def is_readable(answer: str | None, gold: str) -> bool:
    """Whether an answer can be the wrong one of a pair: where the gold is a number, words are no answer to it."""
    if answer is None:
        return False
    return read_number(gold) is None or "\\" in answer or any(c.isdigit() for c in answer)


class OriginRecord(BaseModel):
    """Where the two sides of a pair come from.

    ``mutation`` says what was changed (of a guided slip, the kind that was asked for), and ``plan`` how that agrees
    with the shared text (``kept``, ``departed``, ``miscopied`` or ``contradicted``, see ``docs/corruptors.md``); both
    are empty for sampled continuations. ``same_output`` says
    that the two sides first differ in a cell that prints the same on both, so that the slip may come later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chosen_id: str
    rejected_id: str
    corruptor: Literal["sampling", "temperature", "mutation", "first_pit", "guided"]
    mutation: str = ""
    plan: str = ""
    same_output: bool = False
    temperatures: list[float] = Field(default_factory=list)
    attempts: int = 1


class RateRecord(BaseModel):
    """How many roll-outs from one place there were, and how many of them ended in the right answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: int = 0
    tried: int = 0


class ConfirmationRecord(BaseModel):
    """Whether the error begins where the branch does: roll-outs at temperature 1 from two places.

    ``before`` starts from the shared steps, ``after`` from the shared steps and the first move of the rejected
    side: its first step, and where that is a text, the code that it announces too. Nothing was tried where a pair
    was made without roll-outs, or that move's code gave another output when it was run again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: RateRecord = RateRecord()
    after: RateRecord = RateRecord()

    @property
    def drop(self) -> float | None:
        """By how much the share of right roll-outs falls across the first wrong move, -1 to 1; None if not tried."""
        if not self.before.tried or not self.after.tried:
            return None
        return self.before.right / self.before.tried - self.after.right / self.after.tried

    @property
    def confirmed(self) -> bool | None:
        """Whether the share falls to ``CONFIRMED_RATIO`` of what it was, or less; None if not tried.

        A place from which no roll-out is right can confirm nothing.
        """
        if not self.before.tried or not self.after.tried:
            return None
        before, after = self.before.right * self.after.tried, self.after.right * self.before.tried
        return before > 0 and after <= CONFIRMED_RATIO * before


class PairRecord(Record):
    """A preference pair: after ``question`` and ``prefix``, ``chosen`` is right and ``rejected`` wrong.

    ``prefix_tokens``, ``chosen_tokens`` and ``rejected_tokens`` hold the sampled token ids of each block (and
    of the end of the message), empty where they are not known; ``branch_step`` is the last shared step.
    """

    problem_id: str
    kind: Literal["naive", "step_controlled"]
    branch_step: int | None
    question: str
    gold: str
    format: str
    prefix: list[BlockRecord]
    chosen: list[BlockRecord]
    rejected: list[BlockRecord]
    chosen_answer: str | None
    rejected_answer: str | None
    prefix_tokens: list[list[int]]
    chosen_tokens: list[list[int]]
    rejected_tokens: list[list[int]]
    origin: OriginRecord
    confirmation: ConfirmationRecord = ConfirmationRecord()


class ValueRecord(Record):
    """How often roll-outs from one place in a solution end right: the value of the place.

    ``step`` is the last step that was given, -1 for none; ``right`` and ``tried`` count roll-outs at temperature 1,
    ``tokens`` what was sampled for them. ``solution_right`` says whether the solution itself ended right.
    """

    solution_id: str
    problem_id: str
    step: int
    right: int
    tried: int
    tokens: int
    solution_right: bool


class RolloutRecord(Record):
    """Roll-outs of a pair that was made without them, or with fewer; its id is the pair's.

    It stands in ``rollouts.jsonl`` until the job that makes it has ended, and then in the pair.
    """

    confirmation: ConfirmationRecord
    tokens: int


class DropRecord(BaseModel):
    """How many attempts were not kept for one reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    count: int


class BranchRecord(Record):
    """What came of trying to go wrong after one step: how many attempts, and why they were not kept.

    ``tokens`` counts the sampled tokens, those of the roll-outs that confirm pairs included.
    """

    problem_id: str
    chosen_id: str
    branch_step: int
    corruptor: Literal["temperature", "mutation", "first_pit", "guided"]
    attempts: int
    kept: int
    dropped: list[DropRecord]
    tokens: int


def block_records(blocks: Sequence[Block]) -> list[BlockRecord]:
    """Return blocks as records."""
    return [BlockRecord(type=b.type, content=b.content) for b in blocks]
