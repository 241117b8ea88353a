"""Times of day are no ratios."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.comparison.equal import compare_answers

TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59))


@given(TIMES, TIMES)
def test_times_are_equal_only_if_hours_and_minutes_are(a: tuple[int, int], b: tuple[int, int]) -> None:
    outcome = compare_answers("{}:{:02}".format(*a), "{}:{:02}".format(*b))
    assert outcome.correct == (a == b)


@pytest.mark.parametrize(("a", "b"), [("9 p.m.", "9 a.m."), (r"9\text{ PM}", r"9\text{ a.m.}"), (r"4:51:06 \text{ a.m.}", r"4\!:\!51\!:\!06 \text{ p.m.}")])  # fmt: skip
def test_the_halves_of_the_day_differ(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"


@pytest.mark.parametrize(("a", "b"), [("9 PM", "21:00"), (r"9\text{ AM}", "9:00 a.m."), ("10 o'clock", "10:00"), ("noon", "12:00 PM"), ("half past ten", "10:30"), ("a quarter to 3 p.m.", "2:45 PM"), (r"7\!:\!30", "7:30")])  # fmt: skip
def test_a_time_may_be_written_in_several_ways(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


def test_what_may_be_equal_ratios_is_left_open() -> None:
    assert compare_answers("3:30", "1:10").status == "unverifiable"


def test_ratios_with_nothing_in_a_part_are_compared_part_by_part() -> None:
    assert compare_answers("2:0", "2:0").correct
    assert not compare_answers("2:0", "3:0").correct
    assert not compare_answers("0:2:4", "0:1:1").correct


def test_what_no_clock_shows_is_a_ratio() -> None:
    assert compare_answers("24:26", "12:13").correct
    assert compare_answers("30:45", "2:3").correct


@pytest.mark.parametrize(("a", "b"), [("March 14", r"\text{14 March}"), ("4th of July", "July 4"), ("Monday, March 3rd", "Mon, Mar. 3"), ("March 14, 2024", "14 March 2024")])  # fmt: skip
def test_a_date_may_be_written_in_several_ways(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("March 14", "March 15"), ("14 March", "14 May"), ("March 14, 2024", "14 March 2023"), ("Monday, March 3", "Tuesday, March 3")])  # fmt: skip
def test_other_dates_differ(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"


def test_a_year_on_one_side_only_is_left_open() -> None:
    assert compare_answers("March 14, 2024", "March 14").status == "unverifiable"
