"""``math_metric`` as callers of Math-Verify know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verifier.math_verify.grader import verify
from verifier.math_verify.parser import ExprExtractionConfig, ExtractionTarget, parse

Metric = Callable[[list[str], list[str]], tuple[float, tuple[list[str], list[str]] | None]]


def math_metric(
    gold_extraction_target: Sequence[ExtractionTarget] = (ExprExtractionConfig(),),
    pred_extraction_target: Sequence[ExtractionTarget] = (ExprExtractionConfig(),),
    aggregation_function: Callable[[list[float]], float] = max,
    precision: int = 6,
) -> Metric:
    """Return a function of golds and predictions that gives a score, and what was read of both.

    Args:
        gold_extraction_target: as for ``parse``.
        pred_extraction_target: as for ``parse``.
        aggregation_function: makes one score of those of the predictions, each 1.0 or 0.0.
        precision: no effect: see the known differences of this package.

    The function raises ValueError for a gold that holds no answer, as Math-Verify's does.
    """

    def metric(golds: list[str], predictions: list[str]) -> tuple[float, tuple[list[str], list[str]] | None]:
        wanted = [parse(gold, gold_extraction_target) for gold in golds]
        answers = [parse(prediction, pred_extraction_target) for prediction in predictions]
        if not all(wanted):
            raise ValueError(f"the gold answer at index {wanted.index([])} is empty")
        flat = [gold for read in wanted for gold in read]
        scores = [float(verify(flat, answer)) for answer in answers]
        return aggregation_function(scores), (flat, [answer for read in answers for answer in read])

    return metric
