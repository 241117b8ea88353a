"""Demonstrations: every built-in problem has one, they hold in the sandbox, and slips are what they say."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from itertools import islice

import pytest

from experiments.embedded.demonstrations import Demonstration, checked, demonstrate, demonstrations
from experiments.embedded.demonstrations.gsm_symbolic import HABITUAL, TEMPLATES
from experiments.embedded.demonstrations.plan import Move, evaluate, write
from sandbox import Block, Sandbox, Solution
from scdpo.data.problems import EMBEDDED_FAMILIES, Problem, embedded_problems
from verifier import verify


@pytest.fixture(scope="module")
def made() -> list[Demonstration]:
    return list(demonstrations(islice(embedded_problems("train"), 600)))


def test_every_built_in_problem_can_be_solved() -> None:
    for item in islice(embedded_problems("test"), 1500):
        assert demonstrate(item, random.Random(0), habit=0, lapse=0) is not None, item.problem


def test_solutions_have_two_to_four_code_steps(made: list[Demonstration]) -> None:
    assert {len(item.solution.code_blocks) for item in made} == {2, 3, 4}


def test_text_code_and_output_take_turns(made: list[Demonstration]) -> None:
    for item in made:
        kinds = [block.type for block in item.solution.blocks]
        assert kinds == ["text", "code", "execution"] * (len(kinds) // 3) + ["text"]


def test_the_answer_is_right_unless_sloppy(made: list[Demonstration]) -> None:
    for item in made:
        assert verify(item.solution, item.problem.gold).correct != item.sloppy, item


def test_each_family_has_right_and_sloppy_ones(made: list[Demonstration]) -> None:
    counts = Counter((item.problem.source, item.sloppy) for item in made)
    assert set(counts) == {(family, sloppy) for family in EMBEDDED_FAMILIES for sloppy in (False, True)}


def test_everything_holds_in_the_sandbox(made: list[Demonstration]) -> None:
    with Sandbox() as box:
        assert list(checked(made[:250], box)) == made[:250]


def _with_blocks(item: Demonstration, *blocks: Block) -> Demonstration:
    return dataclasses.replace(item, solution=Solution(blocks))


def test_what_does_not_hold_is_left_out() -> None:
    right = Demonstration(
        Problem("p", "1+1?", "2"),
        Solution((Block("code", "a = 1 + 1\na"), Block("execution", "2"), Block("text", "$\\boxed{2}$"))),
        sloppy=False,
    )
    code, output, end = right.solution.blocks
    wrong = [
        _with_blocks(right, code, Block("execution", "3"), end),
        _with_blocks(right, code, output, Block("text", "$\\boxed{3}$")),
        _with_blocks(right, Block("code", "a = b\na"), output, end),
        dataclasses.replace(right, sloppy=True),
    ]
    with Sandbox() as box:
        assert list(checked([right, *wrong, right], box)) == [right, right]


def test_no_solution_can_lean_on_another_ones_names() -> None:
    problem = Problem("p", "q", "2")
    first = Solution((Block("code", "a = 2\na"), Block("execution", "2"), Block("text", "$\\boxed{2}$")))
    leaning = Solution((Block("code", "b = a\nb"), Block("execution", "2"), Block("text", "$\\boxed{2}$")))
    with Sandbox() as box:
        kept = list(checked([Demonstration(problem, s, False) for s in (first, leaning)], box))
    assert [item.solution for item in kept] == [first]


def test_the_table_and_the_mix_name_the_same_templates() -> None:
    assert set(TEMPLATES) == EMBEDDED_FAMILIES["gsm_symbolic"].templates
    assert set(TEMPLATES) > HABITUAL


def test_every_template_has_a_slip() -> None:
    assert all(any(row.count("|") == 2 for row in rows) for rows in TEMPLATES.values())


def test_the_draw_depends_on_problem_and_seed_only() -> None:
    items = list(islice(embedded_problems("train"), 50))
    forwards = list(demonstrations(items))
    assert list(demonstrations(reversed(items)))[::-1] == forwards
    assert list(demonstrations(items, seed=1)) != forwards


def test_a_slip_is_carried_to_the_end() -> None:
    moves = [
        Move("one", "a", "1 + 1", slip="1 - 1", habit=1.0),
        Move("two", "b", "a + 5", slip="a", habit=1.0),
    ]
    written = write(moves, random.Random(0))
    assert (written.slipped_at, written.answer) == (0, 5)
    assert [block.content for block in written.solution.blocks if block.type == "execution"] == ["0", "5"]


def test_arithmetic_is_what_python_says() -> None:
    assert evaluate("-(a + 2) * 3 // 2 - 2 ** 3 % 5", {"a": 7}) == -(7 + 2) * 3 // 2 - 2**3 % 5


@pytest.mark.parametrize("expression", ["f(1)", "1.5", "'a'", "a if b else c", "[1][0]"])
def test_anything_but_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        evaluate(expression, {"a": 1, "b": 1, "c": 1})
