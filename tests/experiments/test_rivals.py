"""Study B: what its arms train on, that tokens are counted, and that every arm runs to its end at toy size."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import dose, dose_report, kept
from experiments.problem_sets import HELD_OUT
from experiments.rivals import grounds, online, report, rounds, study
from experiments.rivals.grounds import GROUNDS, Ground
from experiments.rivals.rounds import PAIRS, ROUNDS_ARMS
from experiments.rivals.taken import Taken, finish, taken
from experiments.studies import first_naive
from scdpo.data.records import BranchRecord, SamplingRecord
from scdpo.data.runs import Run
from tests.experiments.planned import planned_run
from verifier import verify

SEED = 3
ROUTES, BUILT_IN = GROUNDS["routes"], GROUNDS["built-in"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with six right and six wrong solutions, by the planner, of three problems."""
    return planned_run(tmp_path / "run", ROUTES.preference(SEED)[0][:3], (1, 2))


def test_dpo_has_one_pair_a_problem_and_data_equal_four_times_as_many(run: Run) -> None:
    one, equal = first_naive(run), rounds._equal(run)
    assert set(Counter(pair.problem_id for pair in one).values()) == {1}
    assert Counter(p.problem_id for p in equal) == Counter({p.problem_id: PAIRS for p in one})
    assert len({pair.id for pair in equal}) == len(equal)


@pytest.mark.parametrize("name", GROUNDS)
def test_no_problem_is_in_two_rounds_or_in_the_tests(name: str) -> None:
    ground = GROUNDS[name]
    seeds = (*range(report.WANTED_SEEDS), *study.TUNING_SEEDS)
    tests = {item.problem.question for seed in seeds for item in ground.held_out(seed)}
    for seed in seeds:
        pairs = {item.problem.question for some in ground.preference(seed) for item in some}
        assert len(pairs) == grounds.ROUNDS * grounds.PROBLEMS[name]
        assert not pairs & tests


def test_no_problem_of_a_round_is_in_study_a() -> None:
    pairs = {item.problem.question for seed in range(10) for some in ROUTES.preference(seed) for item in some}
    others = [dose.held_out(seed) for seed in range(dose_report.WANTED_SEEDS)]
    others += [dose.held_out(seed) for seed in dose.TUNING_SEEDS]
    others += [dose.preference(seed) for seed in (*range(dose_report.WANTED_SEEDS), *dose.TUNING_SEEDS)]
    assert not any(item.problem.question in pairs for some in others for item in some)


def test_the_templates_that_are_tested_apart_are_in_no_round() -> None:
    rounds_of = [item for some in BUILT_IN.preference(SEED) for item in some]
    apart = [item for item in BUILT_IN.held_out(SEED) if item.problem.id.startswith("templates/")]
    assert len(apart) == grounds.TEMPLATES
    assert {item.metadata["template"] for item in apart} <= HELD_OUT
    assert not HELD_OUT & {item.metadata.get("template") for item in rounds_of}


@pytest.mark.parametrize("name", GROUNDS)
def test_the_planner_solves_the_problems_of_a_round(name: str) -> None:
    ground = GROUNDS[name]
    for item in ground.preference(SEED)[0]:
        solution = ground.right(item, random.Random(SEED))
        assert solution is not None
        assert verify(solution, item.problem.gold).correct


def test_an_outcome_is_read_off_its_problems_and_its_mode() -> None:
    of = {
        "problems": ["seen/legs/1", "seen/legs/2", "templates/words/1"],
        "scores": {"rft": "110", "rft@1": "100"},
    }
    shares = {outcome: BUILT_IN.solved(of, "rft", outcome) for outcome in BUILT_IN.outcomes}
    assert shares == {"greedy": 100.0, "sampled": 50.0, "templates": 0.0}


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
def empty(tmp_path: Path) -> Ground:
    """The routes policy's ground without any kept scores."""
    return replace(ROUTES, kept=tmp_path / "rivals.json")


def test_a_model_with_all_of_its_scores_is_not_made_again(empty: Ground, tmp_path: Path) -> None:
    for model in ("start", "start@1", "grpo", "grpo@1"):
        kept.keep(empty.kept, SEED, model, {"a": 1.0, "b": 0.0}, {"tokens": 7})
    study.work(tmp_path / "runs", empty, SEED, {"grpo": ("grpo", {})})
    assert json.loads(empty.kept.read_text())[str(SEED)]["scores"]["grpo@1"] == "10"
    assert json.loads(empty.kept.read_text())[str(SEED)]["tokens"]["grpo"] == 7


def test_an_arm_that_is_not_tuned_is_not_run(empty: Ground) -> None:
    with pytest.raises(SystemExit, match="run --tune --arms grpo first"):
        study.counted(empty, ["grpo"])


