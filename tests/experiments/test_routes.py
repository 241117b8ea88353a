"""The second policy's problems, routes, demonstrations and planner's pairs."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from experiments.embedded.demonstrations import checked
from experiments.routes.demonstrations import demonstrations, oracle_pairs, written
from experiments.routes.measure import cells, differing_cells
from experiments.routes.plans import HABIT, plan
from experiments.routes.problems import FAMILIES, routes_problems
from sandbox import Sandbox
from scdpo.data.problems import split_of
from scdpo.data.records import BlockRecord
from verifier import verify

PROBLEMS = list(islice(routes_problems("preference", 3), 120))


def test_every_route_gives_the_right_answer() -> None:
    for item in PROBLEMS:
        for draw in range(6):
            rng = random.Random(draw)
            moves = plan(item.problem.source, item.metadata, rng)
            assert str(written(moves, (), rng)[1]) == item.problem.gold, item.problem.question


@pytest.mark.parametrize("family", FAMILIES)
def test_a_problem_has_several_routes(family: str) -> None:
    item = next(item for item in PROBLEMS if item.problem.source == family)
    lengths = {len(plan(family, item.metadata, random.Random(draw))) for draw in range(30)}
    programs = {
        tuple(move.expression for move in plan(family, item.metadata, random.Random(draw)))
        for draw in range(30)
    }
    assert len(lengths) > 1
    assert len(programs) > 1
    assert min(lengths) >= 4
    assert max(lengths) <= 7  # the format takes 24 blocks: three a step, and the answer


def test_about_half_of_the_problems_tempt() -> None:
    free = [
        all(move.habit < HABIT for move in plan(item.problem.source, item.metadata, random.Random(0)))
        for item in PROBLEMS
    ]
    assert 0.4 < sum(free) / len(free) < 0.7


def test_demonstrations_hold_in_the_sandbox() -> None:
    made = list(demonstrations(PROBLEMS))
    with Sandbox() as box:
        assert list(checked(made, box)) == made
    assert 0.2 < sum(item.sloppy for item in made) / len(made) < 0.6


def test_a_solution_may_slip_more_than_once() -> None:
    item = next(item for item in PROBLEMS if item.problem.source == "legs")
    moves = plan("legs", item.metadata, random.Random(1))
    right, _ = written(moves, (), random.Random(0))
    wrong, _ = written(moves, (0, 2), random.Random(0))
    differing = [one != other for one, other in zip(right.code_blocks, wrong.code_blocks, strict=True)]
    assert [index for index, differs in enumerate(differing) if differs] == [0, 2]


def test_the_sides_of_a_planners_pair_differ_in_one_cell_and_begin_with_it() -> None:
    pairs = [pair for item in PROBLEMS[:30] for pair in oracle_pairs(item, 4, seed=0)]
    assert len(pairs) == len({pair.id for pair in pairs}) == 120
    for pair in pairs:
        assert differing_cells(pair) == 1
        assert (pair.chosen[0].type, pair.rejected[0].type) == ("code", "code")
        assert pair.chosen[0] != pair.rejected[0]
        assert verify(pair.chosen[-1].content, pair.gold).correct
        assert not verify(pair.rejected[-1].content, pair.gold).correct


def test_planners_pairs_depend_on_the_seed_alone() -> None:
    item = PROBLEMS[0]
    assert oracle_pairs(item, 4, seed=0) == oracle_pairs(item, 4, seed=0)
    assert oracle_pairs(item, 4, seed=0) != oracle_pairs(item, 4, seed=1)


def test_a_question_belongs_to_the_split_that_asks_for_it() -> None:
    for split in ("train", "preference", "test"):
        assert {split_of(item.problem.question) for item in islice(routes_problems(split, 5), 50)} == {split}


def test_the_line_that_shows_a_value_is_no_part_of_a_cell() -> None:
    shown = ["a = 1\na", "a = 1\nprint(a)", "a = 1"]
    assert set(cells([BlockRecord(type="code", content=code) for code in shown])) == {"a = 1"}
