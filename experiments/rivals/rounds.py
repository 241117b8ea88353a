"""Arms that work in rounds: the newest model samples until its tokens are spent, and is trained on what came of it.

A chunk of problems at a time is sampled, and branched off where the arm wants that, so that what is spent is over the
budget by less than a chunk. Not covered: tokens that are spent in training.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

from experiments.rivals.taken import Taken, finish, taken
from experiments.routes.demonstrations import written
from experiments.routes.plans import plan
from experiments.stages import Policy, branch, find_pits, sample, train_on, training_settings
from experiments.studies import few_branches, first_naive
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import data_equal
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import PairRecord, SolutionRecord
from scdpo.data.runs import RecordFile, Run
from scdpo.jobs.local import NaiveSettings
from scdpo.training.sft import sft

CHUNK = 8
"""Problems that are sampled before the tokens are counted."""
SAMPLES = 8
"""Solutions sampled a problem at most."""
PAIRS = 4
"""Pairs of a problem at most; solutions of a problem at most that fine-tuning takes."""
STEPS = {"max_steps": 20, "per_device_train_batch_size": 8}
"""Of every round's training."""
Problems = Sequence[GeneratedProblem]
Extend = Callable[[Run, Policy, int], None]


@dataclass(frozen=True, slots=True)
class RoundsArm:
    """An arm that works in rounds.

    Attributes:
        name: in tables.
        train: takes a round's run, its problems, the model to start from, the folder of the new one, the seed, and
            settings of the training.
        sampling: what it samples, of `SAMPLING`; None for nothing.
    """

    name: str
    train: Callable[[Run, Problems, Policy, Path, int, Mapping[str, Any]], None]
    sampling: str | None = "solutions"


def work(
    arm: RoundsArm,
    policy: Policy,
    folder: Path,
    shared: Path,
    rounds: Sequence[Problems],
    tokens: int,
    seed: int,
    settings: Mapping[str, Any],
) -> tuple[Policy, Taken]:
    """Do all rounds of an arm; one that is done is not done again.

    Args:
        arm: what is done.
        policy: the model to start from.
        folder: holds the model of each round, and the run of all but the first.
        shared: holds the run of the first round, which is the same for all arms that sample alike.
        rounds: the problems of each.
        tokens: to be sampled in a round.
        seed: of samples and trainings.
        settings: of the training, besides `STEPS`.

    Returns:
        The last model, and what all rounds took, the first as if it were not shared.
    """
    total = Taken()
    for number, problems in enumerate(rounds):
        path, done = folder / f"model-{number}", folder / f"round-{number}.json"
        of = taken(done)
        if of is None:
            with Run(folder / f"round-{number}" if number else shared / f"first-{arm.sampling}") as run:
                of = _sample(arm, run, policy, problems, tokens, seed)
                began = process_time()
                arm.train(run, problems, policy, path, seed, {**STEPS, **settings})
            of = finish(done, of + Taken(0, STEPS["max_steps"], process_time() - began))
        total += of
        policy = replace(policy, path=path)
    return policy, total


def _sample(arm: RoundsArm, run: Run, policy: Policy, problems: Problems, tokens: int, seed: int) -> Taken:
    """Sample what an arm wants of a round, unless that is done; return what it took."""
    done = run.folder / "taken.json"
    of = taken(done)
    if of is None:
        began = process_time()
        spent = spend(run, policy, problems, tokens, seed, SAMPLING[arm.sampling]) if arm.sampling else 0
        of = finish(done, Taken(spent, 0, process_time() - began))
    return of


