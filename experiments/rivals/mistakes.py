"""In which step a wrong solution of the routes policy first goes wrong: the first whose value no right route has.

A step is a cell; its value is what it prints, under the name that it assigns. Not covered: a slip that happens to give
the value of another right route.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from experiments.routes.plans import plan
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import BlockRecord, SolutionRecord

SOLVED, ANSWER = "0", "a"
"""Marks of a solution that is right, and of one that goes wrong in its answer alone, or has none."""
LATEST = 9
"""Steps from this one on share a mark."""
_DRAWS = 60
"""Plans drawn a problem, so that each of its few routes is among them."""
_ASSIGNED = re.compile(r"(\w+) = ")
Values = frozenset[tuple[str, str]]


def right_values(item: GeneratedProblem) -> Values:
    """Return the names and values that steps of right solutions have, by any route."""
    found = set()
    for draw in range(_DRAWS):
        names: dict[str, int] = {}
        for move in plan(item.problem.source, item.metadata, random.Random(draw)):
            names[move.name] = move.value(names, move.expression)
            found.add((move.name, str(names[move.name])))
    return frozenset(found)


def first_mistake(blocks: Sequence[BlockRecord], right: Values) -> int:
    """Return the number of the first step, from 1 on, whose value no right route has; 0 if there is none."""
    number, name = 0, ""
    for block in blocks:
        if block.type == "code":
            number += 1
            assigned = _ASSIGNED.match(block.content)
            name = assigned.group(1) if assigned else ""
        elif block.type == "execution" and (name, block.content.strip()) not in right:
            return number
    return 0


def marks(items: Iterable[GeneratedProblem], solutions: Mapping[str, SolutionRecord]) -> str:
    """Return a mark a problem: `SOLVED`, the first wrong step of its solution (at most `LATEST`), or `ANSWER`.

    Args:
        items: the problems, in the order of the marks.
        solutions: one of each, by problem id.
    """
    return "".join(_mark(item, solutions[item.problem.id]) for item in items)


def _mark(item: GeneratedProblem, solution: SolutionRecord) -> str:
    if solution.verdict.status == "correct":
        return SOLVED
    wrong = first_mistake(solution.blocks, right_values(item))
    return str(min(wrong, LATEST)) if wrong else ANSWER
