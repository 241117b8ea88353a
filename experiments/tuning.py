"""Try the same settings for each main method of a study, on a seed that the replication does not use.

    python -m experiments.tuning runs/tuning                            # results/tuning.json, which the page shows
    python -m experiments.tuning runs/tuning --study chain-of-thought

Every method is trained with every setting of `GRID` on its own pairs of the seed and solves the same held-out
problems greedily; the studies hold the best of each. Not covered: settings of the sampling, and those of ablations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.stages import Policy, evaluate_on, make_pairs, one_thread, train_on
from experiments.studies import STUDIES, Study
from scdpo.data.runs import Run

SEED = 100
TESTS = 600
GRID: Sequence[Mapping[str, Any]] = (
    {"learning_rate": 1e-4},
    {"learning_rate": 2e-4},
    {"learning_rate": 4e-4},
    {"learning_rate": 2e-4, "beta": 0.3},
)
RESULTS = Path(__file__).parent / "results" / "tuning.json"


def try_all(folder: Path, study: Study) -> dict[str, Any]:
    """Train and evaluate every method with every setting.

    Returns:
        What came of it. Of each, ``solved`` is the share of the problems in percent, and ``endless`` that of the
        solutions that do not come to an end.
    """
    policy = study.policy
    methods: dict[str, dict[str, Any]] = {}
    with Run(folder / f"seed-{SEED}") as run:
        make_pairs(run, policy, SEED, study.problems)
        start = measured(run, "start", policy)
        for variant in study.main:
            pairs = variant.pairs(run)
            for settings in GRID:
                label = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
                path = run.folder / "models" / f"{variant.folder}-{label.replace(' ', '-').replace(',', '')}"
                train_on(pairs, policy, path, variant.method, SEED, {**study.shared, **settings})
                found = measured(run, f"{variant.name}, {label}", replace(policy, path=path))
                methods.setdefault(variant.name, {})[label] = found
                print(f"{variant.name}, {label}: {found['solved']:.1f} %", flush=True)
    return {"seed": SEED, "problems": TESTS, "start": start, "methods": methods}


def measured(run: Run, name: str, policy: Policy) -> dict[str, float]:
    """Evaluate a model on the problems that settings are chosen by."""
    found = evaluate_on(run, name, policy, "seen", SEED, TESTS)
    endless = TESTS - found.endings.get("end", 0)
    return {"solved": 100 * sum(found.scores.values()) / TESTS, "endless": 100 * endless / TESTS}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder for each study")
    parser.add_argument("--study", choices=STUDIES, default="code-integrated")
    options = parser.parse_args()
    one_thread()
    found = try_all(options.folder / options.study, STUDIES[options.study])
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[options.study] = found
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
