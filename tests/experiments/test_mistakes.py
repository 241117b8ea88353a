"""Where a solution of the routes policy first goes wrong, told from what its cells give."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from experiments.rivals.mistakes import first_mistake, marks, right_values
from experiments.routes.demonstrations import written
from experiments.routes.plans import plan
from experiments.routes.problems import routes_problems
from sandbox import Block, Solution
from scdpo.data.import_solutions import as_record
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import SolutionRecord

ITEMS = list(islice(routes_problems("test", 7), 40))


def solution(item: GeneratedProblem, slips: tuple[int, ...] = (), draw: int = 1000) -> SolutionRecord:
    """Return the planner's solution by a route that `right_values` need not have drawn with this seed."""
    rng = random.Random(draw)
    made, _ = written(plan(item.problem.source, item.metadata, rng), slips, rng)
    return record(item, made)


def record(item: GeneratedProblem, made: Solution) -> SolutionRecord:
    problem = item.problem
    return as_record(made, problem.question, problem.gold, id=f"{problem.id}#0", problem_id=problem.id)


@pytest.mark.parametrize("draw", range(1000, 1010))
def test_right_solutions_have_no_mistake_whatever_their_route(draw: int) -> None:
    assert not any(first_mistake(solution(item, draw=draw).blocks, right_values(item)) for item in ITEMS)


@pytest.mark.parametrize("slip", [0, 1, 2])
def test_a_slip_is_found_at_its_step_and_not_where_it_leads(slip: int) -> None:
    found = []
    for item in ITEMS:
        rng = random.Random(1000)
        if plan(item.problem.source, item.metadata, rng)[slip].slip:
            made = solution(item, (slip,))
            if made.verdict.status != "correct":
                found.append(first_mistake(made.blocks, right_values(item)))
    assert len(found) >= 20
    assert min(found) == slip + 1
    assert found.count(slip + 1) >= 0.9 * len(found)  # a slip may give what another route has right


def test_marks_tell_the_step_the_answer_alone_and_what_is_solved() -> None:
    right, misquoted, failed = ITEMS[:3]
    rows = [
        solution(right),
        record(misquoted, Solution((*solution(misquoted).solution.blocks[:-1], Block("text", "So $\\boxed{-1}$.")))),
        record(failed, Solution((
            Block("code", "total = c + d"), Block("execution", "NameError: name 'c' is not defined"),
            Block("text", "So $\\boxed{-1}$."),
        ))),
    ]  # fmt: skip
    assert marks(ITEMS[:3], {row.problem_id: row for row in rows}) == "0a1"
