"""What is read off Study B's kept scores: a seed a unit, tuning seeds apart, and answers by the rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments import kept
from experiments.dose import GRID
from experiments.leads import Lead
from experiments.rivals import report, study
from experiments.rivals.grounds import GROUNDS, MODES, Ground
from experiments.rivals.report import answer

PROBLEMS = [f"routes/bus/test-0-{number}" for number in range(4)]
TOOK = {"tokens": 6000, "seconds": 120, "steps": 50}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Kept scores with the start and both rivals on two seeds, one rival on a third, and one tuning seed."""
    path = tmp_path / "rivals.json"
    marks = {0: ("1000", "1100"), 1: ("1000", "1110"), study.TUNING_SEEDS[0]: ("0000", "1111")}
    for seed, (grpo, steps) in marks.items():
        for model, signs in {"start": "1000", "grpo": grpo, "steps": steps}.items():
            for suffix in MODES.values():
                kept.keep(path, seed, model + suffix, dict(zip(PROBLEMS, map(int, signs), strict=True)), TOOK)
    kept.keep(path, 2, "grpo", dict.fromkeys(PROBLEMS[:2], 1.0), TOOK)
    return replace(GROUNDS["routes"], kept=path)


def test_a_seed_is_a_unit_and_tuning_seeds_do_not_count(ground: Ground) -> None:
    found = report.lead(ground, report.counting(ground), "grpo", "steps", "greedy")
    assert found is not None
    assert (found.values, found.mean) == ([25.0, 50.0], 37.5)
    # Two values that lie 25 apart: standard error 12.5, and Student's quantile of one degree is 12.706.
    assert found.high - found.mean == pytest.approx(12.706 * 12.5, rel=1e-4)


def test_models_are_shown_with_what_they_took(ground: Ground) -> None:
    rows = {row["name"]: row for row in report.models(ground, report.counting(ground))}
    assert rows["GRPO"]["seeds"] == 2  # the third seed lacks the test at temperature 1
    assert [rows[name]["solved"]["greedy"] for name in ("GRPO", "GRPO, step advantages")] == [25.0, 62.5]
    assert (rows["GRPO"]["tokens"], rows["GRPO"]["minutes"]) == (6000, 2)
    assert rows["GRPO"]["steps"] == 50
    assert rows["GRPO"]["endless"] is None  # not kept


def test_solutions_that_never_end_are_told_once_all_seeds_have_them(ground: Ground) -> None:
    for seed, endless in ((0, 1), (1, 2)):
        kept.keep(ground.kept, seed, "grpo", dict.fromkeys(PROBLEMS, 1.0), {"endless": endless})
    rows = {row["name"]: row for row in report.models(ground, report.counting(ground))}
    assert rows["GRPO"]["endless"] == 37.5  # 1 and 2 of 4 problems


def test_a_model_is_forgetful_where_more_than_a_tenth_never_end() -> None:
    of = {"problems": PROBLEMS * 5, "scores": {"equal": "1" * 5 + "0" * 15, "scdpo": "1" * 20}}
    seeds = {"7": {**of, "endless": {"equal": 3, "equal@1": 9, "scdpo": 2}}}
    assert report.forgetful(seeds, study.ARMS) == [
        {"name": "DPO, data-equal", "seed": 7, "greedy": 25.0, "endless": 15.0}
    ]


def test_a_difference_is_settled_when_all_seeds_and_the_correction_say_so(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"routes/bus/test-0-{number}" for number in range(100)]
    for seed in range(report.WANTED_SEEDS):
        for model, right in {"grpo": 20, "rft": 60 + seed % 2, "dpo": 20 + 40 * (seed % 2)}.items():
            for suffix in MODES.values():
                scores = {name: float(number < right) for number, name in enumerate(names)}
                kept.keep(ground.kept, 100 + seed, model + suffix, scores, TOOK)
    seeds = {str(seed): kept.read(ground.kept)[str(100 + seed)] for seed in range(report.WANTED_SEEDS)}
    monkeypatch.setattr(report, "counting", lambda _: seeds)
    settled = report.part(ground)["settled"]
    assert {(of.first, of.second, of.where) for of in settled} == {
        ("GRPO", "rejection fine-tuning", "greedy"), ("GRPO", "rejection fine-tuning", "sampled"),
    }  # fmt: skip


def test_on_the_built_in_model_templates_are_an_outcome_of_their_own(tmp_path: Path) -> None:
    ground = replace(GROUNDS["built-in"], kept=tmp_path / "built_in.json")
    names = ["seen/legs/1", "seen/legs/2", "templates/words/1"]
    for seed in (0, 1):
        for model, signs in {"grpo": "100", "steps": "111"}.items():
            for suffix in MODES.values():
                kept.keep(
                    ground.kept, seed, model + suffix, dict(zip(names, map(int, signs), strict=True)), TOOK
                )
    shown = report.part(ground)
    assert {of.where: of.mean for of, _ in shown["leads"]} == {
        "greedy": 50.0,
        "sampled": 50.0,
        "templates": 100.0,
    }
    assert shown["registered"] == 24
    assert [row["solved"]["templates"] for row in shown["models"]] == [0.0, 100.0]


