"""Study B: what people use, at equal sampled tokens.

    python -m experiments.rivals.study runs/rivals --tune          # every arm with every learning rate
    python -m experiments.rivals.study runs/rivals --seeds 0 1 2

What is compared and what counts as an answer was written down before (``experiments/PREREGISTERED.md``). A seed fixes
the problems, every sample, every training and the held-out problems, which all of its models solve greedily and at
temperature 1. Of every model its scores, tokens, optimizer steps and processor seconds are kept as soon as it is
tested; a run that was stopped goes on with those that are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from eval.results import transcripts_path
from experiments import kept
from experiments.dose import GRID, POLICY, held_out
from experiments.rivals import mistakes, online, rounds
from experiments.rivals.online import ONLINE_ARMS
from experiments.rivals.rounds import ROUNDS_ARMS
from experiments.rivals.taken import Taken
from experiments.routes.problems import routes_problems
from experiments.stages import Policy, one_thread, solve
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import RecordFile, Run

ROUNDS = 3
TOKENS = 60_000
"""Sampled in a round, by every arm that samples."""
PROBLEMS = 120
"""Of a round, more than its tokens suffice for."""
TUNING_SEEDS = (110, 111)
ARMS = {name: arm.name for name, arm in ROUNDS_ARMS.items()} | {
    name: arm.name for name, arm in ONLINE_ARMS.items()
}
"""Their names in tables."""
START = "start"
TESTS = {"greedy": "", "sampled": "@1"}
"""By test, what is added to the name of a model in the kept scores."""
KEPT = Path(__file__).parents[1] / "results" / "rivals.json"


def preference(seed: int) -> list[list[GeneratedProblem]]:
    """Return the problems of each round, no two the same; the seeds of no other study have them."""
    stream = routes_problems("preference", 1000 + seed)
    return [list(islice(stream, PROBLEMS)) for _ in range(ROUNDS)]


def make(
    arm: str, policy: Policy, folder: Path, shared: Path, seed: int, settings: Mapping[str, float]
) -> tuple[Policy, Taken]:
    """Train an arm's model; return it, and what it took. Arms of a seed that sample alike share their first round."""
    problems = preference(seed)
    if arm in ROUNDS_ARMS:
        return rounds.work(ROUNDS_ARMS[arm], policy, folder, shared, problems, TOKENS, seed, settings)
    stream = [item for some in problems for item in some]
    return online.work(ONLINE_ARMS[arm], policy, folder, stream, ROUNDS * TOKENS, seed, settings)


def work(
    folder: Path, policy: Policy, seed: int, jobs: Mapping[str, tuple[str, Mapping[str, float]]]
) -> None:
    """Train and test the models of a seed whose scores are not kept yet.

    Args:
        folder: holds a folder for each seed.
        policy: the model to start from.
        seed: fixes everything.
        jobs: by the name of a model in the kept scores, its arm and its settings.
    """
    with Run(folder / f"seed-{seed}") as run:
        if not _known(START, seed):
            test(run, policy, START, seed, Taken())
        for model, (arm, settings) in jobs.items():
            if _known(model, seed):
                continue
            own = run.folder / "arms" / model
            trained, took = make(arm, policy, own, run.folder, seed, settings)
            test(run, trained, model, seed, took)


def test(run: Run, policy: Policy, model: str, seed: int, took: Taken) -> None:
    """Solve a seed's held-out problems; keep the scores, and what is told of the model.

    That is what it took, where its solutions first go wrong (`mistakes.marks`), and how many never ended.
    """
    items = held_out(seed)
    told: dict[str, Any] = {**asdict(took), "seconds": round(took.seconds)}
    for of, suffix in TESTS.items():
        evaluation = solve(run, model, policy, of, [item.problem for item in items], seed)
        solved = evaluation.scores
        print(f"seed {seed}, {model}, {of}: {sum(solved.values()):.0f} of {len(solved)}", flush=True)
        transcripts = RecordFile(transcripts_path(run.folder, evaluation.name), SolutionRecord)
        told["endless"] = len(items) - evaluation.endings.get("end", 0)
        told["mistakes"] = mistakes.marks(items, {record.problem_id: record for record in transcripts})
        transcripts.close()
        kept.keep(KEPT, seed, model + suffix, solved, told)
        told = {}


def _known(model: str, seed: int) -> bool:
    scores = kept.read(KEPT).get(str(seed), {}).get("scores", {})
    return all(model + suffix in scores for suffix in TESTS.values())


def counted(arms: Sequence[str]) -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return the models of a seed that counts: every arm with its tuned settings."""
    return {arm: (arm, tuned(arm)) for arm in arms}


def tuning(arms: Sequence[str]) -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return the models of a tuning seed: every arm with every setting of the grid."""
    return {tuning_name(arm, of): (arm, of) for arm in arms for of in GRID}


def tuning_name(arm: str, settings: Mapping[str, float]) -> str:
    """Return the name of a model of a tuning seed."""
    return f"{arm}-{settings['learning_rate']:g}"


def tuned(arm: str) -> Mapping[str, float]:
    """Return an arm's settings: those with the best greedy mean over the tuning seeds; of equals, the lowest rate.

    Raises:
        SystemExit: if the arm is not tuned on all of these seeds.
    """
    seeds = [kept.read(KEPT).get(str(seed), {}).get("scores", {}) for seed in TUNING_SEEDS]
    if not all(tuning_name(arm, of) in scores for of in GRID for scores in seeds):
        raise SystemExit(f"{arm} is not tuned on seeds {TUNING_SEEDS}; run --tune --arms {arm} first")
    return max(GRID, key=lambda of: fmean(kept.solved(scores[tuning_name(arm, of)]) for scores in seeds))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS))
    parser.add_argument("--tune", action="store_true", help="try the grid for the arms on the tuning seeds")
    options = parser.parse_args()
    one_thread()
    for seed in TUNING_SEEDS if options.tune else options.seeds:
        work(options.folder, POLICY, seed, tuning(options.arms) if options.tune else counted(options.arms))


if __name__ == "__main__":
    main()
