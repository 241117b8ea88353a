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
from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions
from scdpo.data.moves import first_move
from scdpo.data.records import PairRecord
from verifier import extract_answer
from verifier.parsing.plain_numbers import read_number


def no_slip(chosen: Sequence[Block], rejected: Sequence[Block], prefix: Sequence[Block] = ()) -> str | None:
    """Return why the rejected side of a pair is no slip of reasoning, or None if it may be one.

    Args:
        chosen: the blocks of the right side, after the shared steps.
        rejected: those of the wrong side.
        prefix: the shared blocks.

    Returns:
        ``code_fails``: the first code of the rejected side that the chosen side does not have raises.
        ``misquotes_output``: both sides saw the same outputs in the end, of the same code or with the right answer
        in the last of them; the wrong side then states another answer than the one it was shown. Or the right side's
        answer is its last output, and the wrong side's last text has one number alone, which its own last cell did
        not print.
        None otherwise. Chains of thought, which have no code, always give None.
    """
    ours, theirs = _code_steps(chosen), _code_steps(rejected)
    known = {step.content.strip() for step in ours}
    first_new = next((step for step in theirs if step.content.strip() not in known), None)
    if first_new is not None and shows_failure(output_of(first_new)):
        return "code_fails"
    outputs = [output_of(step) for step in (*_code_steps(prefix), *ours)]
    quoted = bool(outputs) and _quotes(chosen, outputs[-1])
    if quoted and _ends_in_another_number(rejected):
        return "misquotes_output"
    if len(ours) != len(theirs) or not all(map(_same_output, ours, theirs)):
        return None
    same_code = bool(ours) and first_new is None
    return "misquotes_output" if same_code or quoted else None


def _quotes(blocks: Sequence[Block], output: str) -> bool:
    """Whether the answer that a side states is in an output, as it stands or as a number."""
    answer = extract_answer(Solution(tuple(blocks))) or ""
    number = read_number(answer)
    if number is None or not number.bottom:
        return bool(answer) and answer in output
    return Fraction(number.top, number.bottom) in values_in(output)


def _ends_in_another_number(blocks: Sequence[Block]) -> bool:
    """Whether a last text has one number, and the cell right before it printed one that is another.

    "The answer is 226" after an output of 142 is found; "So 10 buses" after 9.6 is not, nor "35 %" after 0.35, nor
    "Half of it is 71, so 71 + 5 = 76", which works something out.
    """
    cell, text = blocks[-2:] if len(blocks) > 1 else (None, None)
    if cell is None or text is None or cell.type != "execution" or text.type != "text":
        return False
    shown = [abs(value) for value in values_in(cell.content)]  # "lost 256" is what -256 says
    stated = {abs(mention.value) for mention in find_mentions(text.content)}
    if len(shown) != 1 or len(stated) != 1:
        return False
    (told,) = stated
    return abs(told - shown[0]) >= 1 and told != 100 * shown[0]


def tells_another_output(blocks: Sequence[Block], question: str) -> bool:
    """Whether a text begins with another number than the one that the cell right before it printed.

    "We get 301" after an output of 404 is found; "The 3 boys have 404" is not where the question speaks of 3, nor
    "So 0.33" after 0.3333. Only cells that print one number are looked at.

    Args:
        blocks: of a side.
        question: the problem, whose numbers a text may begin with.
    """
    stated = {mention.value for mention in find_mentions(question)}
    for cell, block in itertools.pairwise(blocks):
        values = values_in(cell.content) if cell.type == "execution" else []
        if block.type != "text" or len(values) != 1:
            continue
        first = next((mention for mention in find_mentions(block.content) if mention.role == "value"), None)
        if first is not None and first.value not in stated and abs(first.value - values[0]) >= _step(first):
            return True
    return False


def _step(mention: Mention) -> Fraction:
    """Return by how much a number that is written so may differ from the exact one."""
    return Fraction(1, 10**mention.places)


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
