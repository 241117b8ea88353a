"""The slips that a cell can have: each kind once, the layout kept, hostile code refused."""

from __future__ import annotations

import ast
import warnings
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.blocks import Block
from sandbox.solution import Solution
from scdpo.corrupt import mutation_candidates
from scdpo.corrupt.mutation.stated import contradiction, departs_from_plan
from scdpo.corrupt.mutation.syntax import MAX_CODE_CHARACTERS, mutate
from scdpo.corrupt.mutation.weights import KIND_WEIGHTS


def changes(code: str, *, kind: str | None = None, earlier: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    return {(m.before, m.after) for m in mutate(code, 0, earlier) if kind in (None, m.kind)}


@pytest.mark.parametrize(
    ("code", "kind", "change"),
    [
        ("x = a + b", "operator", ("a + b", "a - b")),
        ("x = a - b", "operator", ("a - b", "a + b")),
        ("x = a * b", "operator", ("a * b", "a / b")),
        ("x = a // b", "operator", ("a // b", "a % b")),
        ("x = r**2", "operator", ("r**2", "r*2")),
        ("x = a - b", "swapped_operands", ("a - b", "b - a")),
        ("x = (a + b) / c", "lost_parentheses", ("(a + b) / c", "a + b / c")),
        ("x = a + b", "dropped_term", ("a + b", "a")),
        ("x = n - 1", "off_by_one", ("n - 1", "n")),
        ("range(1, n + 1)", "off_by_one", ("range(1, n + 1)", "range(1, n)")),
        ("range(10)", "off_by_one", ("range(10)", "range(9)")),
        ("x = 37 * y", "constant", ("37", "38")),
        ("x = 5 * y", "constant", ("5", "4")),
        ("x = 0.25 * y", "constant", ("0.25", "0.52")),
        ("y = x / 100", "constant", ("100", "10")),
        ("if a < b:\n    pass", "comparison", ("a < b", "a <= b")),
        ("x = sum(v)", "wrong_function", ("sum(v)", "max(v)")),
        ("x = math.floor(v)", "wrong_function", ("math.floor(v)", "math.ceil(v)")),
        ("from sympy import *\nx = sin(v)", "wrong_function", ("sin(v)", "cos(v)")),
        ("x = sqrt(v)", "dropped_function", ("sqrt(v)", "v")),
        ("x = Fraction(a, b)", "swapped_arguments", ("Fraction(a, b)", "Fraction(b, a)")),
        ("x = roots[0]", "wrong_element", ("roots[0]", "roots[1]")),
        ("for i in v:\n    t += i", "dropped_line", ("t += i", "")),
        ("a = 1\nb = 2\nc = 3\nx = a + b", "added_term", ("a + b", "a + b + c")),
        ("pens = 14\nbooks = 5\nx = pens - books", "swapped_premises", ("14", "5")),
    ],
)
def test_each_kind_of_slip_is_found(code: str, kind: str, change: tuple[str, str]) -> None:
    assert change in changes(code, kind=kind)


def test_nothing_is_added_to_a_product() -> None:
    assert changes("a = 1\nb = 2\nc = 3\nx = a * b", kind="added_term") == set()


def test_exchanged_numbers_change_both_lines() -> None:
    (swapped,) = (m for m in mutate("pens = 14\nbooks = 5\nx = pens - books", 0) if m.exchanged)
    assert swapped.code == "pens = 5\nbooks = 14\nx = pens - books"
    assert swapped.exchanged == ("14", "5")


def test_kinds_come_as_often_as_models_make_them() -> None:
    code = "a = 12\nb = 7\nc = 5\nx = a + b"
    first = Counter(mutate(code, seed)[0].kind for seed in range(400))
    weights = {kind: KIND_WEIGHTS[kind] for kind in {m.kind for m in mutate(code, 0)}}
    for kind, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(first[kind] / 400 - share) < 4 * (share * (1 - share) / 400) ** 0.5, kind


def test_a_variable_is_mistaken_for_one_of_similar_name() -> None:
    code = "cats = 3\ncost_red = 4\ncost_blue = 5\ntotal = cats * cost_red"
    assert ("cost_red", "cost_blue") in changes(code, kind="variable")
    assert ("cost_red", "cats") not in changes(code, kind="variable")


def test_variables_of_earlier_cells_can_be_mistaken_too() -> None:
    assert ("width", "height") in changes(
        "area = width * 2", kind="variable", earlier=("width = 3\nheight = 4",)
    ) | {(b, a) for b, a in changes("width = 3\narea = width * 2", kind="variable", earlier=("height = 4",))}


def test_a_variable_is_not_mistaken_for_one_the_line_already_uses() -> None:
    assert changes("a = 1\nb = 2\nc = a + b", kind="variable") == set()


@pytest.mark.parametrize(
    "code",
    [
        "import math",
        "name = 'a + 1'",
        "f'{a + 1}'",
        "total",
        "a, b",
        "x: int",
        "x = symbols('x')",
        "print('3 + 4')",
    ],
)
def test_text_names_and_what_is_only_shown_stay(code: str) -> None:
    assert changes(code) == set()


def test_exponents_and_numbers_of_digits_stay() -> None:
    assert not {before for before, _ in changes("x = round(y**2, 3)", kind="constant")}


def test_the_layout_and_comments_of_the_cell_stay() -> None:
    code = "# Given\na = 3  # apples\n\nb  =  4\nc = ( a+b )   # both"
    for mutation in mutate(code, 0):
        assert mutation.code.startswith("# Given\n")
        assert mutation.code != code


def test_a_comment_that_states_the_operation_follows_it() -> None:
    sums = [m for m in mutate("# total = boys + girls\ntotal = boys + girls", 0) if m.after == "boys - girls"]
    assert [m.code for m in sums] == ["# total = boys - girls\ntotal = boys - girls"]


def test_every_mutation_differs_and_is_python() -> None:
    code = "a = 12\nb = a * 3 - 4\nfor i in range(2, b):\n    a += i\nmax(a, b)"
    mutations = mutate(code, 3)
    assert len({m.code for m in mutations} | {code}) == len(mutations) + 1
    for mutation in mutations:
        ast.parse(mutation.code)


def test_the_seed_alone_decides_the_order() -> None:
    code = "a = 12\nb = a * 3 - 4\nc = a + b"
    assert mutate(code, 5) == mutate(code, 5)
    assert any(mutate(code, 5) != mutate(code, seed) for seed in range(6, 12))


@pytest.mark.parametrize(
    "code",
    [
        "(" * 2999,
        "(" * 900 + "1" + ")" * 900,
        "-" * 2999 + "1",
        "x" + "[0" * 1400,
        "x" + ".a" * 1400,
        "lambda:" * 400 + "1",
        "**".join(["x"] * 900),
        "1 if x else " * 240 + "2",
        'f"{' * 900,
        "{" * 2999,
        "\x00",
        "%time x = 1",
        "!ls",
        "a = (",
        "x = 1 + 2\n" * 400,
        "\ud800 = 1",
    ],
)
def test_hostile_or_broken_code_has_no_mutations(code: str) -> None:
    assert mutate(code, 0) == []


def test_a_cell_longer_than_the_limit_has_no_mutations() -> None:
    padding = "#" * (MAX_CODE_CHARACTERS - len("x = a + b\n"))
    assert mutate("x = a + b\n" + padding, 0)
    assert mutate("x = a + b\n" + padding + "#", 0) == []


@settings(max_examples=60)
@given(st.text(alphabet="ab12+-*/%()[]=<>:., \n#'\"\\", max_size=60), st.integers(0, 3))
def test_any_text_gives_mutations_that_parse_or_none(code: str, seed: int) -> None:
    for mutation in mutate(code, seed):
        assert mutation.code != code
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(mutation.code)


@settings(max_examples=60)
@given(st.text(alphabet="ab12+-*/%()[]=.,\n# ", max_size=60), st.text(alphabet="12+-*/=. ", max_size=20))
def test_any_mutation_can_be_held_against_any_plan(code: str, plan: str) -> None:
    for mutation in mutate(code, 0):
        contradiction(mutation, plan)
        departs_from_plan(mutation, plan)


def test_a_number_in_parentheses_is_a_number() -> None:
    (mutation, *_) = [m for m in mutate("x = y * (37)", 0) if m.kind == "constant"]
    assert (mutation.before, mutation.literal) == ("37", True)
    assert contradiction(mutation, "There are 37 of them.") == "stated_in_text"


def test_candidates_are_those_of_the_cell_after_the_step() -> None:
    solution = Solution(
        (Block("text", "t"), Block("code", "x = 3 * 4"), Block("execution", ""), Block("text", "u"))
    )
    assert any(m.after == "3 + 4" for m in mutation_candidates(solution, 0, seed=0))
    assert list(mutation_candidates(solution, 1, seed=0)) == []


def test_candidates_need_a_step_that_has_one_after_it() -> None:
    solution = Solution((Block("text", "t"), Block("code", "x = 3 * 4")))
    with pytest.raises(IndexError, match="no step follows"):
        list(mutation_candidates(solution, 1, seed=0))
