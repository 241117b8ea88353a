"""Study B: what its arms train on, that tokens are counted, and that every arm runs to its end at toy size."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from experiments import dose, dose_report, kept
from experiments.rivals import online, report, rounds, study
from experiments.rivals.rounds import PAIRS, ROUNDS_ARMS
from experiments.rivals.taken import Taken, finish, taken
from experiments.studies import first_naive
from scdpo.data.records import BranchRecord, SamplingRecord
from scdpo.data.runs import Run
from tests.experiments.planned import planned_run

SEED = 3


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with six right and six wrong solutions, by the planner, of three problems."""
    return planned_run(tmp_path / "run", study.preference(SEED)[0][:3], (1, 2))


def test_dpo_has_one_pair_a_problem_and_data_equal_four_times_as_many(run: Run) -> None:
    one, equal = first_naive(run), rounds._equal(run)
    assert set(Counter(pair.problem_id for pair in one).values()) == {1}
    assert Counter(p.problem_id for p in equal) == Counter({p.problem_id: PAIRS for p in one})
    assert len({pair.id for pair in equal}) == len(equal)


def test_no_problem_is_in_two_rounds_or_studies_or_in_the_tests() -> None:
    counted = range(report.WANTED_SEEDS)
    pairs = {
        seed: [item.problem.question for some in study.preference(seed) for item in some]
        for seed in (*counted, *study.TUNING_SEEDS)
    }
    assert all(len(set(of)) == study.ROUNDS * study.PROBLEMS for of in pairs.values())
    others = [dose.held_out(seed) for seed in range(dose_report.WANTED_SEEDS)]
    others += [dose.held_out(seed) for seed in (*dose.TUNING_SEEDS, *study.TUNING_SEEDS)]
    others += [dose.preference(seed) for seed in (*range(dose_report.WANTED_SEEDS), *dose.TUNING_SEEDS)]
    questions = {item.problem.question for some in others for item in some}
    assert not any(questions & set(of) for of in pairs.values())


