"""Study A, dose: pairs that sit on the error against naive pairs, at as many pairs and steps.

    python -m experiments.routes.train experiments/routes/policy   # first of all
    python -m experiments.dose runs/dose --tune
    python -m experiments.dose runs/dose --seeds 0 1 2 3 4         # the first two arms
    python -m experiments.dose runs/dose --seeds 0 1 2 3 4 --arms dpo scdpo confirmed
    python -m experiments.report                                   # the page, from results/dose.json

What is compared and what counts as an answer was written down before (``experiments/PREREGISTERED.md``). A seed fixes
the problems, every sample, every training and the held-out problems; its doses are the first 8, 15 and 30 of its
problems, and all of its models solve the same held-out problems. The scores of every model are kept as soon as it is
tested; a run that was stopped goes on with those that are missing, on another machine too.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.kept import keep, read, solved
from experiments.routes.demonstrations import oracle_pairs
from experiments.routes.problems import routes_problems
from experiments.stages import Policy, branch, one_thread, sample, solve, train_on
from experiments.studies import few_branches, first_naive, is_confirmed
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.pairs import data_equal
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings
from scdpo.training.train import Method

POLICY = Policy(Path("experiments/routes/policy"), "mathcoder")
"""What `experiments.routes.train` made; kept here, so that all seeds start from the same weights wherever they run."""
DOSES = (8, 15, 30)
PAIRS = 4
"""Pairs of a problem, for all arms but DPO."""
SAMPLES = 16
"""Solutions sampled a problem at most."""
ATTEMPTS = ROLLOUTS = 8
"""Continuations tried after a step, and roll-outs from before and after its first wrong move."""
STEPS = {"max_steps": 30, "per_device_train_batch_size": 8}
"""Of every training: so many optimizer steps of so many pairs."""
TESTS = 200
"""Held-out problems of a seed, solved greedily."""
TUNING_SEEDS = (100, 101)
TUNING_DOSE = 15
GRID: Sequence[Mapping[str, float]] = (
    {"learning_rate": 1e-4},
    {"learning_rate": 3e-4},
    {"learning_rate": 1e-3},
)
TEST, START = "held out", "start"
RESULTS = Path(__file__).parent / "results"
KEPT = RESULTS / "dose.json"
Problems = Sequence[GeneratedProblem]


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to choose pairs: its name in tables, which kinds of pairs it trains on, and how it chooses them.

    ``pairs`` takes a seed's run, the problems of the dose that have naive pairs, and the seed.
    """

    name: str
    method: Method
    pairs: Callable[[Run, Problems, int], list[PairRecord]]
    branches: bool = False


