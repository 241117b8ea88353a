"""The verifier as the score of a generating task of lm-eval.

In the folder of the task, ``scoring.py`` holds ``process_results = verified("answer")``, and the task's YAML says:

    process_results: !function scoring.process_results
    metric_list:
      - {metric: verified, aggregation: mean, higher_is_better: true}
      - {metric: unverifiable, aggregation: mean, higher_is_better: false}

lm-eval itself is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from verifier import verify_many

Score = Callable[[Mapping[str, Any], Sequence[str]], dict[str, float]]


def verified(field: str) -> Score:
    """Return a task's ``process_results``.

    Args:
        field: of a document: its gold answer, a text, a number or a list of alternatives.

    Returns:
        A function of a document and the model's replies, of which the first counts, giving ``verified`` (1.0 for a
        right answer, else 0.0) and ``unverifiable`` (1.0 where that cannot be said: a false negative may hide there).
    """

    def process_results(document: Mapping[str, Any], replies: Sequence[str]) -> dict[str, float]:
        if field not in document:
            raise KeyError(f"the document has no field {field!r}, but {', '.join(sorted(document))}")
        verdict = verify_many([(replies[0], document[field])])[0]  # in a worker, with limits
        return {
            "verified": float(verdict.correct),
            "unverifiable": float(verdict.status == "unverifiable"),
        }

    return process_results
