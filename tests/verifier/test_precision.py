"""What is only nearly equal, or equal only in a part of its range, is not the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.comparison.equal import compare_answers

CANCELLING = [
    (r"\frac{(1+\sqrt2)^{2024}+(1-\sqrt2)^{2024}}{2}", r"\frac{(1+\sqrt2)^{2024}}{2}"), (r"2^{1000}\pi+1", r"2^{1000}\pi"), ("e^{2024}-1", "e^{2024}"),
    (r"\sqrt2+10^{-100}", r"\sqrt2"), (r"(2+\sqrt3)^{100}", r"(2+\sqrt3)^{100}+(2-\sqrt3)^{100}"), (r"e^{-1000}+\sqrt2", r"\sqrt2"), (r"\tanh(200)", "1"),
    (r"3^{2024}\sqrt3-1", r"3^{2024}\sqrt3"), ("2^{500.5}+1", "2^{500.5}"), ("e^x+10^{-30}", "e^x"), (r"(2+\sqrt3)^{2023}+(2-\sqrt3)^{2023}", r"(2+\sqrt3)^{2023}"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), CANCELLING)
def test_small_differences_of_large_numbers_are_seen(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"


@pytest.mark.parametrize(("a", "b"), [(r"(1+\sqrt2)^{200}(1-\sqrt2)^{200}\pi", r"\pi"), (r"2^{1000}\sqrt2", r"\sqrt2^{2001}"), (r"\frac{e^{500}}{e^{499}}", "e"), (r"\frac{(2+\sqrt3)^{99}}{(2+\sqrt3)^{98}}", r"2+\sqrt3")])  # fmt: skip
def test_large_numbers_may_be_equal(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@settings(max_examples=20)
@given(st.integers(1, 5000))
def test_pieces_far_from_zero_are_seen(n: int) -> None:
    for a, b in (
        (f"|x-{n}|", f"{n}-x"),
        (f"\\max(x,{n})", str(n)),
        (f"\\min(x,{n})", "x"),
        (f"\\sqrt{{(x-{n})^2}}", f"{n}-x"),
    ):
        assert not compare_answers(a, b).correct
    assert compare_answers(f"|x-{n}|", f"\\max(x-{n},{n}-x)").correct


@pytest.mark.parametrize("n", range(1, 60))
@pytest.mark.parametrize(
    "root", [r"\sqrt{(x-N)^2}", "((x-N)^2)^{1/2}", r"\sqrt[4]{(x-N)^4}", r"\sqrt{(x-N)^2+y^2-yy}"]
)
def test_the_root_of_a_square_is_not_one_of_its_two_sides(root: str, n: int) -> None:
    assert not compare_answers(root.replace("N", str(n)), f"{n}-x").correct
    assert not compare_answers(root.replace("N", str(n)), f"x-{n}").correct


@pytest.mark.parametrize(
    ("a", "b"),
    [("|x-100|+|x-101|", r"\max(2x-201,201-2x)"), (r"\sqrt{(x-38)^2(x-50)^2}", "(x-38)(x-50)")],
)
def test_pieces_between_two_ends_are_seen(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


@pytest.mark.parametrize(
    ("a", "b"),
    [(r"x^2+y^2\le 25", r"x^2+y^2\le 24"), (r"xy\le 100", r"xy\le 99"), ("m>2n", "m>2n+0.1"), ("x>a", "x>a+0.01"), ("0<a<b<1", "0<a<b<1.01"), (r"|x|+|y|\le 1", r"|x|+|y|\le 1.2"), ("a^2+b^2<4", "a^2+b^2<4.1")],
)  # fmt: skip
def test_boundaries_that_lie_close_are_told_apart(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"


@pytest.mark.parametrize(("a", "b"), [("2x+2y<20", "10>y+x"), ("a>b+1", "a-b>1"), (r"x^2+y^2\le 25", r"25\ge y^2+x^2"), (r"|x|+|y|\le 1", r"|y|+|x|\le 1"), (r"x>e^y", r"y<\ln x")])  # fmt: skip
def test_inequalities_in_two_letters_may_be_the_same(a: str, b: str) -> None:
    assert compare_answers(a, b).correct
