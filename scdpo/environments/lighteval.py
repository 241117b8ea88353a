"""The verifier as a metric of lighteval.

from lighteval.tasks.lighteval_task import LightevalTaskConfig
from scdpo.environments.lighteval import verified_metric

TASKS_TABLE = [LightevalTaskConfig(name="mine", metrics=[verified_metric()], ...)]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetric
from lighteval.tasks.requests import SamplingMethod

from verifier import verify_many


class Verified(SampleLevelComputation):  # type: ignore[misc]
    """1.0 where a reply of the model equals a gold answer of the document, else 0.0."""

    def compute(self, doc: Any, model_response: Any, **_: Any) -> float:
        """Score the last word of the first reply against all golds of the document."""
        verdict = verify_many([(model_response.final_text[0], doc.get_golds())])[
            0
        ]  # in a worker, with limits
        return float(verdict.correct)


def verified_metric() -> Any:
    """Return the metric, its mean over the documents."""
    return SampleLevelMetric(
        metric_name="verified",
        sample_level_fn=Verified(),
        category=SamplingMethod.GENERATIVE,
        corpus_level_fn=np.mean,
        higher_is_better=True,
    )