def test_forged_outputs_are_told_of_arms_that_are_tuned(ground: Ground) -> None:
    for seed, forged in zip(study.TUNING_SEEDS, (1, 3), strict=True):
        for number, settings in enumerate(GRID):
            for suffix in MODES.values():
                model = study.tuning_name("dpo", settings) + suffix
                endings = {"end": 1, "forged": forged} if number == 2 else {"end": 4}
                kept.keep(ground.kept, seed, model, dict.fromkeys(PROBLEMS, 1.0), {"endings": endings})
    assert report.forging(ground) == [{"arm": "DPO", "shares": [0.0, 0.0, 50.0]}]  # 1 and 3 of 4


def test_an_arm_that_was_not_run_is_not_shown(ground: Ground) -> None:
    assert {(of.first, of.second) for of, _ in report.part(ground)["leads"]} == {
        ("GRPO", "GRPO, step advantages")
    }


@pytest.mark.parametrize(("wanted", "counts"), [(3, True), (4, False)])
def test_all_registered_comparisons_are_corrected_for_and_unfinished_ones_show_nothing(
    wanted: int, counts: bool, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "WANTED_SEEDS", wanted)
    for model, signs in {"grpo": "1000", "steps": "1110"}.items():
        for suffix in MODES.values():
            kept.keep(ground.kept, 2, model + suffix, dict(zip(PROBLEMS, map(int, signs), strict=True)), TOOK)
    found, corrected = report.part(ground)["leads"][0]
    assert report.part(ground)["registered"] == 16
    # Leads of 25, 50 and 50: mean 41.7, standard error 8.33, and two-sided p of t = 5 at two degrees is 0.0377.
    assert found.p == pytest.approx(0.0377, abs=1e-4)
    assert corrected == pytest.approx(16 * found.p if counts else 1.0)


def test_the_worst_family_of_a_model_is_the_one_it_solves_least_greedily(ground: Ground) -> None:
    names = ("routes/legs/1", "routes/bus/1", "routes/legs/2", "routes/bus/2")
    marks = {"grpo": "1110", "grpo@1": "0101", "steps": "0011", "steps@1": "1000"}
    for model, signs in marks.items():
        kept.keep(ground.kept, 7, model, dict(zip(names, map(int, signs), strict=True)), {})
    (row,) = report.by_seed({"7": kept.read(ground.kept)["7"]})
    grpo, steps = row["arms"]
    assert (row["seed"], grpo["greedy"], steps["greedy"]) == (7, 75.0, 50.0)
    assert (grpo["family"], grpo["of_family"]) == ("bus", {"greedy": 50.0, "sampled": 100.0})
    assert (steps["family"], steps["of_family"]) == ("bus", {"greedy": 50.0, "sampled": 0.0})


def test_mistakes_are_told_apart_by_the_last_branching(ground: Ground) -> None:
    of_models = {"start": "1230a", "grpo": "00330", "steps": "00000"}
    for seed in (0, 1):
        for model, marks in of_models.items():
            for suffix in MODES.values():
                kept.keep(
                    ground.kept, seed, model + suffix, dict.fromkeys(PROBLEMS, 1.0), {"mistakes": marks}
                )
    rows = report.part(ground)["mistaken"]
    assert [(row["name"], row["early"], row["late"], row["answer"]) for row in rows if row["test"] == "greedy"] == [
        ("start", 40.0, 20.0, 20.0), ("GRPO", 0.0, 40.0, 0.0), ("GRPO, step advantages", 0.0, 0.0, 0.0),
    ]  # fmt: skip
    assert {row["seeds"] for row in rows} == {2}


@pytest.mark.parametrize(
    ("seeds", "mean", "half", "p", "says"),
    [
        (9, 5.0, 0.5, 1e-6, "no answer yet: 9 of 10 seeds"),
        (10, 2.5, 1.0, 0.001, "yes"),
        (10, 2.5, 1.0, 0.02, "undecided"),
        (10, 1.5, 0.4, 0.001, "no"),
        (10, 1.5, 1.0, 0.02, "undecided"),
        (10, -3.0, 1.0, 0.001, "no"),
    ],
)
def test_what_counts_as_an_answer(seeds: int, mean: float, half: float, p: float, says: str) -> None:
    found = Lead("GRPO", "steps", "greedy", [mean] * seeds, mean, mean - half, mean + half, p)
    assert answer(found, p) == says
