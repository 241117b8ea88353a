"""Operators are not read as letters that are multiplied, in whose product the order does not matter."""

import pytest

from verifier.comparison.equal import compare_answers

OPERATORS = [r"\circ", r"\supset", r"\supseteq", r"\gg", r"\ll", r"\prec", r"\Leftarrow", r"\leftarrow", r"\nmid", r"\mapsto", r"\perp", r"\subset", r"\to"]  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_sides_of_an_operator_are_not_exchanged(operator: str) -> None:
    assert compare_answers(f"a{operator} b", f"b {operator} a").status == "unverifiable"
    assert compare_answers(f"a{operator} b", f"a  {operator} b").correct
    assert not compare_answers(f"a{operator} b", "ab").correct


def test_a_cross_product_is_not_turned_round() -> None:
    assert not compare_answers(r"\vec a\times\vec b", r"\vec{b}\times\vec{a}").correct
    assert compare_answers(r"2\times3", "6").correct


def test_statements_are_no_lists() -> None:
    assert not compare_answers(r"p\land q", r"p\lor q").correct
    assert compare_answers(r"\neg p\land q", r"q\land\neg p").correct
    assert compare_answers(r"x=1 \lor x=2", "x=2, x=1").correct


@pytest.mark.parametrize("degrees", [r"90\circ", r"90^\circ", r"90^{\circ}", "90°"])
def test_a_circle_after_a_number_is_a_degree_sign(degrees: str) -> None:
    assert compare_answers(degrees, r"\frac{\pi}{2}").correct


def test_a_symbol_may_stand_for_a_thing() -> None:
    assert compare_answers(r"2\heartsuit", r"\heartsuit+\heartsuit").correct
