"""One table of functions: each of its lines holds for reading, exact values, balls and computer algebra alike."""

from fractions import Fraction

import pytest
import sympy

from verifier.functions_table import FUNCTIONS, SPELLINGS, exact_call
from verifier.parsing.parser import parse
from verifier.tree import Apply, NotRationalError, Num
from verifier.values.balls import Evaluator

POINTS = {"acosh": 3, "asec": 3, "acsc": 3, "coth": 2, "acot": 2, "max": 2, "min": 2, "gamma": 4}


@pytest.mark.parametrize("spelling", sorted(set(SPELLINGS) - {"log10", "log2"}))
def test_each_spelling_is_read_typed_and_as_a_command(spelling: str) -> None:
    if spelling.isalpha():
        assert parse(f"{spelling}(x)") == parse(f"\\{spelling}(x)")


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.ball and f.sympy], ids=lambda f: f.name)
def test_balls_agree_with_sympy(function: object) -> None:
    name = function.name  # type: ignore[attr-defined]
    values = (
        [Fraction(POINTS.get(name, Fraction(1, 3)))]
        if name not in ("binom", "max", "min")
        else [Fraction(7), Fraction(2)]
    )
    ball = Evaluator(80, {}).of(Apply(name, tuple(Num(v) for v in values)))
    exact = getattr(sympy, function.sympy)(*(sympy.Rational(v.numerator, v.denominator) for v in values))  # type: ignore[attr-defined]
    assert abs(complex(ball.mid()) - complex(exact.evalf(20))) < 1e-12


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.exact and f.sympy], ids=lambda f: f.name)
def test_exact_rules_agree_with_sympy(function: object) -> None:
    values = (
        [Fraction(9), Fraction(6)]
        if function.name in ("gcd", "lcm", "max", "min", "mod", "binom")
        else [Fraction(5)]
    )  # type: ignore[attr-defined]
    exact = getattr(sympy, function.sympy)(*map(int, values))  # type: ignore[attr-defined]
    assert exact_call(function.name, values) == exact  # type: ignore[attr-defined]


def test_a_function_without_a_rational_value_says_so() -> None:
    with pytest.raises(NotRationalError):
        exact_call("sin", [Fraction(1)])
