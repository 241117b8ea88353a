"""Verify again what was evaluated before, by whatever program, and compare two such logs problem by problem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from eval.metrics import Paired, compare
from scdpo.errors import SettingsError
from verifier import Verdict, verify_many
from verifier.files.item import Item
from verifier.verdict import Rounding, Strength

BATCH = 512  # items between two steps of the progress bar; workers wait for the slowest of each


@dataclass(frozen=True, slots=True)
class Rescored:
    """An item, and the verdict on it now."""

    item: Item
    verdict: Verdict

    @property
    def change(self) -> str | None:
        """What differs from the score that the file holds: ``now right``, ``now wrong`` or ``now open``, or None.

        An answer that was recorded as wrong and cannot be verified now has not changed: nobody said that it is right.
        """
        if self.item.label is None or self.item.label == self.verdict.correct:
            return None
        if self.verdict.correct:
            return "now right"
        return "now open" if self.verdict.status == "unverifiable" else "now wrong"


Score = Callable[[Rescored], bool | None]


def rescore(
    items: Sequence[Item], *, workers: int, seconds: float, rounding: Rounding, require: Strength
) -> Iterator[Rescored]:
    """Yield the items in order, each with its verdict; options as for ``verifier.verify_many``."""
    for first in range(0, len(items), BATCH):
        batch = items[first : first + BATCH]
        pairs = [(item.prediction, item.gold) for item in batch]
        verdicts = verify_many(pairs, workers=workers, seconds=seconds, rounding=rounding, require=require)
        yield from map(Rescored, batch, verdicts)


def verified(one: Rescored) -> bool:
    """Score an item by its verdict."""
    return one.verdict.correct


def recorded(one: Rescored) -> bool | None:
    """Score an item as its file does; None where that says nothing."""
    return one.item.label


def scores(results: Iterable[Rescored], score: Score) -> dict[str, float]:
    """Return problem -> share of its samples that are right, in [0, 1]; what has no score is left out.

    Of a sample that stands in the file under several of lm-eval's filters, the first score counts.
    """
    samples: dict[str, dict[str, bool]] = defaultdict(dict)
    for one in results:
        if (right := score(one)) is not None:
            samples[_problem(one.item)].setdefault(one.item.sample or one.item.id, right)
    return {problem: fmean(found.values()) for problem, found in samples.items()}


def paired(first: Sequence[Rescored], second: Sequence[Rescored], score: Score) -> Paired:
    """Test whether two logs of the same problems differ (see ``eval.metrics.compare``).

    Problems that have not the same gold answer in both are none of both.

    Raises:
        SettingsError: if the two have no problem in common.
    """
    golds = {_problem(one.item): one.item.gold for one in first}
    other = {_problem(one.item): one.item.gold for one in second}
    changed = {problem for problem in golds.keys() & other.keys() if golds[problem] != other[problem]}
    one, two = (
        {problem: value for problem, value in scores(log, score).items() if problem not in changed}
        for log in (first, second)
    )
    if one.keys().isdisjoint(two):
        raise SettingsError("the two logs have no problem in common: the same id with the same gold answer")
    return compare(one, two)


def _problem(item: Item) -> str:
    return item.problem or item.id
