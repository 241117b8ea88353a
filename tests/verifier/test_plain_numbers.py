"""Plain numbers are compared exactly, however they are written, and shown as a person would write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import verify

INTEGERS = st.integers(-(10**6), 10**6)
DECIMALS = st.builds(lambda whole, places: f"{whole}.{places}", INTEGERS, st.from_regex(r"\A[0-9]{1,4}\Z"))
RATIOS = st.builds(lambda top, bottom: f"{top}/{bottom}", INTEGERS, st.integers(1, 1000))
NUMBERS = st.one_of(INTEGERS.map(str), DECIMALS, RATIOS)


@given(NUMBERS, NUMBERS)
def test_two_numbers_are_equal_as_fractions_are(first: str, second: str) -> None:
    assert verify(rf"\boxed{{{first}}}", second).correct == (Fraction(first) == Fraction(second))


@given(DECIMALS)
def test_a_decimal_equals_its_fraction(decimal: str) -> None:
    value = Fraction(decimal)
    assert verify(decimal, rf"\frac{{{value.numerator}}}{{{value.denominator}}}").correct


@given(DECIMALS)
def test_a_decimal_with_a_percent_sign_is_a_hundredth_of_it(decimal: str) -> None:
    hundredth = Fraction(decimal) / 100
    assert verify(f"{decimal}%", f"{hundredth.numerator}/{hundredth.denominator}").correct


@pytest.mark.parametrize(
    ("prediction", "gold", "reason"),
    [
        ("0.27", "0.75", "0.27 is not 0.75"),
        ("-0.50", "1/3", "-0.5 is not 1/3"),
        ("2.50", r"\frac{5}{2}", "both are 2.5"),
        ("12.0", "13", "12 is not 13"),
        ("6/4", "2", "3/2 is not 2"),
        ("1.5e-3", "2", "3/2000 is not 2"),
        ("50%", "0.5", "50% is 0.5"),
    ],
)
def test_the_reason_shows_numbers_as_a_person_writes_them(prediction: str, gold: str, reason: str) -> None:
    assert verify(prediction, gold).reason == reason


@pytest.mark.parametrize(
    ("printed", "same"), [("0.333333333333", True), ("0.33333333333", False), ("0.333333333343", False)]
)
def test_only_twelve_digits_or_more_are_taken_for_a_printed_float(printed: str, same: bool) -> None:
    assert verify(printed, r"\frac{1}{3}").correct is same


@pytest.mark.parametrize(("rounding", "right"), [("exact", False), ("sigfigs", True)])
def test_a_rounded_decimal_is_right_only_where_rounding_is_allowed(rounding: str, right: bool) -> None:
    assert verify("0.667", "2/3", rounding=rounding).correct is right  # type: ignore[arg-type]
    assert not verify("0.668", "2/3", rounding=rounding).correct  # type: ignore[arg-type]
