"""Study A: what its arms train on, that nothing leaks, and what is read off its kept scores."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from experiments import dose
from experiments.dose import ARMS, DOSES, PAIRS, TUNING_SEEDS, held_out, preference
from experiments.dose_report import WANTED_SEEDS, answer, families, leads
from experiments.leads import Lead, spread
from experiments.routes.problems import routes_problems
from experiments.routes.train import RECIPE
from experiments.stages import Policy
from scdpo.data.runs import Run
from tests.experiments.planned import planned_run

SEED = 3


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with three right and three wrong solutions, by the planner, of each of the first eight problems but one."""
    return planned_run(tmp_path / f"seed-{SEED}", preference(SEED)[:7], (0, 1))


def having_pairs(run: Run) -> list[dose.GeneratedProblem]:
    known = {pair.problem_id for pair in run.pairs}
    return [item for item in preference(SEED)[:8] if item.problem.id in known]


def test_no_question_is_in_two_of_training_pairs_and_tests() -> None:
    trained = {item.problem.question for item in islice(routes_problems("train"), RECIPE.problems)}
    for seed in (0, 1, *TUNING_SEEDS):
        paired = {item.problem.question for item in preference(seed)}
        tested = {item.problem.question for item in held_out(seed)}
        assert (len(paired), len(tested)) == (max(DOSES), dose.TESTS)
        assert not paired & tested
        assert not trained & (paired | tested)


def test_data_equal_has_as_many_pairs_of_the_same_problems_as_the_oracle(run: Run) -> None:
    problems = having_pairs(run)
    oracle, equal = (ARMS[arm].pairs(run, problems, SEED) for arm in ("oracle", "equal"))
    assert Counter(pair.problem_id for pair in oracle) == Counter({p.problem.id: PAIRS for p in problems})
    assert len(equal) == len(oracle)
    assert {pair.kind for pair in equal} == {"naive"}
    assert {pair.problem_id for pair in equal} == {pair.problem_id for pair in oracle}
    assert len({pair.id for pair in equal}) == len(equal)


