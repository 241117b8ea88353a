"""Notations that are read as what they mean, and what may be read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import verify
from verifier.comparison.equal import compare_answers


@given(st.integers(0, 99), st.integers(1, 99))
def test_a_decimal_that_goes_on_repeats_its_cycle(start: int, cycle: int) -> None:
    value = f"{start * 99 + cycle}/{99 * 100}"
    for written in (
        f"0.{start:02}\\overline{{{cycle:02}}}",
        f"0.{start:02}{cycle:02}{cycle:02}{cycle:02}...",
    ):
        if start != cycle or "over" in written:
            assert compare_answers(written, value).correct, written


@pytest.mark.parametrize(("a", "b"), [(r"0.\dot{3}", "1/3"), (r"0.1\dot{6}", "1/6"), (r"0.\dot{1}4285\dot{7}", "1/7"), ("0.333...", "1/3"), (r"0.1666\ldots", "1/6")])  # fmt: skip
def test_repeating_decimals(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("0.333...", "0.333"), ("3.14...", "3.14"), ("1, 2, 3, ...", "1, 2, 3"), ("2024-01-02", "2021")])  # fmt: skip
def test_what_goes_on_is_not_what_stands_there(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


def test_intervals_may_be_listed() -> None:
    assert compare_answers(r"(-\infty,1),(2,\infty)", r"(-\infty,1)\cup(2,\infty)").correct
    assert not compare_answers(r"(-\infty,1),(3,\infty)", r"(-\infty,1)\cup(2,\infty)").correct
    assert not compare_answers("(0,0)", r"\emptyset").correct


def test_infinity_may_be_a_word() -> None:
    assert compare_answers(r"\text{infinity}", r"\infty").correct
    assert not compare_answers(r"\text{infinity}", r"-\infty").correct


@pytest.mark.parametrize(
    ("a", "b"), [(r"\frac12 h(a+b)", r"\frac{(a+b)h}{2}"), ("P(1+r)^2", "P+2Pr+Pr^2"), ("Q(R-r)", "QR-Qr")]
)
def test_letters_that_stand_alone_elsewhere_are_factors(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(
    ("a", "b"), [("P(1+r)^2", "P(1+2r+r^2)"), ("f(x+1)", "f(x)+f(1)"), ("f(x+1)", "fx+f")]
)
def test_letters_before_brackets_may_be_either(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"


@pytest.mark.parametrize(("a", "b"), [("f(x)", "g(x)"), ("P(1+r)^2", "P(1+r)^3"), ("f(2)", "f(3)")])
def test_functions_differ(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"


@pytest.mark.parametrize(
    "gold", ["5 per minute", "5 km per hour", "3 boys and 5 girls", "20 percent increase per year"]
)
def test_a_gold_answer_in_a_few_words_is_taken_whole(gold: str) -> None:
    verdict = verify(f"\\boxed{{{gold}}}", gold)
    assert verdict.correct
    assert verdict.gold == gold
    assert not verify(r"\boxed{5 per hour}", "5 per minute").correct


@pytest.mark.parametrize(
    ("a", "b"),
    [("5 3 -2", "5, 3, -2"), (r"\textbf{(C)}\ 12", "12"), ("6.02 x 10^23", r"6.02\times10^{23}"), ("(1011)_2", "1011_2"), ("x^2+c", "x^2+C"), ("y=2, x=1", "(1,2)"), ("a rectangle", "rectangle"), ("①、③", "①③"), (r"n\pi, n\in\mathbb{Z}", r"k\pi, k\in\mathbb{Z}"), (r"n\pi, n\in Z", r"n\pi"), (r"x\in\{1,2\}", "1, 2")],
)  # fmt: skip
def test_other_ways_to_write_an_answer(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("x^2+k", "x^2+C"), ("③①", "①③")])
def test_what_may_be_the_same_is_left_open(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"


@pytest.mark.parametrize(
    ("a", "b"), [("x^2+c", "2x^2+C"), ("①③", "①②"), (r"\textbf{(C)}\ 12", "13"), ("y=1, x=2", "(1,2)")]
)
def test_other_answers_differ(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"
