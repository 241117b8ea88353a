"""What sort of error a sampled continuation begins with: a slip, or something that teaches nothing about steps.

Not covered: whether the model recovers from it, which only roll-outs tell (``confirm``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from sandbox import Block, Solution
from sandbox.blocks import Step
from scdpo.corrupt.outputs import same_output, shows_failure
from scdpo.corrupt.rewriting.changes import values_in
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions
from scdpo.data.moves import first_move
from scdpo.data.records import PairRecord
from verifier import extract_answer
from verifier.extraction.lines import sentence_of
from verifier.parsing.plain_numbers import read_number


def no_slip(
    chosen: Sequence[Block], rejected: Sequence[Block], prefix: Sequence[Block] = (), question: str = ""
) -> str | None:
    """Return why the rejected side of a pair is no slip of reasoning, or None if it may be one.

    Args:
        chosen: the blocks of the right side, after the shared steps.
        rejected: those of the wrong side.
        prefix: the shared blocks.
        question: the problem.

    Returns:
        ``code_fails``: code of the rejected side that the chosen side does not have raises.
        ``misquotes_output``: both sides saw the same outputs in the end, of the same code or with the right answer
        in the last of them; the wrong side then states another answer than the one it was shown. Or a text of the
        wrong side tells another number than the cell before it printed.
        None otherwise. Chains of thought, which have no code, always give None.
    """
    ours, theirs = _code_steps(chosen), _code_steps(rejected)
    known = {step.content.strip() for step in ours}
    new = [step for step in theirs if step.content.strip() not in known]
    if any(shows_failure(output_of(step)) for step in new):
        return "code_fails"
    if tells_another_output(rejected, question):
        return "misquotes_output"
    if len(ours) != len(theirs) or not all(map(_same_output, ours, theirs)):
        return None
    outputs = [output_of(step) for step in (*_code_steps(prefix), *ours)]
    same_code = bool(ours) and not new
    return "misquotes_output" if same_code or (outputs and _quotes(chosen, outputs[-1])) else None


def _quotes(blocks: Sequence[Block], output: str) -> bool:
    """Whether the answer that a side states is in an output, as it stands or as a number."""
    answer = extract_answer(Solution(tuple(blocks))) or ""
    number = read_number(answer)
    if number is None or not number.bottom:
        return bool(answer) and answer in output
    return Fraction(number.top, number.bottom) in values_in(output)


def tells_another_output(blocks: Sequence[Block], question: str) -> bool:
    """Whether a text's first sentence has one number, and the cell right before it printed one that is another.

    "We get 301" after an output of 404 is found, and "The answer is 226" after 142. "The 3 boys have 404" is left
    alone, and "So 3 each" where the question speaks of 3; so are "So 10 buses" after 9.6, "35 %" after 0.35, "They
    lose 256" after -256, and "Half of it is 71, so 71 + 5 = 76", which works something out.

    Args:
        blocks: of a side.
        question: the problem, whose numbers a text may tell.
    """
    known = {abs(mention.value) for mention in find_mentions(question)}
    for cell, block in itertools.pairwise(blocks):
        shown = [abs(value) for value in values_in(cell.content)] if cell.type == "execution" else []
        if block.type != "text" or len(shown) != 1:
            continue
        told = {abs(mention.value) for mention in find_mentions(sentence_of(block.content))}
        if len(told) == 1 and not any(
            one in known or abs(one - shown[0]) < 1 or one == 100 * shown[0] for one in told
        ):
            return True
    return False


def sides(pair: PairRecord) -> tuple[tuple[Block, ...], tuple[Block, ...], tuple[Block, ...]]:
    """Return the blocks of a pair's chosen and rejected side, and of its prefix."""
    chosen, rejected, prefix = (
        tuple(Block(b.type, b.content) for b in side) for side in (pair.chosen, pair.rejected, pair.prefix)
    )
    return chosen, rejected, prefix


def with_same_output(pair: PairRecord) -> PairRecord:
    """Return a pair whose origin says whether its sides first differ in a cell that prints the same on both."""
    ours, theirs = (_first_cell(side) for side in sides(pair)[:2])
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


def _same_output(one: Step, other: Step) -> bool:
    return same_output(output_of(one), output_of(other))
