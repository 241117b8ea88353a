"""What sort of error a sampled continuation begins with: a slip, or something that teaches nothing about steps.

Not covered: whether the model recovers from it, which only roll-outs tell (``confirm``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox import Block, Solution
from sandbox.blocks import Step
from scdpo.corrupt.outputs import same_output, shows_failure
from scdpo.data.moves import first_move
from scdpo.data.records import PairRecord


def no_slip(chosen: Sequence[Block], rejected: Sequence[Block]) -> str | None:
    """Return why the rejected side of a pair is no slip of reasoning, or None if it may be one.

    Args:
        chosen: the blocks of the right side, after the shared steps.
        rejected: those of the wrong side.

    Returns:
        ``code_fails``: the first code of the rejected side that the chosen side does not have raises.
        ``misquotes_output``: both sides run the same code and see the same outputs; the wrong side then states
        another answer than the one it was shown.
        None otherwise. Chains of thought, which have no code, always give None.
    """
    ours, theirs = _code_steps(chosen), _code_steps(rejected)
    if not theirs:
        return None
    known = {step.content.strip() for step in ours}
    first_new = next((step for step in theirs if step.content.strip() not in known), None)
    if first_new is not None:
        return "code_fails" if shows_failure(output_of(first_new)) else None
    same = len(ours) == len(theirs) and all(map(_same_cell, ours, theirs))
    return "misquotes_output" if same else None


def sides(pair: PairRecord) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Return the blocks of a pair's chosen and rejected side."""
    chosen, rejected = (
        tuple(Block(b.type, b.content) for b in side) for side in (pair.chosen, pair.rejected)
    )
    return chosen, rejected


def with_same_output(pair: PairRecord) -> PairRecord:
    """Return a pair whose origin says whether its sides first differ in a cell that prints the same on both."""
    ours, theirs = (_first_cell(side) for side in sides(pair))
    same = ours is not None and theirs is not None and same_output(output_of(ours), output_of(theirs))
    return pair.model_copy(update={"origin": pair.origin.model_copy(update={"same_output": same})})


def _first_cell(blocks: Sequence[Block]) -> Step | None:
    """Return the code step of a side's first move, if it has one."""
    steps = Solution(tuple(blocks[: first_move(blocks)])).steps
    return next((step for step in steps if step.is_code), None)


def output_of(step: Step) -> str:
    """Return what a code step printed; empty where it did not run."""
    return step.blocks[1].content if len(step.blocks) > 1 else ""


def _code_steps(blocks: Sequence[Block]) -> list[Step]:
    return [step for step in Solution(tuple(blocks)).steps if step.is_code]


def _same_cell(one: Step, other: Step) -> bool:
    same_code = one.content.strip() == other.content.strip()
    return same_code and same_output(output_of(one), output_of(other))
