"""The verb ``verify_many``: pairs in order, those that take more than reading in worker processes.

It never raises on any text or number, holds no lock and uses no signal.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING

from verifier.check import Read, check_options, read, verdict_on
from verifier.extraction.extract import ABSENT
from verifier.extraction.golds import Gold
from verifier.given import Given, GivenGold, gold_text, prediction_text
from verifier.outcome import Comparison, unverifiable
from verifier.verdict import Rounding, Strength, Verdict
from verifier.workers.pool import WorkerError, ask

if TYPE_CHECKING:
    from sandbox.solution import Solution


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
    check_options(rounding, require)
    asked = [_Asked(prediction, gold, rounding, require) for prediction, gold in pairs]
    waiting = [one for one in asked if one.verdict is None]
    if waiting:
        shares = [waiting[i::workers] for i in range(min(workers, len(waiting)))]
        with ThreadPoolExecutor(len(shares)) as threads:
            list(threads.map(lambda share: _decide(share, seconds), shares))
    return [one.verdict or one.told(unverifiable("not decided")) for one in asked]


class _Asked:
    """One pair of ``verify_many``: decided at once, or with what a worker needs to decide it."""

    def __init__(
        self, prediction: Given | Solution, gold: GivenGold, rounding: Rounding, require: Strength
    ) -> None:
        self.start = perf_counter()
        self.rounding = rounding
        try:
            self.read = read(prediction_text(prediction), gold_text(gold), rounding, require)
        except TypeError as error:
            self.read = Read(Gold(None), ABSENT, unverifiable(str(error)))
        self.verdict = self.told(self.read.outcome) if self.read.outcome else None

    def told(self, outcome: Comparison) -> Verdict:
        return verdict_on(self.read, outcome, self.start)

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
