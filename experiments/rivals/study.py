"""Study B: what people use, at equal sampled tokens.

    python -m experiments.rivals.study runs/rivals --tune          # every arm with every learning rate
    python -m experiments.rivals.study runs/rivals --seeds 0 1 2
    python -m experiments.rivals.study runs/built-in --ground built-in --seeds 0 1 2

What is compared and what counts as an answer was written down before (``experiments/PREREGISTERED.md``). A seed fixes
the problems, every sample, every training and the held-out problems, which all of its models solve greedily and at
temperature 1. Of every model its scores, tokens, optimizer steps and processor seconds are kept as soon as it is
tested; a run that was stopped goes on with those that are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from eval.results import transcripts_path
from experiments import kept
from experiments.dose import GRID
from experiments.rivals import mistakes, online, rounds
from experiments.rivals.grounds import GROUNDS, MODES, ROUNDS, Ground, tested
from experiments.rivals.online import ONLINE_ARMS
from experiments.rivals.rounds import ROUNDS_ARMS
from experiments.rivals.taken import Taken
from experiments.stages import Policy, one_thread, solve
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import RecordFile, Run

TUNING_SEEDS = (110, 111)
ARMS = {name: arm.name for name, arm in ROUNDS_ARMS.items()} | {
    name: arm.name for name, arm in ONLINE_ARMS.items()
}
"""Their names in tables."""
START = "start"


def make(
    arm: str, ground: Ground, folder: Path, shared: Path, seed: int, settings: Mapping[str, float]
) -> tuple[Policy, Taken]:
    """Train an arm's model; return it, and what it took. Arms of a seed that sample alike share their first round."""
    if arm in ROUNDS_ARMS:
        return rounds.work(ROUNDS_ARMS[arm], ground, folder, shared, seed, settings)
    stream = [item for some in ground.preference(seed) for item in some]
    return online.work(
        ONLINE_ARMS[arm], ground.policy, folder, stream, ROUNDS * ground.tokens, seed, settings
    )


def work(
    folder: Path, ground: Ground, seed: int, jobs: Mapping[str, tuple[str, Mapping[str, float]]]
) -> None:
    """Train and test the models of a seed whose scores are not kept yet.

    Args:
        folder: holds a folder for each seed.
        ground: the model to start from, the problems, and where scores are kept.
        seed: fixes everything.
        jobs: by the name of a model in the kept scores, its arm and its settings.
    """
    with Run(folder / f"seed-{seed}") as run:
        if not _known(ground, START, seed):
            test(run, ground, ground.policy, START, seed, Taken())
        for model, (arm, settings) in jobs.items():
            if _known(ground, model, seed):
                continue
            own = run.folder / "arms" / model
            trained, took = make(arm, ground, own, run.folder, seed, settings)
            test(run, ground, trained, model, seed, took)


def test(run: Run, ground: Ground, policy: Policy, model: str, seed: int, took: Taken) -> None:
    """Solve a seed's held-out problems; keep the scores, and what is told of the model.

    That is what it took, how its solutions ended, how many never did by themselves, and where they first go wrong
    (`mistakes.marks`) if that is known.
    """
    items = ground.held_out(seed)
    told: dict[str, Any] = {**asdict(took), "seconds": round(took.seconds)}
    for mode, suffix in MODES.items():
        evaluation = solve(run, model, policy, mode, [item.problem for item in items], seed)
        solved = evaluation.scores
        print(f"seed {seed}, {model}, {mode}: {sum(solved.values()):.0f} of {len(solved)}", flush=True)
        told["endings"] = dict(evaluation.endings)
        told["endless"] = len(items) - evaluation.endings.get("end", 0)
        if ground.finds_mistakes:
            transcripts = RecordFile(transcripts_path(run.folder, evaluation.name), SolutionRecord)
            told["mistakes"] = mistakes.marks(items, {record.problem_id: record for record in transcripts})
            transcripts.close()
        kept.keep(ground.kept, seed, model + suffix, solved, told)
        told = {}


def _known(ground: Ground, model: str, seed: int) -> bool:
    return tested(kept.read(ground.kept).get(str(seed), {}), model)


def counted(ground: Ground, arms: Sequence[str]) -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return the models of a seed that counts: every arm with its tuned settings."""
    return {arm: (arm, tuned(ground, arm)) for arm in arms}


def tuning(arms: Sequence[str]) -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return the models of a tuning seed: every arm with every setting of the grid."""
    return {tuning_name(arm, of): (arm, of) for arm in arms for of in GRID}


def tuning_name(arm: str, settings: Mapping[str, float]) -> str:
    """Return the name of a model of a tuning seed."""
    return f"{arm}-{settings['learning_rate']:g}"


def tried(ground: Ground, arm: str) -> list[float] | None:
    """Return what an arm solves greedily with each setting of the grid, mean of the tuning seeds; None before that."""
    seeds = [kept.read(ground.kept).get(str(seed), {}) for seed in TUNING_SEEDS]
    names = [tuning_name(arm, settings) for settings in GRID]
    if not all(tested(of, name) for of in seeds for name in names):
        return None
    return [fmean(ground.solved(of, name, "greedy") for of in seeds) for name in names]


def tuned(ground: Ground, arm: str) -> Mapping[str, float]:
    """Return an arm's settings: those with the best greedy mean over the tuning seeds; of equals, the lowest rate.

    Raises:
        SystemExit: if the arm is not tuned on all of these seeds.
    """
    means = tried(ground, arm)
    if means is None:
        raise SystemExit(f"{arm} is not tuned on seeds {TUNING_SEEDS}; run --tune --arms {arm} first")
    return GRID[means.index(max(means))]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder for each seed")
    parser.add_argument("--ground", choices=GROUNDS, default="routes", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS))
    parser.add_argument("--tune", action="store_true", help="try the grid for the arms on the tuning seeds")
    options = parser.parse_args()
    one_thread()
    ground = GROUNDS[options.ground]
    for seed in TUNING_SEEDS if options.tune else options.seeds:
        jobs = tuning(options.arms) if options.tune else counted(ground, options.arms)
        work(options.folder, ground, seed, jobs)


if __name__ == "__main__":
    main()
