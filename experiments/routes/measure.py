"""Show that the second policy leaves step control something to control, beside the built-in model.

    python -m experiments.routes.measure runs/routes          # results/routes.json, which the page shows

Both policies sample the preference problems of a seed that no study uses and are paired as the paper does; counted is
in how many cells the two sides of a naive pair differ, and of a few pairs the value of every place: the share of
roll-outs from it that end right. Both solve held-out problems greedily.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.dose import POLICY, RESULTS
from experiments.problem_sets import SEEN
from experiments.routes.problems import routes_problems
from experiments.stages import Policy, estimate_values, one_thread, sample, solve
from experiments.studies import BUILT_IN
from scdpo.corrupt.values import ValueSettings, value_places
from scdpo.data.problems import Problem, generate
from scdpo.data.records import BlockRecord, PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings

SEED = 200
PROBLEMS = 40
TESTS = 200
MANY = 4
"""Cells from which on the page counts a pair as differing in many."""
VALUED = 5
"""Naive pairs whose values are estimated, each of another problem."""
ROLLOUTS = 16
"""From every place."""
_SHOWN = re.compile(r"\n(\w+|print\(\w+\))$")
"""Takes ``total`` from ``total = a + b\\ntotal`` and leaves the one line of ``total = a + b``."""


def cells(blocks: Sequence[BlockRecord]) -> list[str]:
    """Return the code of each cell without a last line that shows a value: ``x`` and ``print(x)`` are one."""
    return [_SHOWN.sub("", block.content.strip()) for block in blocks if block.type == "code"]


def differing_cells(pair: PairRecord) -> int:
    """Return at how many places the cells of a pair's sides differ; a cell that one side lacks differs."""
    return sum(one != other for one, other in zip_longest(cells(pair.chosen), cells(pair.rejected)))


def values(run: Run, policy: Policy, pairs: Sequence[PairRecord]) -> list[dict[str, Any]]:
    """Return, for both sides of a few pairs, the percent of roll-outs that end right, from each place in order."""
    wanted = list({pair.problem_id: pair for pair in reversed(pairs)}.values())[-VALUED:]
    with Run(run.folder / "valued") as few:
        for pair in wanted:
            few.solutions.append(run.solutions.get(pair.origin.chosen_id))
            few.solutions.append(run.solutions.get(pair.origin.rejected_id))
            few.pairs.append(pair)
        estimate_values(few, policy, ValueSettings(ROLLOUTS, SEED))
        known = {(value.solution_id, value.step): 100 * value.right / value.tried for value in few.values}
        return [
            {
                "problem": solution.problem_id,
                "right": solution.preferred,
                "values": [
                    known[solution.id, place]
                    for place in value_places(solution)
                    if (solution.id, place) in known
                ],
            }
            for solution in few.solutions
        ]


def measure(folder: Path, policy: Policy, preference: list[Problem], tests: list[Problem]) -> dict[str, Any]:
    """Sample, pair and solve with one policy; return its figures."""
    with Run(folder) as run:
        sample(run, policy, preference, NaiveSettings(at_most=16, seed=SEED))
        pairs = [pair for pair in run.pairs if pair.kind == "naive"]
        solutions = list(run.solutions)
        valued = values(run, policy, pairs)
        greedy = solve(run, "policy", policy, "greedy", tests, SEED)
    differing = [differing_cells(pair) for pair in pairs]
    return {
        "pairs": len(pairs),
        "differing": dict(sorted(Counter(differing).items())),
        "one": 100 * fmean(count == 1 for count in differing),
        "many": 100 * fmean(count >= MANY for count in differing),
        "mean": fmean(differing),
        "cells": fmean(len(cells(solution.blocks)) for solution in solutions),
        "greedy": 100 * fmean(greedy.scores.values()),
        "tests": len(tests),
        "values": valued,
    }


def main() -> None:
    """Measure both policies and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the run folders of both policies")
    folder = parser.parse_args().folder
    one_thread()
    found = {}
    for name, policy in (("built-in", BUILT_IN), ("routes", POLICY)):
        wanted, tests = (
            _problems(name, split, count) for split, count in (("preference", PROBLEMS), ("test", TESTS))
        )
        found[name] = measure(folder / f"measured-{name}", policy, wanted, tests)
    (RESULTS / "routes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def _problems(name: str, split: Any, count: int) -> list[Problem]:
    made = generate(SEEN, split, SEED) if name == "built-in" else routes_problems(split, SEED)
    return [item.problem for item in islice(made, count)]


if __name__ == "__main__":
    main()
