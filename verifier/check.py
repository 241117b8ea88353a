"""The verbs: ``verify`` one answer, ``verify_many`` in order.

Both return verdicts and never raise on any text or number. They hold no lock and use no signal, so they work from any
thread, event loop or worker process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

from verifier.comparison.equal import compare_answers, compare_numbers, compare_quickly
from verifier.extraction.extract import extract
from verifier.given import Given, gold_text, prediction_text
from verifier.outcome import Outcome, correct, incorrect, unverifiable
from verifier.parsing.choices import is_choice
from verifier.parsing.plain_numbers import Plain, read_number
from verifier.verdict import ROUNDINGS, Rounding, Verdict
from verifier.workers.pool import WorkerError, ask

if TYPE_CHECKING:
    from sandbox.solution import Solution


def verify(prediction: Given | Solution, gold: Given, *, rounding: Rounding = "exact") -> Verdict:
    r"""Say whether the final answer of ``prediction`` equals ``gold``.

    Args:
        prediction: a solution (see ``extract_answer``) or a bare answer, as text or as a number. None and NaN state no
            answer.
        gold: the gold answer, bare (``2\sqrt{3}``), wrapped (``$2\sqrt{3}$``) or as a worked solution; a number will
            do. None and NaN are no gold answer: the verdict is ``unverifiable``.
        rounding: ``exact`` (default): a rounded decimal is not the exact value, but a decimal of 12 digits or
            more that agrees to all but its last digit is taken for a printed float. ``sigfigs``: a decimal of
            three digits or more that is the other answer rounded is right too.

    Raises:
        TypeError: if the prediction or the gold answer is of another type.
        ValueError: if ``rounding`` is not one of these two.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding {rounding!r} is not one of {', '.join(ROUNDINGS)}")
    start = perf_counter()
    wanted, answer, outcome = _quick(prediction_text(prediction), gold_text(gold), rounding)
    if outcome is None:
        outcome = compare_answers(answer or "", wanted or "", rounding)
    return Verdict(outcome.status, outcome.reason, answer, wanted, perf_counter() - start)


def verify_many(
    pairs: Iterable[tuple[Given | Solution, Given]],
    *,
    workers: int = 2,
    seconds: float = 5.0,
    rounding: Rounding = "exact",
) -> list[Verdict]:
    """Verify ``(prediction, gold)`` pairs; the verdicts come in their order.

    Plain numbers and answers written the same are decided at once; the rest goes to worker processes, so that a
    pair that takes too long or too much memory is ended without costing the others.

    Args:
        pairs: what ``verify`` takes, two by two. A pair that holds a value of another type is ``unverifiable``, and
            the reason says why.
        workers: worker processes to use at the same time, at least 1. All calls in this process share one pool of
            them, which has no more than one for each processor.
        seconds: processor time that each pair may take; one that takes longer is ``unverifiable``. Waiting for a
            worker does not count, so verdicts depend neither on the machine's load nor on ``workers``.
        rounding: as for ``verify``.

    Raises:
        ValueError: if ``workers`` or ``seconds`` is not positive, or ``rounding`` is unknown.
    """
    if workers < 1 or seconds <= 0 or rounding not in ROUNDINGS:
        raise ValueError("workers and seconds must be positive, and rounding one of " + ", ".join(ROUNDINGS))
    asked = [_Asked(prediction, gold, rounding) for prediction, gold in pairs]
    waiting = [one for one in asked if one.verdict is None]
    if waiting:
        shares = [waiting[i::workers] for i in range(min(workers, len(waiting)))]
        with ThreadPoolExecutor(len(shares)) as threads:
            list(threads.map(lambda share: _decide(share, seconds), shares))
    return [one.verdict or Verdict("unverifiable", "not decided", one.answer, one.gold) for one in asked]


class _Asked:
    """One pair of ``verify_many``: decided at once, or with what a worker needs to decide it."""

    def __init__(self, prediction: Given | Solution, gold: Given, rounding: Rounding) -> None:
        self.start = perf_counter()
        self.rounding = rounding
        self.gold: str | None
        self.answer: str | None
        outcome: Outcome | None
        try:
            self.gold, self.answer, outcome = _quick(prediction_text(prediction), gold_text(gold), rounding)
        except TypeError as error:
            self.gold, self.answer, outcome = None, None, unverifiable(str(error))
        self.verdict = self._verdict(outcome) if outcome else None

    def _verdict(self, outcome: Outcome) -> Verdict:
        return Verdict(outcome.status, outcome.reason, self.answer, self.gold, perf_counter() - self.start)

    def decide(self, seconds: float) -> None:
        self.start = perf_counter()
        request = {"op": "compare", "a": self.answer, "b": self.gold, "rounding": self.rounding}
        try:
            reply = ask(request, seconds)
            outcome = Outcome(reply["status"], reply["reason"])
        except WorkerError as error:
            outcome = unverifiable(str(error))
        except KeyError:
            outcome = unverifiable("the comparison failed in its worker")
        self.verdict = self._verdict(outcome)


def _decide(share: list[_Asked], seconds: float) -> None:
    for one in share:
        one.decide(seconds)


def _quick(
    prediction: str | Solution, gold: str, rounding: Rounding
) -> tuple[str | None, str | None, Outcome | None]:
    """Return the gold, the extracted answer, and the outcome where it takes no more than reading them."""
    wanted, number, choice = _read_gold(gold)
    if wanted is None:
        return None, None, unverifiable("the gold answer is empty")
    if number is None and isinstance(prediction, str) and prediction.strip() == gold.strip():
        return wanted, wanted, correct("written the same")
    found = extract(prediction, "choice" if choice else "any")
    if found is None:
        return wanted, None, incorrect("no final answer is stated")
    if number is not None:
        if found.answer == wanted:
            return wanted, wanted, correct(f"both are {number}")
        if (answer := read_number(found.answer)) is not None:
            return wanted, found.answer, compare_numbers(answer, number, rounding)
    return wanted, found.answer, compare_quickly(found.answer, wanted, rounding)


_PHRASE = re.compile(
    r"(?!.* (?:is|are) )\d[\w ,%-]{1,60}", re.ASCII
)  # 5 boys and 3 girls: no sentence to look for an answer in


@lru_cache(maxsize=4096)
def _read_gold(gold: str) -> tuple[str | None, Plain | None, bool]:
    """Return the bare gold answer, its value if it is a plain number, and whether it is the letter of a choice."""
    number = read_number(gold)
    if number is not None:
        return gold, number, False
    if not gold.strip():
        return None, None, False
    found = None if _PHRASE.fullmatch(gold.strip()) else extract(gold)
    wanted = found.answer if found else gold.strip()
    return wanted, read_number(wanted), is_choice(wanted)
