"""Arms that work in rounds: the newest model samples until its tokens are spent, and is trained on what came of it.

As many problems at a time are sampled, and branched off where the arm wants that, as the tokens suffice for in any
case, at last one by one, so that what is spent is over the budget by less than a problem takes. Not covered: tokens
that are spent in training.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

from experiments.rivals.grounds import Ground
from experiments.rivals.taken import Taken, finish, taken
from experiments.stages import Policy, branch, find_pits, sample, train_on, training_settings
from experiments.studies import few_branches, first_naive
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import naive_pairs
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import PairRecord, SolutionRecord
from scdpo.data.runs import RecordFile, Run
from scdpo.jobs.local import NaiveSettings
from scdpo.training.sft import sft

FIRST = 8
"""Problems that are sampled before it is known what one takes."""
MARGIN = 1.5
"""Problems to come may take so many times what those before took, and still do not spend more than is left."""
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
        data: what it is trained on, as the page says it.
        train: takes a round's run, the ground, the round's problems, the model to start from, the folder of the
            new one, the seed, and settings of the training; returns whether there was anything to train on.
        sampling: what it samples, of `SAMPLING`; None for nothing.
    """

    name: str
    data: str
    train: Callable[[Run, Ground, Problems, Policy, Path, int, Mapping[str, Any]], bool]
    sampling: str | None = "solutions"


def work(
    arm: RoundsArm, ground: Ground, folder: Path, shared: Path, seed: int, settings: Mapping[str, Any]
) -> tuple[Policy, Taken]:
    """Do all rounds of an arm; one that is done is not done again.

    Args:
        arm: what is done.
        ground: the model to start from, the problems, and how many tokens are sampled in a round.
        folder: holds the model of each round, and the run of all but the first.
        shared: holds the run of the first round, which is the same for all arms that sample alike.
        seed: of problems, samples and trainings.
        settings: of the training, besides `STEPS`.

    Returns:
        The last model, and what all rounds took, the first as if it were not shared. A round that gives nothing to
        train on leaves the model as it is.
    """
    total, policy = Taken(), ground.policy
    for number, problems in enumerate(ground.preference(seed)):
        path, done = folder / f"model-{number}", folder / f"round-{number}.json"
        of = taken(done)
        if of is None:
            with Run(folder / f"round-{number}" if number else shared / f"first-{arm.sampling}") as run:
                of = _sample(arm, run, policy, problems, ground.tokens, seed)
                began = process_time()
                trained = arm.train(run, ground, problems, policy, path, seed, {**STEPS, **settings})
            steps = STEPS["max_steps"] if trained else 0
            of = finish(done, of + Taken(0, steps, process_time() - began))
        total += of
        if of.steps:
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
    """Sample one problem after another until the tokens are spent; return how many were.

    Problems that the tokens suffice for in any case are sampled together, which fills the batch. Those that a run holds
    solutions of are finished first.

    Raises:
        ValueError: if the problems do not suffice for the tokens.
    """
    settings = NaiveSettings(at_most=SAMPLES, pairs=2, seed=seed)
    begun = {solution.problem_id for solution in run.solutions}
    end = max((n for n, item in enumerate(problems, 1) if item.problem.id in begun), default=FIRST)
    while True:
        sample(run, policy, [item.problem for item in problems[:end]], settings)
        if extend is not None:
            extend(run, policy, seed)
        spent = sampled(run)
        if spent >= tokens:
            return spent
        if end >= len(problems):
            raise ValueError(f"{len(problems)} problems gave {spent} of {tokens} tokens: take more")
        end += max(1, affordable(spent, end, tokens))


def affordable(spent: int, problems: int, tokens: int) -> int:
    """Return how many more problems the tokens suffice for, even if each takes `MARGIN` times the mean of those before.

    Args:
        spent: tokens of the problems before.
        problems: how many these are.
        tokens: that may be spent in all.
    """
    return int((tokens - spent) / (MARGIN * spent / problems))


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
    return list(naive_pairs(sorted(run.solutions, key=lambda solution: solution.id), PAIRS))


def _controlled(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem, and up to `PAIRS` - 1 that branch off a solution."""
    return first_naive(run) + few_branches(run, PAIRS - 1)


def _preferences(pairs: Callable[[Run], list[PairRecord]], method: Any) -> Any:
    def train(
        run: Run,
        ground: Ground,
        problems: Problems,
        policy: Policy,
        path: Path,
        seed: int,
        settings: Mapping[str, Any],
    ) -> bool:
        found = pairs(run)
        if found:
            train_on(found, policy, path, method, seed, settings)
        return bool(found)

    return train


def _fine_tune(
    solutions: Sequence[SolutionRecord], policy: Policy, path: Path, seed: int, settings: Mapping[str, Any]
) -> bool:
    if not solutions or (path / "model.safetensors").exists():
        return bool(solutions)
    file = RecordFile(path / "solutions.jsonl", SolutionRecord)
    for solution in sorted(solutions, key=lambda solution: solution.id):
        file.append(solution)
    file.close()
    sft(path / "solutions.jsonl", str(policy.path), path, {**training_settings(policy, seed), **settings})
    return True


def _on_own(
    run: Run,
    ground: Ground,
    problems: Problems,
    policy: Policy,
    path: Path,
    seed: int,
    settings: Mapping[str, Any],
) -> bool:
    """Fine-tune on up to `PAIRS` of a problem's own right solutions."""
    right: dict[str, list[SolutionRecord]] = defaultdict(list)
    for solution in run.solutions:
        if solution.preferred:
            right[solution.problem_id].append(solution)
    own = [solution for some in right.values() for solution in some[:PAIRS]]
    return _fine_tune(own, policy, path, seed, settings)


def _on_demonstrations(
    run: Run,
    ground: Ground,
    problems: Problems,
    policy: Policy,
    path: Path,
    seed: int,
    settings: Mapping[str, Any],
) -> bool:
    """Fine-tune on the planner's solutions without slips."""
    made = []
    for item in problems:
        question, gold, id = item.problem.question, item.problem.gold, item.problem.id
        solution = ground.right(item, random.Random(f"{seed}/{id}"))
        if solution is not None:
            made.append(as_record(solution, question, gold, id=f"{id}#planner", problem_id=id))
    return _fine_tune(made, policy, path, seed, settings)


SAMPLING: Mapping[str, Extend | None] = {"solutions": None, "branches": _branches, "pits": _pits}
"""By what is sampled, what besides the problems' solutions; takes the run, the model and the seed."""
ROUNDS_ARMS: Mapping[str, RoundsArm] = {
    "sft": RoundsArm("SFT", "the planner's right solutions; it samples nothing", _on_demonstrations, None),
    "rft": RoundsArm("rejection fine-tuning", f"up to {PAIRS} right solutions a problem", _on_own),
    "dpo": RoundsArm("DPO", "one naive pair a problem", _preferences(first_naive, "dpo")),
    "equal": RoundsArm(
        "DPO, data-equal", f"up to {PAIRS} naive pairs a problem", _preferences(_equal, "dpo")
    ),
    "scdpo": RoundsArm(
        "SCDPO",
        f"one naive pair a problem, and up to {PAIRS - 1} that branch off its right solution",
        _preferences(_controlled, "scdpo"),
        "branches",
    ),
    "pits": RoundsArm(
        "first pits",
        "one naive pair a problem, and that of the first pit of a wrong solution",
        _preferences(_controlled, "scdpo"),
        "pits",
    ),
}