def test_of_rates_that_solve_as_many_the_lowest_is_chosen(empty: Ground) -> None:
    for seed in study.TUNING_SEEDS:
        for signs, settings in zip(("10", "11", "11"), dose.GRID, strict=True):
            for suffix in grounds.MODES.values():
                name = study.tuning_name("rft", settings) + suffix
                kept.keep(empty.kept, seed, name, dict(zip("ab", map(int, signs), strict=True)), {})
    assert study.tried(empty, "rft") == [50.0, 100.0, 100.0]
    assert study.counted(empty, ["rft"]) == {"rft": ("rft", dose.GRID[1])}


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
    problems = ROUTES.preference(SEED)[0]  # the run has solutions of the first three
    assert rounds.spend(run, dose.POLICY, problems, 8_000, SEED, None) == 8_100
    assert given == [3, 6, 7, 8, 9]  # 5,300 are left for problems of 1,350, and so on


def test_too_few_problems_for_the_tokens_are_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "sample", lambda run, policy, problems, settings: None)
    monkeypatch.setattr(rounds, "sampled", lambda run: 100)
    with pytest.raises(ValueError, match="3 problems gave 100 of 60000 tokens: take more"):
        rounds.spend(run, dose.POLICY, ROUTES.preference(SEED)[0][:3], ROUTES.tokens, SEED, None)


def test_a_round_without_pairs_leaves_the_model_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "spend", lambda *_: 700)
    problems = [some[:1] for some in ROUTES.preference(SEED)[:2]]
    ground = replace(ROUTES, preference=lambda seed: problems, tokens=700)
    for arm in ("dpo", "rft"):
        policy, took = rounds.work(ROUNDS_ARMS[arm], ground, tmp_path / arm, tmp_path, SEED, {})
        assert policy == dose.POLICY
        assert (took.tokens, took.steps) == (1400, 0)


@pytest.mark.scripts
def test_settings_of_an_arm_share_the_first_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "STEPS", {"max_steps": 2, "per_device_train_batch_size": 4})
    problems = [some[:8] for some in ROUTES.preference(SEED)[:2]]
    ground = replace(ROUTES, preference=lambda seed: problems, tokens=2000)
    arm, shared = ROUNDS_ARMS["rft"], tmp_path / "shared"
    made = [
        rounds.work(arm, ground, tmp_path / str(rate), shared, SEED, {"learning_rate": rate})
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
@pytest.mark.parametrize("name", GROUNDS)
@pytest.mark.parametrize("arm", study.ARMS)
def test_an_arm_is_trained_and_tested(
    arm: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = GROUNDS[name]
    ground = replace(
        whole,
        preference=lambda seed: [some[:12] for some in whole.preference(seed)[:2]],
        held_out=lambda seed: whole.held_out(seed)[-4:],
        tokens=2000,
        kept=tmp_path / "rivals.json",
    )
    monkeypatch.setattr(study, "ROUNDS", 2)
    monkeypatch.setattr(rounds, "STEPS", {"max_steps": 2, "per_device_train_batch_size": 4})
    monkeypatch.setattr(online, "BATCH", 8)
    monkeypatch.setattr(online, "accuracy_reward", _every_other)
    study.work(tmp_path / "runs", ground, SEED, {arm: (arm, {"learning_rate": 1e-4})})
    found = json.loads(ground.kept.read_text())[str(SEED)]
    assert {model: len(marks) for model, marks in found["scores"].items()} == {
        "start": 4, "start@1": 4, arm: 4, f"{arm}@1": 4,
    }  # fmt: skip
    if arm in ROUNDS_ARMS and ROUNDS_ARMS[arm].sampling is None:
        assert found["tokens"][arm] == 0
    else:
        assert found["tokens"][arm] >= 4000  # both rounds were spent
    assert all(0 <= found["endless"][model] <= 4 for model in found["scores"])
    assert ("mistakes" in found) == ground.finds_mistakes
    start, made = (path / "model.safetensors" for path in (ground.policy.path, _model(tmp_path, arm)))
    certain = arm in online.ONLINE_ARMS or ROUNDS_ARMS[arm].sampling is None
    assert found["steps"][arm] > 0 or not certain
    # Arms that train on pairs take no step where the few samples of this size hold no right and wrong one of a problem.
    assert (start.read_bytes() != made.read_bytes()) == (found["steps"][arm] > 0)


def _every_other(completions: list[object], **_: object) -> list[float]:
    """Return rewards that differ in every group, whatever is sampled: real ones can be all alike at this size."""
    return [float(index % 2) for index in range(len(completions))]


def _model(folder: Path, arm: str) -> Path:
    arms = folder / "runs" / f"seed-{SEED}" / "arms" / arm
    return arms / ("model-1" if arm in ROUNDS_ARMS else "model")
