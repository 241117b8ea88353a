"""Names and numbers before an answer come off only where they are names and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.comparison.equal import compare_answers


@given(st.integers(2, 9), st.integers(2, 99))
def test_a_factor_in_brackets_is_no_number_of_a_part(a: int, b: int) -> None:
    for product in (f"({a})({b})", f"({a}){b}", f"({a}) ({b})"):
        assert compare_answers(product, str(a * b)).correct
        assert not compare_answers(product, str(b)).correct


@pytest.mark.parametrize(("a", "b"), [(r"(2)\sqrt3", r"2\sqrt3"), ("(2)(x+1)", "2x+2"), ("(4)x", "4x"), (r"(a)\frac12", "a/2"), ("(5)!", "120"), (r"(2)\pi", r"2\pi")])  # fmt: skip
def test_brackets_are_factors(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(
    ("a", "b"), [("(1) 5", "5"), ("(2) x=5", "x=5"), ("(2)x=5", "5"), ("(b) 7", "7"), ("(1). 5", "5")]
)
def test_numbers_of_parts_come_off(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@given(st.integers(-99, 99), st.integers(1, 99))
def test_a_minus_sign_between_numbers_subtracts(a: int, b: int) -> None:
    assert compare_answers(f"{a} -{b}", str(a - b)).correct
    assert not compare_answers(f"{a} -{b}", f"{a},-{b}").correct


@pytest.mark.parametrize(
    ("a", "b"), [("f(2)=5", "f(3)=5"), ("P(A)=0.5", "P(B)=0.5"), ("f(2)=5", "g(2)=5"), ("f(x)=3", "f(5)=3")]
)
def test_a_value_has_its_own_name(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"
    assert compare_answers(a, a.split("=")[1]).correct


@pytest.mark.parametrize(
    ("a", "b"), [("f(x)=2x", "y=2x"), ("f(t)=2t", "2t"), ("|AB|=3", "3"), (r"\sin\alpha=\frac35", "0.6")]
)
def test_names_may_be_left_out(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


def test_an_equation_for_a_size_is_no_name_of_a_value() -> None:
    assert not compare_answers("|x|=3", "3").correct
