"""A run of solutions that the planner wrote, right and wrong in turn, with their naive pairs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.routes.demonstrations import written
from experiments.routes.plans import plan
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import naive_pairs
from scdpo.data.runs import Run


def planned_run(folder: Path, problems: Iterable[Any], slips: tuple[int, ...]) -> Run:
    """Return a run with six right solutions per problem and six that have `slips`."""
    made = Run(folder)
    for item in problems:
        solutions = []
        for number in range(12):
            rng = random.Random(number)
            moves = plan(item.problem.source, item.metadata, rng)
            name = f"{item.problem.id}#{number}"
            text, _ = written(moves, slips if number % 2 else (), rng)
            solutions.append(
                as_record(text, item.problem.question, item.problem.gold, id=name, problem_id=item.problem.id)
            )
        for record in solutions:
            made.solutions.append(record)
        for pair in naive_pairs(solutions, per_problem=2):
            made.pairs.append(pair)
    return made
