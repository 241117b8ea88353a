"""The table of error localisation gives means over seeds, and differences seed by seed."""

from __future__ import annotations

from experiments.localisation import table
from scdpo.training.credit import Localisation, error_scores, summarise


def seed(credits: list[float]) -> Localisation:
    """One solution whose third of three steps is the error."""
    return summarise({"p": [error_scores(credits, 2)]})


def test_means_and_differences_over_seeds() -> None:
    first, last = seed([0.0, 0.1, -1.0]), seed([0.0, 0.1, 1.0])
    rows = [row.split(" | ") for row in table({"A": [first, last], "B": [first, first]}).splitlines()]
    assert rows[0][0] == "| model (chance: rank 2.00, AUROC 0.5)"
    # Ranks 1 and 3: mean 2, standard error 1, and Student's quantile of one degree of freedom is 12.706.
    assert rows[2][:2] == ["| A", "2.000 ± 12.706"]
    assert rows[3][:2] == ["| B", "1.000 ± 0.000"]
    assert rows[4][:2] == ["| B less A", "-1.000 ± 12.706"]
