"""The verbs: ``verify`` one answer, ``verify_many`` in order.

Both return verdicts and never raise on any text or number. They hold no lock and use no signal, so they work from any
thread, event loop or worker process.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.comparison.equal import compare_answers, compare_numbers, compare_quickly
from verifier.extraction.extract import ABSENT, Extraction, extract
from verifier.extraction.golds import Gold, read_gold
from verifier.extraction.statement import SEVERAL, SUPPOSED
from verifier.given import Given, GivenGold, gold_text, prediction_text
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.plain_numbers import read_number
from verifier.verdict import ROUNDINGS, STRENGTHS, Rounding, Strength, Verdict, suffices
from verifier.workers.pool import WorkerError, ask

if TYPE_CHECKING:
    from sandbox.solution import Solution


def verify(
    prediction: Given | Solution, gold: GivenGold, *, rounding: Rounding = "exact", require: Strength = "weak"
) -> Verdict:
    r"""Say whether the final answer of ``prediction`` equals ``gold``.

    Args:
        prediction: a solution (see ``extract_answer``) or a bare answer, as text or as a number. None and NaN state no
            answer.
        gold: the gold answer, bare (``2\sqrt{3}``) or wrapped (``$2\sqrt{3}$``); a worked solution where a box or
            ``####`` says which answer is meant; a number; or a list of these, any of which will do. None and NaN
            are no gold: the verdict is ``unverifiable``.
        rounding: ``exact`` (default): a rounded decimal is not the exact value, but a decimal of 12 digits or
            more that agrees to all but its last digit is taken for a printed float. ``sigfigs``: a decimal of
            three digits or more that is the other answer rounded is right too.
        require: how strongly the answer must be stated: ``boxed`` (in a box or between answer tags), ``stated`` (also
            by an answer phrase, or alone on the last line), ``weak`` (default: also in a sentence). A weaker one is
            ``unverifiable``; none at all is ``incorrect``.

    Raises:
        TypeError: if ``prediction`` or ``gold`` is of another type.
        ValueError: if ``rounding`` or ``require`` is not one of these.
    """
    _check_options(rounding, require)
    start = perf_counter()
    asked = _quick(prediction_text(prediction), gold_text(gold), rounding, require)
    outcome = asked.outcome or compare_answers(asked.found.answer or "", asked.gold.answer or "", rounding)
    return _verdict(asked, outcome, start)


def verify_many(
    pairs: Iterable[tuple[Given | Solution, GivenGold]],
    *,
    workers: int = 2,
    seconds: float = 5.0,
    rounding: Rounding = "exact",
    require: Strength = "weak",
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
        require: as for ``verify``.

    Raises:
        ValueError: if ``workers`` or ``seconds`` is not positive, or ``rounding`` or ``require`` is unknown.
    """
    if workers < 1 or seconds <= 0:
        raise ValueError("workers and seconds must be positive")
    _check_options(rounding, require)
    asked = [_Asked(prediction, gold, rounding, require) for prediction, gold in pairs]
    waiting = [one for one in asked if one.verdict is None]
    if waiting:
        shares = [waiting[i::workers] for i in range(min(workers, len(waiting)))]
        with ThreadPoolExecutor(len(shares)) as threads:
            list(threads.map(lambda share: _decide(share, seconds), shares))
    return [one.verdict or one.told(unverifiable("not decided")) for one in asked]


def _check_options(rounding: Rounding, require: Strength) -> None:
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding {rounding!r} is not one of {', '.join(ROUNDINGS)}")
    if require not in STRENGTHS:
        raise ValueError(f"require {require!r} is not one of {', '.join(STRENGTHS)}")


class _Asked:
    """One pair of ``verify_many``: decided at once, or with what a worker needs to decide it."""

    def __init__(
        self, prediction: Given | Solution, gold: GivenGold, rounding: Rounding, require: Strength
    ) -> None:
        self.start = perf_counter()
        self.rounding = rounding
        try:
            self.read = _quick(prediction_text(prediction), gold_text(gold), rounding, require)
        except TypeError as error:
            self.read = _Read(Gold(None), ABSENT, unverifiable(str(error)))
        self.verdict = self.told(self.read.outcome) if self.read.outcome else None

    def told(self, outcome: Comparison) -> Verdict:
        return _verdict(self.read, outcome, self.start)

    def decide(self, seconds: float) -> None:
        self.start = perf_counter()
        request = {
            "op": "compare", "a": self.read.found.answer, "b": self.read.gold.answer, "rounding": self.rounding,
        }  # fmt: skip
        try:
            reply = ask(request, seconds)
            outcome = Comparison(reply["status"], reply["reason"])
        except WorkerError as error:
            outcome = unverifiable(str(error))
        except KeyError:
            outcome = unverifiable("the comparison failed in its worker")
        self.verdict = self.told(outcome)


def _decide(share: list[_Asked], seconds: float) -> None:
    for one in share:
        one.decide(seconds)


class _Read(NamedTuple):
    """A pair as it was read, and the outcome where it takes no more than reading it."""

    gold: Gold
    found: Extraction
    outcome: Comparison | None


def _verdict(read: _Read, outcome: Comparison, start: float) -> Verdict:
    found = read.found
    return Verdict(
        outcome.status, outcome.reason, found.answer, read.gold.answer, perf_counter() - start, found.strength
    )


def _quick(prediction: str | Solution, gold: str, rounding: Rounding, require: Strength) -> _Read:
    """Read the pair, and decide it where that takes no more."""
    wanted = read_gold(gold)
    if wanted.answer is None:
        return _Read(wanted, ABSENT, unverifiable(wanted.why))
    if (
        wanted.number is None
        and require == "weak"
        and isinstance(prediction, str)
        and prediction.strip() == gold.strip()
    ):
        return _Read(wanted, Extraction(wanted.answer, "bare", "stated"), correct("written the same"))
    found = extract(prediction, "choice" if wanted.choice else "any")
    if found.answer is None:
        return _Read(wanted, found, _without_answer(found))
    if found.strength is not None and not suffices(found.strength, require):
        return _Read(
            wanted,
            found,
            unverifiable(f"the answer is {found.strength} ({found.source}); {require} is required"),
        )
    if wanted.number is not None:
        if found.answer == wanted.answer:
            return _Read(wanted, found, correct(f"both are {wanted.number}"))
        if (answer := read_number(found.answer)) is not None:
            return _Read(wanted, found, compare_numbers(answer, wanted.number, rounding))
    return _Read(wanted, found, compare_quickly(found.answer, wanted.answer, rounding))


def _without_answer(found: Extraction) -> Comparison:
    if found.source == SEVERAL.why:
        return unverifiable(f"the last statement holds {SEVERAL.why}")
    if found.source == SUPPOSED.why:
        return unverifiable(SUPPOSED.why)
    return incorrect("no final answer is stated" if found.source == "none" else found.source)
