"""The answer in a sentence: how the two models that matter differ, and whether so many problems can tell.

The two are SCDPO and DPO on as much data, the paper's question, where a run holds both; otherwise the last model and
the first. Not covered: the chance in sampling and training, which only several seeds show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.compare import paired_test
from eval.metrics import Paired, p_words
from eval.results import Evaluation

SCDPO, DATA_EQUAL = "SCDPO", "DPO, data-equal"


def headlines(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return a sentence for each benchmark that two finished models have problems of in common."""
    found = []
    for benchmark in dict.fromkeys(e.benchmark for e in evaluations):
        models = {e.model: e for e in evaluations if e.benchmark == benchmark and e.accuracy is not None}
        if len(models) < 2:
            continue
        names = (
            (DATA_EQUAL, SCDPO)
            if {SCDPO, DATA_EQUAL} <= models.keys()
            else (next(iter(models)), [*models][-1])
        )
        first, second = (models[name] for name in names)
        paired = paired_test(first, second)
        if paired is not None:
            found.append(f"{benchmark}: {_sentence(first, second, paired)}")
    return found


def _sentence(first: Evaluation, second: Evaluation, paired: Paired) -> str:
    assert first.accuracy is not None
    assert second.accuracy is not None
    low, high = 100 * paired.interval.low, 100 * paired.interval.high
    sides = (
        f"{second.model} solves {100 * second.accuracy.value:.1f} %, {first.model} {100 * first.accuracy.value:.1f} %; "
        f"the difference is {100 * paired.difference:+.1f} points [{low:+.1f}, {high:+.1f}] "
        f"({p_words(paired.p_value)}). "
    )
    if low > 0 or high < 0:
        return sides + f"On these {paired.problems} problems, one seed, that is more than chance."
    return sides + (
        f"{paired.problems} problems cannot tell the two apart: that takes a difference of about "
        f"{math.ceil((high - low) / 2)} points or more."
    )
