"""Try the same settings for each main method, on a seed that the replication does not use.

    python -m experiments.tuning runs/tuning        # results/tuning.json, which the replication's page shows

Every method is trained with every setting of `GRID` on its own pairs of the seed and solves the same held-out
problems greedily; `experiments.replication.TUNED` holds the best of each. Not covered: settings of the sampling.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.replication import ABLATIONS, MAIN, PROBLEMS, START
from experiments.stages import evaluate_on, make_pairs, one_thread, train_on
from scdpo.problems import embedded_model_path
from scdpo.runs import Run

SEED = 100
TESTS = 400
LARGEST = {"learning_rate": 4e-4}
GRID: Sequence[Mapping[str, Any]] = (
    {"learning_rate": 1e-4},
    {"learning_rate": 2e-4},
    LARGEST,
    {**LARGEST, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.3]},
)
REMEDIES = tuple(v for v in ABLATIONS if v.name.endswith("the branch"))
"""Choices of SCDPO's pairs that were tried where it breaks, at the largest learning rate alone."""
RESULTS = Path(__file__).parent / "results" / "tuning.json"


def try_all(folder: Path) -> None:
    """Train and evaluate every method with every setting, and write what came of it to `RESULTS`.

    Of each, ``solved`` is the share of the problems in percent, and ``endless`` that of the solutions that do not come
    to an end.
    """
    with Run(folder / f"seed-{SEED}") as run:
        make_pairs(run, SEED, PROBLEMS)

        def measured(name: str, path: Path) -> dict[str, float]:
            found = evaluate_on(run, name, path, "seen", SEED, TESTS)
            endless = TESTS - found.endings.get("end", 0)
            return {"solved": 100 * sum(found.scores.values()) / TESTS, "endless": 100 * endless / TESTS}

        found: dict[str, Any] = {
            "seed": SEED,
            "problems": TESTS,
            START: measured(START, embedded_model_path()),
        }
        for number, settings in enumerate(GRID):
            label = ", ".join(f"{name} {value}" for name, value in settings.items())
            for variant in MAIN + REMEDIES * (settings == LARGEST):
                path = run.folder / "models" / f"{variant.folder}-{number}"
                train_on(variant.pairs(run), path, variant.method, SEED, settings)
                found.setdefault(variant.name, {})[label] = measured(f"{variant.name}, {label}", path)
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds the run folder of the seed")
    one_thread()
    try_all(parser.parse_args().folder)


if __name__ == "__main__":
    main()
