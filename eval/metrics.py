r"""Accuracy, pass@k and maj@k with intervals, and paired tests between two models.

The unit that is resampled and tested is the *problem*: several samples of one problem depend on each
other, so they enter as that problem's mean. Everything here is exact or seeded; the same numbers come out
of the same input every time.

Not covered: the spread between training seeds, which no test over problems can see. P-values are those of one test
each; ``holm`` corrects a family of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 10_000  # a p-value near 0.05 then has a standard error of 0.002


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval; ``low <= high``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems in [0, 1] with its two 95 % intervals; ``problems`` is how many it rests on."""

    value: float
    problems: int
    wilson: Interval
    bootstrap: Interval


@dataclass(frozen=True, slots=True)
class Paired:
    """How two models differ on the same problems; ``difference`` is second minus first, in [-1, 1].

    ``first_only`` and ``second_only`` count the problems that one of the two does better on, ``unpaired``
    those that only one of the two was given (left out of everything else). ``mcnemar`` is None where a score
    is neither 0 nor 1 (several samples per problem), to which that test does not apply.
    """

    problems: int
    unpaired: int
    difference: float
    interval: Interval
    first_only: int
    second_only: int
    mcnemar: float | None
    bootstrap: float

    @property
    def p_value(self) -> float:
        """McNemar's exact p where it applies, else the bootstrap's."""
        return self.bootstrap if self.mcnemar is None else self.mcnemar

    @property
    def test(self) -> str:
        """Name of the test that ``p_value`` comes from."""
        return "paired bootstrap" if self.mcnemar is None else "McNemar exact"


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in their order (Holm, Scand. J. Statist. 6, 1979).

    Rejecting where the corrected value is at most alpha keeps the chance of any false rejection at alpha or less.
    """
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return corrected


def wilson(correct: float, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a proportion.

    Args:
        correct: how many are right, 0 … total; a sum of per-problem means is allowed, and the interval is
            then too wide rather than too narrow (the mean of several samples varies less than one sample).
        total: how many there are, at least 1.
        confidence: in (0, 1).

    Raises:
        ValueError: if an argument is out of its range.

    Source: E. B. Wilson, JASA 22 (1927) 209.
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"needs 0 <= correct <= total and total >= 1; got {correct} of {total}")
    z = NormalDist().inv_cdf(0.5 + _checked_confidence(confidence) / 2)
    share = correct / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return Interval(low, high)


def bootstrap(
    values: Sequence[float], confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean of ``values``, one value a problem.

    Raises:
        ValueError: if ``values`` is empty or an argument is out of its range.

    Source: B. Efron, Annals of Statistics 7 (1979) 1.
    """
    means = _resampled_means(values, resamples, seed)
    tail = (1 - _checked_confidence(confidence)) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of per-problem scores in [0, 1] with a Wilson and a bootstrap interval.

    Raises:
        ValueError: if ``values`` is empty or one is outside [0, 1].
    """
    if not values or min(values) < 0 or max(values) > 1:
        raise ValueError("needs one or more scores, each in [0, 1]")
    total = math.fsum(values)
    return Estimate(total / len(values), len(values), wilson(total, len(values)), bootstrap(values))


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased estimate of the chance that one or more of ``k`` samples is right.

    Of ``samples`` drawn, ``correct`` are right: 1 - C(samples - correct, k) / C(samples, k).

    Raises:
        ValueError: unless 0 <= correct <= samples and 1 <= k <= samples.

    Source: Chen et al., "Evaluating Large Language Models Trained on Code" (2021), equation 1.
    """
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(
            f"needs 0 <= correct <= samples and 1 <= k <= samples; got {correct}, {samples}, {k}"
        )
    return 1 - math.comb(samples - correct, k) / math.comb(samples, k)


