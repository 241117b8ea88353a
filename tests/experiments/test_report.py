"""The replication's figures, on scores counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from experiments import dose_report
from experiments.dose import RESULTS
from experiments.report import EQUAL, SCDPO, by_family, by_seed, difference, mean_and_half_width, read
from experiments.rivals import report as rivals_report
from experiments.rivals.grounds import GROUNDS
from experiments.studies import START

FIRST = {"seed-0/a": 1.0, "seed-0/b": 0.0, "seed-1/a": 0.0, "seed-1/b": 0.0}
SECOND = {"seed-0/a": 1.0, "seed-0/b": 1.0, "seed-1/a": 1.0, "seed-1/b": 1.0}


def test_accuracy_is_taken_seed_by_seed() -> None:
    assert by_seed(FIRST) == {"seed-0": 50.0, "seed-1": 0.0}


def test_the_interval_is_students() -> None:
    mean, half = mean_and_half_width([1.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(12.706, abs=1e-3)  # t(0.975, 1) * sqrt(2) / sqrt(2)
    assert math.isnan(mean_and_half_width([1.0])[1])


def test_a_difference_pairs_seeds_and_problems() -> None:
    found = difference({"one": FIRST, "two": SECOND}, "one", "two")
    assert (found.seeds, found.mean) == (2, 75.0)  # +50 and +100
    assert found.p_problems == 0.25  # three problems won, none lost: 2 / 2**3
    assert found.p_seeds == pytest.approx(0.2048, abs=1e-4)  # t = 3 with one degree of freedom


def test_a_folder_without_a_finished_seed_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "seed-0").mkdir()
    with pytest.raises(SystemExit, match=r"run experiments\.replication first"):
        read(tmp_path)


def test_accuracy_by_family_is_taken_over_all_seeds() -> None:
    scores = {"seed-0/seen/legs/1": 1.0, "seed-1/seen/legs/1": 0.0, "seed-1/seen/sums/2": 1.0}
    assert by_family({"one": scores}) == {"one": {"legs": 50.0, "sums": 100.0}}


def test_the_readme_says_what_the_kept_figures_say() -> None:
    few = json.loads((RESULTS / "replication.json").read_text(encoding="utf-8"))["few-problems"]
    means = {row["model"]: row["mean"] for row in few["tests"]["seen"]["models"]}
    study = dose_report.study()
    (behind,) = [lead for lead, _, _ in study["primary"] if lead.second == SCDPO]
    said = " ".join((RESULTS.parents[1] / "README.md").read_text(encoding="utf-8").split())
    assert f"from {means[START]:.1f} to {means[SCDPO]:.1f} % with SCDPO" in said
    assert f"to {means[EQUAL]:.1f} % with plain DPO on as many pairs ({len(few['seeds'])} seeds)" in said
    assert f"{-behind.mean:.1f} points behind" in said
    assert f"({-behind.high:.1f} to {-behind.low:.1f}, {behind.seeds} seeds, pre-registered)" in said
    rivals = rivals_report.part(GROUNDS["routes"])
    assert _primary(rivals) in said
    (best,) = rivals["settled"]
    assert (best.second, best.where) == ("rejection fine-tuning", "sampled")
    ahead = (
        f"{best.mean:.1f} points more than {best.first} at temperature 1 ({best.low:.1f} to {best.high:.1f})"
    )
    assert ahead in said
    built_in = rivals_report.part(GROUNDS["built-in"])
    assert _primary(built_in) in said
    assert {lead.second for lead in built_in["settled"]} == {"SFT"}  # which is no rival


def _primary(part: dict[str, Any]) -> str:
    """Return how the README puts the answer of Study B on a policy."""
    ((steps, _, answer),) = part["primary"]
    return f"is {answer} ({steps.mean:.1f} points, {steps.low:.1f} to {steps.high:.1f}, {steps.seeds} seeds)"
