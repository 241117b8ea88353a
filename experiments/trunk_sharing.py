r"""Whether the tree trains as good a model as the plain path at equal optimizer steps, over several seeds.

    python -m experiments.trunk_sharing runs/trunk-sharing

For each seed, pairs of the built-in model are made once, and trained on twice with the same settings, with
``share_trunk`` and without. Loss and gradient of a batch are the same; which pairs meet in a batch is not: the tree
keeps the pairs of a problem together, so that fewer problems stand in a step. Both models solve the same held-out
problems greedily. The figures are kept in ``results/trunk_sharing.json``. Not covered: larger models, and speed
(``benchmarks/trainer.py``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.problem_sets import preference_problems
from experiments.report import mean_and_half_width
from experiments.stages import Policy, branch, evaluate_on, one_thread, sample, train_on
from experiments.studies import BUILT_IN, scdpo_pairs
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings

PATHS = {"tree": True, "plain": False}
SETTINGS = {"learning_rate": 2e-4, "beta": 0.3, "per_device_train_batch_size": 16, "num_train_epochs": 4}
"""The tuned settings of SCDPO on few problems, with batches small enough for ten steps and more."""
KEPT = Path(__file__).parent / "results" / "trunk_sharing.json"


def measure(folder: Path, seed: int, problems: int, tests: int) -> dict[str, float]:
    """Make a seed's pairs, train on both paths, and test both.

    Returns:
        Solved, in percent, with each path, and the pairs.
    """
    found: dict[str, float] = {}
    with Run(folder / f"seed-{seed}") as run:
        source = preference_problems(seed, problems)
        sample(run, BUILT_IN, source, NaiveSettings(at_most=16, seed=seed))
        branch(run, BUILT_IN, BranchSettings(attempts=4, steps=2, seed=seed))
        pairs = scdpo_pairs(run)
        for path, share in PATHS.items():
            model = run.folder / "models" / path
            train_on(pairs, BUILT_IN, model, "scdpo", seed, {**SETTINGS, "share_trunk": share})
            trained = Policy(model, BUILT_IN.format)
            solved = evaluate_on(run, path, trained, "seen", seed, tests).accuracy
            assert solved is not None
            found[path] = 100 * solved.value
        found["pairs"] = len(pairs)
    return found


def summary(seeds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the means of both paths and of their difference, each with Student's 95 % half width."""
    columns = {path: [seed[path] for seed in seeds] for path in PATHS}
    columns["tree - plain"] = [seed["tree"] - seed["plain"] for seed in seeds]
    return {
        name: [round(figure, 2) for figure in mean_and_half_width(values)] for name, values in columns.items()
    }


def main() -> None:
    """Read the options, measure every seed, and keep what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=24, help="whose pairs are trained on")
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where the figures go")
    options = parser.parse_args()
    one_thread()
    seeds = []
    for seed in range(options.seeds):
        seeds.append(measure(options.folder, seed, options.problems, options.tests))
        print(json.dumps({"seed": seed, **seeds[-1]}), flush=True)
    found = {"problems": options.problems, "tests": options.tests, "seeds": seeds}
    if len(seeds) > 1:
        found["means"] = summary(seeds)
    options.kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found.get("means", seeds[0])))


if __name__ == "__main__":
    main()