def maj_at_k(answers: Sequence[str | None], correct: Sequence[bool], k: int) -> float:
    """Estimate the chance that the majority answer of ``k`` samples is right.

    The samples are taken in their order as blocks of ``k`` (a shorter rest is left out), and the blocks'
    results are averaged, which is unbiased. In a block:

    - a sample without an answer (None) does not vote; where nobody votes, the block is wrong;
    - all right answers are one group, for each equals the gold answer; wrong ones vote together if they are
      the same string, so the caller first writes equal answers alike (``evaluate`` does, with the verifier);
    - a tie for first place counts as the share of its groups that are right, which is what drawing one of
      them by lot gives on average.

    Raises:
        ValueError: if the lengths differ or k is not in 1 … len(answers).
    """
    if len(answers) != len(correct) or not 1 <= k <= len(answers):
        raise ValueError(f"needs as many answers as verdicts and 1 <= k <= {len(answers)}; got k = {k}")
    starts = range(0, len(answers) - k + 1, k)
    blocks = [_majority(answers[s : s + k], correct[s : s + k]) for s in starts]
    return math.fsum(blocks) / len(blocks)


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value of McNemar's test from the two discordant counts.

    Under the null hypothesis each discordant problem falls to either model with probability 1/2.

    Raises:
        ValueError: if a count is negative.

    Source: Q. McNemar, Psychometrika 12 (1947) 153, with the exact binomial tail.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(f"counts must not be negative; got {first_only}, {second_only}")
    total = first_only + second_only
    tail = sum(math.comb(total, i) for i in range(min(first_only, second_only) + 1))
    return min(1.0, float(2 * tail / 2**total))


def compare(
    first: Mapping[str, float],
    second: Mapping[str, float],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Test whether two models differ, from their score of each problem.

    Args:
        first: problem id -> score in [0, 1] (1 or 0 when greedy, a mean over samples otherwise).
        second: the same of the other model; only problems that both have are compared.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    The bootstrap's p-value is the share of resampled differences, moved to mean zero, that are as far from
    zero as the one seen (which is counted among them, so that p is never 0).

    Raises:
        ValueError: if the two have no problem in common.
    """
    shared = [problem for problem in first if problem in second]
    if not shared:
        raise ValueError("the two have no problem in common")
    differences = [second[p] - first[p] for p in shared]
    mean = math.fsum(differences) / len(differences)
    means = _resampled_means(differences, resamples, seed)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    slack = 1e-12  # resampled means that equal the seen one but for rounding count as equal
    as_far = int(np.count_nonzero(np.abs(means - mean) >= abs(mean) - slack))
    first_only = sum(d < 0 for d in differences)
    second_only = sum(d > 0 for d in differences)
    binary = all(score in (0, 1) for p in shared for score in (first[p], second[p]))
    return Paired(
        problems=len(shared),
        unpaired=len(first) + len(second) - 2 * len(shared),
        difference=mean,
        interval=Interval(float(low), float(high)),
        first_only=first_only,
        second_only=second_only,
        mcnemar=mcnemar(first_only, second_only) if binary else None,
        bootstrap=(as_far + 1) / (resamples + 1),
    )


def p_words(p: float) -> str:
    """Return a p-value as ``p = 0.031`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), not {confidence}")
    return confidence


def _resampled_means(values: Sequence[float], resamples: int, seed: int) -> NDArray[np.float64]:
    """Means of the resamples, drawn as counts of the distinct values, which are few."""
    if not values or resamples < 1:
        raise ValueError("needs one or more values and one or more resamples")
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=resamples)
    return np.asarray(drawn @ distinct / len(values), dtype=np.float64)


def _majority(answers: Iterable[str | None], correct: Iterable[bool]) -> float:
    right = 0
    wrong: Counter[str] = Counter()
    for answer, is_right in zip(answers, correct, strict=True):
        if is_right:
            right += 1
        elif answer is not None:
            wrong[answer] += 1
    top = max([right, *wrong.values()])
    if top == 0 or right < top:
        return 0.0
    return 1 / (1 + sum(votes == top for votes in wrong.values()))
