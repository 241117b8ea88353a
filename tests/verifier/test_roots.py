"""Zeros of an expression in one letter."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import inf

import pytest

from verifier.parsing.parser import parse
from verifier.values.roots import ROOT_WIDTH, Line

GRID = [Fraction(k, 7) for k in range(-60, 61)]


def roots(formula: str, **rest: int) -> list[Fraction]:
    return list(Line(parse(formula), "x", {n: Fraction(v) for n, v in rest.items()}).roots(GRID, inf))


@pytest.mark.parametrize(
    ("formula", "zeros"),
    [
        ("x^2-2", [-(2**0.5), 2**0.5]),
        ("(x+3)(x-1/3)(x-5)", [-3, 1 / 3, 5]),
        (r"\left|x\right| - y", [-2.2, 2.2]),
        (r"\ln x", [1]),
        ("x^{99}-1", [1]),
        (r"e^x - 1000", [6.907755278982137]),
        ("x^2+1", []),
    ],
)
def test_zeros_are_found_from_left_to_right(formula: str, zeros: list[float]) -> None:
    formula = formula.replace("y", "2.2")
    assert [float(x) for x in roots(formula)] == pytest.approx(zeros, abs=1e-15, rel=1e-15)


def test_a_zero_lies_within_the_width() -> None:
    for x in roots("x^2-2"):
        below, above = (abs(x) - ROOT_WIDTH) ** 2, (abs(x) + ROOT_WIDTH) ** 2
        assert below <= 2 <= above


@pytest.mark.parametrize("formula", ["1/x", r"\tan x - \tan x + 1/(x-1/3)", r"\frac{x}{\left|x\right|}"])
def test_a_pole_is_no_zero(formula: str) -> None:
    assert roots(formula) == []


@pytest.mark.parametrize("formula", ["f(x)-1/2", "a_{x}", r"\sum_{k=0}^{5} f(kx)"])
def test_an_unknown_function_of_the_letter_has_no_zeros(formula: str) -> None:
    assert roots(formula) == []


def test_an_unknown_function_of_another_letter_is_a_number() -> None:
    assert len(roots("10x - f(y)", y=3)) == 1


@pytest.mark.parametrize(
    "formula", [r"\sin(3x)", r"x^3-7x+1", r"\left|x^2-4\right|-1", r"x\cos x-1/7", r"2^x-x-3"]
)
def test_passing_over_stretches_misses_no_change_of_sign(formula: str) -> None:
    line = Line(parse(formula), "x", {})
    values = [(x, line.at(x)) for x in GRID]
    changes = sum(
        a is not None and b is not None and (a > 0) != (b > 0) for (_, a), (_, b) in pairwise(values)
    )
    exact = sum(v is not None and bool(v.contains(0)) for _, v in values)
    assert len(roots(formula)) == changes if not exact else len(roots(formula)) >= exact
