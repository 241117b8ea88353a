"""``verify`` as callers of Math-Verify know it."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.many import verify_many

DEFAULT_SECONDS = 5.0


def verify(
    gold: str | Sequence[str],
    target: str | Sequence[str],
    float_rounding: int = 6,
    numeric_precision: int = 15,
    strict: bool = True,
    allow_set_relation_comp: bool = False,
    timeout_seconds: float | None = DEFAULT_SECONDS,
    raise_on_error: bool = False,
) -> bool:
    """Whether an answer in ``target`` equals one in ``gold``.

    Args:
        gold: what ``parse`` returned, or bare answers.
        target: the same; which of the two is the gold answer does not matter.
        float_rounding: no effect: see the known differences of this package.
        numeric_precision: no effect.
        strict: no effect.
        allow_set_relation_comp: no effect.
        timeout_seconds: processor time for each pair; None and 0 stand for 5 s: a limit costs nothing here, and works
            in every thread.
        raise_on_error: no effect: nothing is raised.
    """
    pairs = [(_boxed(answer), wanted) for wanted in _listed(gold) for answer in _listed(target)]
    return any(v.correct for v in verify_many(pairs, seconds=timeout_seconds or DEFAULT_SECONDS))


def _listed(answers: str | Sequence[str]) -> list[str]:
    return [answers] if isinstance(answers, str) else list(answers)


def _boxed(answer: str) -> str:
    """Mark an extracted answer as one, so that no other answer is looked for in it."""
    return f"\\boxed{{{answer}}}" if answer.count("{") == answer.count("}") else answer