def test_dpo_has_one_pair_a_problem_and_scdpo_has_these_too(run: Run) -> None:
    problems = having_pairs(run)
    naive = dose.naive(run, problems, SEED)
    assert [pair.problem_id for pair in naive] == [item.problem.id for item in problems]
    assert dose.controlled(run, problems, SEED) == naive  # no branches were made


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for the kept scores."""
    path = tmp_path / "dose.json"
    monkeypatch.setattr(dose, "KEPT", path)
    return path


def keep_tuning(path: Path, solved: dict[str, tuple[int, int]]) -> None:
    """Keep scores of the oracle on ten problems of both tuning seeds, by learning rate."""
    seeds = {
        str(seed): {
            "scores": {f"oracle-15-{rate}": "1" * n[i] + "0" * (10 - n[i]) for rate, n in solved.items()}
        }
        for i, seed in enumerate(TUNING_SEEDS)
    }
    path.write_text(json.dumps(seeds))


def test_the_tuned_rate_is_the_best_on_the_mean_and_of_equals_the_lowest(results: Path) -> None:
    keep_tuning(results, {"0.0001": (1, 9), "0.0003": (7, 5), "0.001": (6, 6)})
    assert dose.tuned("oracle") == {"learning_rate": 3e-4}
    keep_tuning(results, {"0.0001": (4, 9), "0.0003": (7, 5), "0.001": (6, 6)})
    assert dose.tuned("oracle") == {"learning_rate": 1e-4}


def test_an_arm_that_is_not_tuned_on_all_seeds_is_not_run(results: Path) -> None:
    keep_tuning(results, {"0.0001": (4, 9), "0.0003": (7, 5)})
    with pytest.raises(SystemExit, match="run --tune --arms oracle first"):
        dose.counted(["oracle"], [8])


def scores(equal: tuple[str, str, str], oracle: tuple[str, str, str]) -> dict[str, Any]:
    families = ("legs", "legs", "bus", "shop")
    problems = [f"routes/{family}/test-0-{n}" for n, family in enumerate(families[: len(equal[0])])]
    made = {f"equal-{size}": marks for size, marks in zip(DOSES, equal, strict=True)}
    return {
        "problems": problems,
        "scores": made | {f"oracle-{size}": marks for size, marks in zip(DOSES, oracle, strict=True)},
    }


def test_a_seed_is_a_unit_and_its_doses_are_averaged() -> None:
    seeds = {
        "0": scores(("1000", "1000", "1100"), ("1100", "1000", "1100")),  # +25, 0, 0
        "1": scores(("1000", "1000", "1000"), ("1100", "1110", "1000")),  # +25, +50, 0
    }
    mean, eight, fifteen, thirty = leads(seeds, "equal", "oracle")
    assert (mean.where, mean.seeds) == ("mean of the doses", 2)
    assert mean.mean == pytest.approx((25 / 3 + 25) / 2)
    # Two values that lie 50 / 3 apart: standard error 25 / 3, and Student's quantile of one degree is 12.706.
    assert mean.high - mean.mean == pytest.approx(12.706 * 25 / 3, rel=1e-4)
    assert [lead.mean for lead in (eight, fifteen, thirty)] == [25, 25, 0]


def test_a_seed_with_an_unfinished_arm_does_not_count() -> None:
    whole = scores(("10", "10", "10"), ("11", "11", "10"))
    part = {
        **whole,
        "scores": {name: marks for name, marks in whole["scores"].items() if name != "oracle-30"},
    }
    assert leads({"0": whole, "1": part}, "equal", "oracle") == []
    assert leads({"0": whole, "1": whole, "2": part}, "equal", "oracle")[0].seeds == 2


def test_families_are_told_apart_once_all_seeds_are_done() -> None:
    seed = scores(("1000", "1000", "1000"), ("0110", "1100", "1011"))
    assert families({str(n): seed for n in range(WANTED_SEEDS - 1)}, "equal", "oracle") == {}
    found = families({str(n): seed for n in range(WANTED_SEEDS)}, "equal", "oracle")
    assert {name: [lead.mean for lead in of] for name, of in found.items()} == {
        "legs": [0, 50, 0],  # of two
        "bus": [100, 0, 100],
        "shop": [0, 0, 100],
        "all but legs": [50, 0, 100],
    }


def test_equal_dots_of_a_plot_lie_below_each_other() -> None:
    assert spread([1.0, 2.0, 1.0], 3) == [3, 3, pytest.approx(3.12)]


@pytest.mark.parametrize(
    ("seeds", "mean", "half", "p", "says"),
    [
        (19, 5.0, 0.5, 1e-6, "no answer yet: 19 of 20 seeds"),
        (20, 2.0, 1.0, 0.001, "yes"),
        (20, -2.0, 1.0, 0.001, "no"),
        (20, 0.4, 1.0, 0.4, "no"),
        (20, 1.0, 1.2, 0.1, "undecided"),
    ],
)
def test_what_counts_as_an_answer(seeds: int, mean: float, half: float, p: float, says: str) -> None:
    lead = Lead("DPO, data-equal", "oracle", "mean", [mean] * seeds, mean, mean - half, mean + half, p)
    assert answer(lead, p) == says


def test_what_is_kept_is_not_run_again(results: Path, tmp_path: Path) -> None:
    results.write_text(json.dumps({str(SEED): {"scores": {"oracle-8": "11"}}}))
    job = dose.Job("oracle-8", ARMS["oracle"], 8, {})
    dose.work(tmp_path / "runs", Policy(Path("/nowhere"), "mathcoder"), SEED, [job])
    assert not (tmp_path / "runs").exists()


@pytest.mark.scripts
def test_arms_are_trained_and_tested_and_their_scores_are_kept(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (dose.POLICY.path / "model.safetensors").exists():
        pytest.skip(
            f"no policy in {dose.POLICY.path}: experiments.routes.train makes it, in a quarter of an hour"
        )
    monkeypatch.setattr(dose, "TESTS", 4)
    monkeypatch.setattr(dose, "STEPS", {"max_steps": 2, "per_device_train_batch_size": 4})
    monkeypatch.setattr(dose, "DOSES", (3,))
    jobs = [dose.Job(f"{arm}-3", ARMS[arm], 3, {"learning_rate": 1e-4}) for arm in dose.FIRST]
    dose.work(tmp_path, dose.POLICY, SEED, jobs)
    kept = json.loads(results.read_text())[str(SEED)]
    assert kept["problems"] == [item.problem.id for item in held_out(SEED)]
    assert {model: len(marks) for model, marks in kept["scores"].items()} == {
        "start": 4, "oracle-3": 4, "equal-3": 4,
    }  # fmt: skip
    assert kept["pairs"]["oracle-3"]["step_controlled"] == kept["pairs"]["equal-3"]["naive"] >= PAIRS