def test_tokens_are_those_of_solutions_and_of_what_branched_off(run: Run) -> None:
    assert rounds.sampled(run) == 0  # the planner's
    told = SamplingRecord(
        engine="e",
        model="m",
        format="mathcoder",
        seed=0,
        temperatures=[],
        finish="end",
        tokens=70,
        block_tokens=[],
    )
    solution = next(iter(run.solutions))
    run.solutions.append(solution.model_copy(update={"id": "sampled", "sampling": told}))
    run.branches.append(
        BranchRecord(
            id="sampled.0", problem_id=solution.problem_id, chosen_id="sampled", branch_step=0, corruptor="temperature",
            attempts=2, kept=0, dropped=[], tokens=11,
        )
    )  # fmt: skip
    assert rounds.sampled(run) == 81


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for the kept scores."""
    path = tmp_path / "rivals.json"
    monkeypatch.setattr(study, "KEPT", path)
    return path


def test_a_model_with_all_of_its_scores_is_not_made_again(results: Path, tmp_path: Path) -> None:
    for model in ("start", "start@1", "grpo", "grpo@1"):
        kept.keep(results, SEED, model, {"a": 1.0, "b": 0.0}, {"tokens": 7})
    study.work(tmp_path / "runs", dose.POLICY, SEED, {"grpo": ("grpo", {})})
    assert json.loads(results.read_text())[str(SEED)]["scores"]["grpo@1"] == "10"
    assert json.loads(results.read_text())[str(SEED)]["tokens"]["grpo"] == 7


def test_an_arm_that_is_not_tuned_is_not_run(results: Path) -> None:
    with pytest.raises(SystemExit, match="run --tune --arms grpo first"):
        study.counted(["grpo"])


def test_what_a_model_took_is_known_after_a_stop(tmp_path: Path) -> None:
    assert taken(tmp_path / "round-0.json") is None
    total = sum((finish(tmp_path / f"round-{n}.json", Taken(100 + n, 20, 1.5)) for n in range(2)), Taken())
    assert total == Taken(201, 40, 3.0)
    assert taken(tmp_path / "round-1.json") == Taken(101, 20, 1.5)


def test_online_tokens_are_those_that_the_policy_writes() -> None:
    class Writes:
        def _generate_single_turn(self, contexts: list[list[int]]) -> tuple[list[list[int]], None]:
            return [context[:2] for context in contexts], None

    class Counted(online._Counted, Writes):
        pass

    trainer = Counted()
    assert trainer._generate_single_turn([[5, 6, 7], [8]]) == ([[5, 6], [8]], None)
    trainer._generate_single_turn([[5, 6, 7]])
    assert trainer.sampled == 5


def test_problems_are_sampled_together_while_the_tokens_suffice_for_half_as_much_again() -> None:
    assert rounds.affordable(8_000, 8, 60_000) == 34  # 52,000 are left, for problems of 1,500 at most
    assert rounds.affordable(59_000, 50, 60_000) == 0


def test_what_was_begun_is_finished_before_the_tokens_are_counted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(rounds, "sample", lambda run, policy, problems, settings: given.append(len(problems)))
    monkeypatch.setattr(rounds, "sampled", lambda run: 900 * given[-1])
    problems = study.preference(SEED)[0]  # the run has solutions of the first three
    assert rounds.spend(run, dose.POLICY, problems, 8_000, SEED, None) == 8_100
    assert given == [3, 6, 7, 8, 9]  # 5,300 are left for problems of 1,350, and so on


def test_too_few_problems_for_the_tokens_are_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "sample", lambda run, policy, problems, settings: None)
    monkeypatch.setattr(rounds, "sampled", lambda run: 100)
    with pytest.raises(ValueError, match="3 problems gave 100 of 60000 tokens: take more"):
        rounds.spend(run, dose.POLICY, study.preference(SEED)[0][:3], study.TOKENS, SEED, None)


def test_a_round_without_pairs_leaves_the_model_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "spend", lambda *_: 700)
    problems = [some[:1] for some in study.preference(SEED)[:2]]
    for arm in ("dpo", "rft"):
        policy, took = rounds.work(
            ROUNDS_ARMS[arm], dose.POLICY, tmp_path / arm, tmp_path, problems, 700, SEED, {}
        )
        assert policy == dose.POLICY
        assert (took.tokens, took.steps) == (1400, 0)


@pytest.mark.scripts
def test_settings_of_an_arm_share_the_first_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "STEPS", {"max_steps": 2, "per_device_train_batch_size": 4})
    problems = [some[:8] for some in study.preference(SEED)[:2]]
    arm, shared = ROUNDS_ARMS["rft"], tmp_path / "shared"
    made = [
        rounds.work(
            arm, dose.POLICY, tmp_path / str(rate), shared, problems, 2000, SEED, {"learning_rate": rate}
        )
        for rate in (1e-4, 1e-3)
    ]
    assert [path.name for path in shared.iterdir()] == ["first-solutions"]
    with Run(shared / "first-solutions") as first:
        spent = rounds.sampled(first)
    assert all(took.tokens - spent >= 2000 for _, took in made)  # each has a second round of its own
    sampling = taken(shared / "first-solutions" / "taken.json")
    assert sampling is not None
    assert sampling.tokens == spent
    assert all(took.seconds > sampling.seconds for _, took in made)  # also of the one that found it done
    assert len({(policy.path / "model.safetensors").read_bytes() for policy, _ in made}) == 2


@pytest.mark.scripts
@pytest.mark.parametrize("arm", study.ARMS)
def test_an_arm_is_trained_and_tested(
    arm: str, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "ROUNDS", 2)
    monkeypatch.setattr(study, "PROBLEMS", 8)
    monkeypatch.setattr(study, "TOKENS", 2000)
    monkeypatch.setattr(dose, "TESTS", 4)
    monkeypatch.setattr(rounds, "STEPS", {"max_steps": 2, "per_device_train_batch_size": 4})
    monkeypatch.setattr(online, "BATCH", 8)
    study.work(tmp_path / "runs", dose.POLICY, SEED, {arm: (arm, {"learning_rate": 1e-4})})
    found = json.loads(results.read_text())[str(SEED)]
    assert {model: len(marks) for model, marks in found["scores"].items()} == {
        "start": 4, "start@1": 4, arm: 4, f"{arm}@1": 4,
    }  # fmt: skip
    if arm in ROUNDS_ARMS and ROUNDS_ARMS[arm].sampling is None:
        assert found["tokens"][arm] == 0
    else:
        assert found["tokens"][arm] >= 4000  # both rounds were spent
    assert all(0 <= found["endless"][model] <= 4 for model in found["scores"])
    start, made = (path / "model.safetensors" for path in (dose.POLICY.path, _model(tmp_path, arm)))
    assert start.read_bytes() != made.read_bytes()


def _model(folder: Path, arm: str) -> Path:
    arms = folder / "runs" / f"seed-{SEED}" / "arms" / arm
    return arms / ("model-1" if arm in ROUNDS_ARMS else "model")