def spend(run: Run, policy: Policy, problems: Problems, tokens: int, seed: int, extend: Extend | None) -> int:
    """Sample chunk by chunk until the tokens are spent; return how many were.

    Chunks that the tokens suffice for in any case are sampled at once, which fills the batch.

    Raises:
        ValueError: if the problems do not suffice for the tokens.
    """
    settings = NaiveSettings(at_most=SAMPLES, pairs=2, seed=seed)
    end = 0
    while (spent := sampled(run)) < tokens and end < len(problems):
        end += CHUNK * max(1, affordable(spent, end // CHUNK, tokens))
        sample(run, policy, [item.problem for item in problems[:end]], settings)
        if extend is not None:
            extend(run, policy, seed)
    if spent < tokens:
        raise ValueError(f"{len(problems)} problems gave {spent} of {tokens} tokens: take more")
    return spent


def affordable(spent: int, chunks: int, tokens: int) -> int:
    """Return how many more chunks the tokens suffice for, even if they take half as much again as those before."""
    return int((tokens - spent) / (1.5 * spent / chunks)) if chunks else 0


def sampled(run: Run) -> int:
    """Return the tokens sampled in a run: of solutions, and of all that branched off them."""
    return sum(s.sampling.tokens for s in run.solutions) + sum(b.tokens for b in run.branches)


def _branches(run: Run, policy: Policy, seed: int) -> None:
    if any(pair.kind == "naive" for pair in run.pairs):
        branch(run, policy, BranchSettings(steps=PAIRS - 1, attempts=SAMPLES, seed=seed))


def _pits(run: Run, policy: Policy, seed: int) -> None:
    if any(pair.kind == "naive" for pair in run.pairs):
        find_pits(run, policy, PitSettings(rollouts=PAIRS, seed=seed))


def _equal(run: Run) -> list[PairRecord]:
    """Return up to `PAIRS` naive pairs a problem."""
    return data_equal(first_naive(run) * PAIRS, run.solutions)


def _controlled(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem, and up to `PAIRS` - 1 that branch off a solution."""
    return first_naive(run) + few_branches(run, PAIRS - 1)


def _preferences(pairs: Callable[[Run], list[PairRecord]], method: Any) -> Any:
    def train(
        run: Run, problems: Problems, policy: Policy, path: Path, seed: int, settings: Mapping[str, Any]
    ) -> None:
        train_on(pairs(run), policy, path, method, seed, settings)

    return train


def _fine_tune(
    solutions: Iterable[SolutionRecord], policy: Policy, path: Path, seed: int, settings: Mapping[str, Any]
) -> None:
    if (path / "model.safetensors").exists():
        return
    file = RecordFile(path / "solutions.jsonl", SolutionRecord)
    for solution in sorted(solutions, key=lambda solution: solution.id):
        file.append(solution)
    file.close()
    sft(path / "solutions.jsonl", str(policy.path), path, {**training_settings(policy, seed), **settings})


def _on_own(
    run: Run, problems: Problems, policy: Policy, path: Path, seed: int, settings: Mapping[str, Any]
) -> None:
    """Fine-tune on up to `PAIRS` of a problem's own right solutions."""
    right: dict[str, list[SolutionRecord]] = defaultdict(list)
    for solution in run.solutions:
        if solution.preferred:
            right[solution.problem_id].append(solution)
    _fine_tune((s for some in right.values() for s in some[:PAIRS]), policy, path, seed, settings)


def _on_demonstrations(
    run: Run, problems: Problems, policy: Policy, path: Path, seed: int, settings: Mapping[str, Any]
) -> None:
    """Fine-tune on the planner's solutions without slips."""
    made = []
    for item in problems:
        rng = random.Random(f"{seed}/{item.problem.id}")
        solution, _ = written(plan(item.problem.source, item.metadata, rng), (), rng)
        question, gold, id = item.problem.question, item.problem.gold, item.problem.id
        made.append(as_record(solution, question, gold, id=f"{id}#planner", problem_id=id))
    _fine_tune(made, policy, path, seed, settings)


SAMPLING: Mapping[str, Extend | None] = {"solutions": None, "branches": _branches, "pits": _pits}
"""By what is sampled, what of a chunk besides its solutions; takes the run, the model and the seed."""
ROUNDS_ARMS: Mapping[str, RoundsArm] = {
    "sft": RoundsArm("SFT on the planner's solutions", _on_demonstrations, None),
    "rft": RoundsArm("rejection fine-tuning", _on_own),
    "dpo": RoundsArm("DPO", _preferences(first_naive, "dpo")),
    "equal": RoundsArm("DPO, data-equal", _preferences(_equal, "dpo")),
    "scdpo": RoundsArm("SCDPO", _preferences(_controlled, "scdpo"), "branches"),
    "pits": RoundsArm("first pits", _preferences(_controlled, "scdpo"), "pits"),
}
