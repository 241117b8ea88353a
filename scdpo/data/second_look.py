r"""A stricter second look at a side that is to be rejected: no reading of its end may be the right answer.

Verification reads one answer, and a wrong reading of a right solution would teach the model to avoid it. So every box
of the last text, its last sentence alone, the answer rounded, and the answer as a percentage are compared with the gold
too. Not covered: values that stand elsewhere in the text; a wrong solution may well name the right number on its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Final

from sandbox import Block, Solution
from scdpo.data.filters import drop_reason
from verifier import SolutionVerdict, verify
from verifier.extraction.boxes import closing_brace
from verifier.extraction.lines import sentences_from_the_end
from verifier.parsing.plain_numbers import read_number

_BOX: Final = re.compile(r"\\boxed\s*\{")
# In "25% of 80" and "what percent"; not in "percentage-free", which no problem says.
_PERCENT: Final = re.compile(r"%|\bpercent", re.IGNORECASE)
MOST_READINGS: Final = 16
"""Boxes looked at, from the last on."""


def no_side(solution: Solution, verdict: SolutionVerdict, gold: str, question: str, format: str) -> str:
    """Return why a whole solution may stand on no side of a pair, empty if it may.

    Args:
        solution: finished.
        verdict: on it; one that is right is not looked at again.
        gold: the right answer.
        question: the problem.
        format: the name of the format that it is written in.
    """
    reason = drop_reason(solution.blocks, format)
    if reason is None and verdict.status == "incorrect" and verdict.prediction is not None:
        other = right_in_a_reading(solution.blocks, verdict.prediction, gold, question)
        reason = None if other is None else "right_in_a_reading"
    return reason or ""


def right_in_a_reading(blocks: Sequence[Block], answer: str, gold: str, question: str = "") -> str | None:
    """Return the reading of a continuation's end that is the right answer, or None.

    Args:
        blocks: of the continuation that is to be rejected.
        answer: the wrong one that verification read in it.
        gold: the right answer.
        question: the problem; tells whether a percentage is meant.
    """
    last = next((block.content for block in reversed(blocks) if block.type == "text"), "")
    if verify(answer, gold, rounding="sigfigs").correct:
        return answer
    percent = any(_PERCENT.search(text) for text in (question, gold, last))
    others = [
        *_boxes(last),
        *islice(sentences_from_the_end(last), 1),
        *(_as_percentage(answer) if percent else ()),
    ]
    return next((other for other in others if verify(other, gold).correct), None)


def _boxes(text: str) -> Iterator[str]:
    for match in list(_BOX.finditer(text))[-MOST_READINGS:]:
        end = closing_brace(text, match.end())
        if end is not None:
            yield text[match.end() : end]


def _as_percentage(answer: str) -> Iterator[str]:
    """Yield a plain number a hundred times as large and as small."""
    number = read_number(answer)
    if number is not None and number.bottom:
        value = Fraction(number.top, number.bottom)
        yield from (str(value * 100), str(value / 100))
