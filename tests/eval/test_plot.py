"""Line charts."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.plot import COLOURS, HEIGHT, WIDTH, Series, line_chart, ticks

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(numbers, numbers)
def test_ticks_enclose_the_data_in_even_round_steps(a, b):
    low, high = sorted((a, b))
    made = ticks(low, high)
    slack = 1e-6 * (made[-1] - made[0])
    assert made[0] - slack <= low <= high <= made[-1] + slack
    assert 2 <= len(made) <= 8


def test_ticks_are_the_ones_a_person_would_choose():
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(0.31, 0.69) == [0.3, 0.4, 0.5, 0.6, 0.7]


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=50), st.text())
def test_any_data_and_any_name_give_a_drawing_within_its_frame(points, name):
    svg = ElementTree.fromstring(line_chart([Series(name, points), Series("b", [(0, 0)])], "x", "y", name))
    for line in svg.findall(".//{*}polyline"):
        for place in line.get("points").split():
            x, y = map(float, place.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_values_that_are_not_finite_are_left_out():
    svg = line_chart([Series("a", [(0, 1), (1, math.nan), (2, 3)])], "x", "y", "t")
    assert "nan" not in svg
    with pytest.raises(ValueError, match="no finite point"):
        line_chart([Series("a", [(0, math.inf)])], "x", "y", "t")


def test_a_series_keeps_its_colour_where_another_has_no_points():
    alone = line_chart([Series("a", []), Series("b", [(0, 1), (1, 2)])], "x", "y", "t")
    assert COLOURS[1] in alone
    assert COLOURS[0] not in alone
    assert ">b<" in alone
    assert ">a<" not in alone
