"""The verbs: ``verify`` one answer, ``verify_many`` in order.

Both return verdicts and never raise on any text. They hold no lock and use no signal, so they work from any
thread, event loop or worker process.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from time import perf_counter

from sandbox.solution import Solution
from verifier.equal import compare_answers, is_choice
from verifier.extract import extract
from verifier.verdict import ROUNDINGS, Rounding, Verdict


def verify(prediction: str | Solution, gold: str, *, rounding: Rounding = "exact") -> Verdict:
    r"""Say whether the final answer of ``prediction`` equals ``gold``.

    Args:
        prediction: a solution (see ``extract_answer``) or a bare answer.
        gold: the gold answer, bare (``2\sqrt{3}``), wrapped (``$2\sqrt{3}$``) or as a worked solution.
        rounding: ``exact`` (default): a rounded decimal is not the exact value, but a decimal of 12 digits or
            more that agrees to all but its last digit is taken for a printed float. ``sigfigs``: a decimal of
            three digits or more that is the other answer rounded is right too.

    Raises:
        ValueError: if ``rounding`` is not one of these two.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding {rounding!r} is not one of {', '.join(ROUNDINGS)}")
    start = perf_counter()
    wanted = read_gold(gold)
    if wanted is None:
        return Verdict("unverifiable", "the gold answer is empty", None, None, perf_counter() - start)
    if isinstance(prediction, str) and prediction.strip() == gold.strip():
        return Verdict("correct", "written the same", wanted, wanted, perf_counter() - start)
    found = extract(prediction, "choice" if is_choice(wanted) else "any")
    if found is None:
        return Verdict("incorrect", "no final answer is stated", None, wanted, perf_counter() - start)
    outcome = compare_answers(found.answer, wanted, rounding)
    return Verdict(outcome.status, outcome.reason, found.answer, wanted, perf_counter() - start)


def verify_many(
    pairs: Iterable[tuple[str | Solution, str]],
    *,
    workers: int = 2,
    seconds: float = 5.0,
    rounding: Rounding = "exact",
) -> list[Verdict]:
    """Verify ``(prediction, gold)`` pairs; the verdicts come in their order.

    Args:
        pairs: what ``verify`` takes, two by two.
        workers: processes to use.
        seconds: hard limit for each pair; one that takes longer is ``unverifiable`` and costs no other.
        rounding: as for ``verify``.
    """
    return [verify(prediction, gold, rounding=rounding) for prediction, gold in pairs]


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> str | None:
    """Return the bare gold answer, out of its wrapping or its worked solution; None if it is empty."""
    if not gold.strip():
        return None
    found = extract(gold)
    return found.answer if found else gold.strip()