def naive(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return one naive pair a problem."""
    first = {pair.problem_id: pair for pair in first_naive(run)}
    return [first[item.problem.id] for item in problems]


def oracle(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return the planner's pairs."""
    return [pair for item in problems for pair in oracle_pairs(item, PAIRS, seed)]


def equal(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return as many naive pairs as the oracle has, of the same problems."""
    return data_equal(oracle(run, problems, seed), run.solutions)


def controlled(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return a naive pair a problem, and its step-controlled pairs."""
    wanted = {item.problem.id for item in problems}
    branches = [pair for pair in few_branches(run, PAIRS - 1) if pair.problem_id in wanted]
    return naive(run, problems, seed) + branches


def confirmed(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return those whose error roll-outs place at the branch, and the naive ones."""
    made = controlled(run, problems, seed)
    return [pair for pair in made if pair.kind == "naive" or is_confirmed(pair)]


ARMS: Mapping[str, Arm] = {
    "oracle": Arm("oracle", "scdpo", oracle),
    "equal": Arm("DPO, data-equal", "dpo", equal),
    "dpo": Arm("DPO", "dpo", naive),
    "scdpo": Arm("SCDPO", "scdpo", controlled, branches=True),
    "confirmed": Arm("SCDPO, confirmed", "scdpo", confirmed, branches=True),
}
FIRST = ("oracle", "equal")
"""The arms that are run first: without a difference between them no choice of pairs is worth comparing."""


def preference(seed: int) -> list[GeneratedProblem]:
    """Return the problems of a seed's largest dose, in order."""
    return list(islice(routes_problems("preference", seed), max(DOSES)))


def held_out(seed: int) -> list[GeneratedProblem]:
    """Return the problems that all models of a seed solve."""
    return list(islice(routes_problems("test", seed), TESTS))


@contextmanager
def sampled(folder: Path, policy: Policy, seed: int, branches: bool) -> Iterator[tuple[Run, Problems]]:
    """Open a seed's run with its naive pairs, and its branches if wanted; yield it with its problems."""
    problems = preference(seed)
    with Run(folder / f"seed-{seed}") as run:
        settings = NaiveSettings(at_most=SAMPLES, pairs=2, seed=seed)
        sample(run, policy, [item.problem for item in problems], settings)
        if branches:
            branch(
                run, policy, BranchSettings(steps=PAIRS - 1, attempts=ATTEMPTS, seed=seed, confirm=ROLLOUTS)
            )
        yield run, problems


@dataclass(frozen=True, slots=True)
class Job:
    """A model to train and test: its name in the kept scores, its arm, the problems of its dose, its settings."""

    model: str
    arm: Arm
    dose: int
    settings: Mapping[str, float]


def counted(arms: Sequence[str], doses: Sequence[int]) -> list[Job]:
    """Return the models of a seed that counts: every arm at every dose, with its tuned settings."""
    return [Job(f"{arm}-{dose}", ARMS[arm], dose, tuned(arm)) for dose in doses for arm in arms]


def tuning(arms: Sequence[str]) -> list[Job]:
    """Return the models of a tuning seed: every arm with every setting of the grid."""
    return [Job(tuning_name(arm, of), ARMS[arm], TUNING_DOSE, of) for arm in arms for of in GRID]


def tuning_name(arm: str, settings: Mapping[str, float]) -> str:
    """Return the name of a model of a tuning seed."""
    return f"{arm}-{TUNING_DOSE}-{settings['learning_rate']:g}"


def work(folder: Path, policy: Policy, seed: int, jobs: Sequence[Job]) -> None:
    """Train and test the models of a seed whose scores are not kept yet."""
    known = kept().get(str(seed), {}).get("scores", {})
    missing = [job for job in jobs if job.model not in known]
    if not missing:
        return
    with sampled(folder, policy, seed, any(job.arm.branches for job in missing)) as (run, problems):
        if START not in known:
            test(run, policy, START, seed, [])
        having = {pair.problem_id for pair in run.pairs if pair.kind == "naive"}
        for job in missing:
            usable = [item for item in problems[: job.dose] if item.problem.id in having]
            pairs = job.arm.pairs(run, usable, seed)
            path = run.folder / "models" / job.model
            train_on(pairs, policy, path, job.arm.method, seed, {**STEPS, **job.settings})
            test(run, replace(policy, path=path), job.model, seed, pairs)


def test(run: Run, policy: Policy, model: str, seed: int, pairs: Sequence[PairRecord]) -> None:
    """Solve a seed's held-out problems and keep the score of each, and how many pairs of each kind were trained on."""
    problems = [item.problem for item in held_out(seed)]
    scores = solve(run, model, policy, TEST, problems, seed).scores
    print(f"seed {seed}, {model}: {sum(scores.values()):.0f} of {len(scores)}", flush=True)
    keep(KEPT, seed, model, scores, {"pairs": dict(Counter(pair.kind for pair in pairs))})


def kept() -> dict[str, Any]:
    """Return what is kept of every seed (see `experiments.kept`)."""
    return read(KEPT)


def tuned(arm: str) -> dict[str, float]:
    """Return an arm's settings: those with the best mean over the tuning seeds; of equals, the first of the grid.

    Raises:
        SystemExit: if the arm is not tuned on all of these seeds.
    """
    means = [tuning_mean(arm, settings) for settings in GRID]
    if None in means:
        raise SystemExit(f"{arm} is not tuned on seeds {TUNING_SEEDS}; run --tune --arms {arm} first")
    return dict(max(zip(GRID, means, strict=True), key=lambda tried: tried[1] or 0.0)[0])


def tuning_mean(arm: str, settings: Mapping[str, float]) -> float | None:
    """Return the percent that an arm solves with some settings, mean over the tuning seeds; None before it is known."""
    scores = [kept().get(str(seed), {}).get("scores", {}) for seed in TUNING_SEEDS]
    name = tuning_name(arm, settings)
    return fmean(solved(of[name]) for of in scores) if all(name in of for of in scores) else None


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=FIRST)
    parser.add_argument("--doses", type=int, choices=DOSES, nargs="+", default=DOSES)
    parser.add_argument("--tune", action="store_true", help="try the grid for the arms on the tuning seeds")
    options = parser.parse_args()
    if not (POLICY.path / "model.safetensors").exists():
        raise SystemExit(
            f"there is no policy in {POLICY.path}; run python -m experiments.routes.train {POLICY.path}"
        )
    one_thread()
    if options.tune:
        for seed in TUNING_SEEDS:
            work(options.folder, POLICY, seed, tuning(options.arms))
    else:
        for seed in options.seeds:
            work(options.folder, POLICY, seed, counted(options.arms, options.doses))


if __name__ == "__main__":
    main()
