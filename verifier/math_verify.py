r"""``parse`` and ``verify`` as callers of Math-Verify know them, answered by this verifier.

Change ``from math_verify import parse, verify`` to ``from verifier.math_verify import parse, verify``. The gold
answer still comes first, and ``verify`` still returns a bool; but the order does not change the result, bare LaTeX
golds need no dollars, and no call needs the main thread. Options of Math-Verify that steer its extraction, its
rounding and its alarm have no counterpart here: calls that give them must drop them.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.check import verify_many
from verifier.extraction.extract import extract_answer

SECONDS = 5.0


def parse(pred: str) -> list[str]:
    """Return the final answer that ``pred`` states, as a list of one, or an empty list."""
    answer = extract_answer(pred)
    return [] if answer is None else [answer]


def verify(gold: str | Sequence[str], target: str | Sequence[str]) -> bool:
    """Whether an answer in ``target`` equals one in ``gold``; both as ``parse`` returns them, or bare."""
    golds = [gold] if isinstance(gold, str) else list(gold)
    targets = [target] if isinstance(target, str) else list(target)
    pairs = [(_boxed(t), g) for g in golds for t in targets]
    return any(v.correct for v in verify_many(pairs, seconds=SECONDS))


def _boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}" if answer.count("{") == answer.count("}") else answer
