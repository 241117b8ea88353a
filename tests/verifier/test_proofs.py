"""'Incorrect' is a claim with a proof; what was only sampled, or cannot be told, is unverifiable."""

import threading
import time

import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.comparison.equal import compare_answers
from verifier.parsing.parser import parse
from verifier.values.balls import Evaluator, precision, shown


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"y=\sqrt{1-x^2}", "x^2+y^2=1"), ("y^2=x", r"y=\sqrt x"), ("(x-y)(x+y)(x-z)=0", "x=y"), (r"\sin x=0", "x=0"), ("x^2=4", "x=2"), ("x^2+y^2=4", "y=2"), ("a^2=b^2", "a=b"),
    ],
)  # fmt: skip
def test_equations_with_other_solutions_differ(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"
    assert compare_answers(b, a).status == "incorrect"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(x-1)^2=0", "x=1"), ("(x^2+1)(y-x)=0", "y=x"), (r"x^2+1=0", "x^4+1=0"), (r"\cos(\pi x)", "(-1)^x"), ("(x-y)^{6000}=0", "(x-y)^{5999}=0"),
    ],
)  # fmt: skip
def test_what_is_not_proven_is_left_open(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"x^4 \ge 0", r"x^2\ge 0"), (r"\frac{1}{1+e^{-2x}}", r"\frac{1+\tanh x}{2}"), (r"a^2+b^2\ge 2ab", r"(a-b)^2\ge 0"), ("(x-1)^{6000}y=2", "(1-x)^{6000}y=2"), (r"\cos(\pi n)", "(-1)^n"),
        (r"x^{6001}=x^{6000}", r"x^{6000}(x-1)=0"), (r"\arctan 1+\arctan 2+\arctan 3", r"\pi"), (r"\int_0^{\pi}\sin x\,dx", "2"), (r"\lfloor\log_2 8\rfloor", "3"),
    ],
)  # fmt: skip
def test_what_agrees_everywhere_is_the_same(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(x-1)^{6000}+y=0", "(x-1)^{5999}+y=0"), ("(a+b+c+d+e+f)^{90}", "(a+b+c+d+e-f)^{90}"), (r"x^{9999}+x\ge 3", r"x^{9998}\ge 3"),
        (r"\prod_{k=1}^{2000}(x-k)=0", "x=1"), ("(x+y)^{500}(x-y)^{500}=1", "(x^2-y^2)^{501}=1"),
    ],
)  # fmt: skip
def test_large_polynomials_are_bounded_in_time(a: str, b: str) -> None:
    start = time.process_time()
    assert not compare_answers(a, b).correct
    assert time.process_time() - start < 10


@settings(max_examples=60)
@given(st.integers(-50, 50), st.integers(1, 50), st.integers(1, 30))
def test_a_ball_holds_the_value(a: int, b: int, c: int) -> None:
    node = parse(f"(\\frac{{{a}}}{{{b}}}+\\sqrt{{{c}}})^2-\\frac{{{2 * a}}}{{{b}}}\\sqrt{{{c}}}")
    wide, narrow = Evaluator(64, {}).of(node), Evaluator(512, {}).of(node)
    assert wide.contains(narrow)
    with precision(512):
        assert (narrow * b * b).contains(a * a + c * b * b)


def test_threads_do_not_change_each_others_precision() -> None:
    node, widths = parse(r"\sqrt2+\pi"), []

    def work(bits: int) -> None:
        for _ in range(200):
            widths.append(Evaluator(bits, {}).of(node).rel_accuracy_bits() > bits - 10)

    threads = [threading.Thread(target=work, args=(bits,)) for bits in (64, 200, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(widths)
    assert len(widths) == 600
    assert ctx.prec == 53


def test_the_reason_says_how_far_they_agree() -> None:
    assert "digits" in compare_answers(r"\ln(ab)", r"\ln a+\ln b").reason
    assert "algebra" in compare_answers("(x+1)^2", "x^2+2x+1").reason
    assert shown(Evaluator(64, {}).of(parse("1/4"))) == "0.25"


UNPROVEN = [
    (r"2x=10", "5"),
    (r"101_2", "5_{10}"),
    (r"\text{isosceles triangle}", r"\text{isosceles}"),
    (r"x^2+y^2+1>0", r"x^2+y^2+1\ge 0"),
    ("[3,1]", "(3,1)"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"y = C_1 e^{x} + C_2 e^{-x}", r"y = C_1 \cosh x + C_2 \sinh x"),
]
PROVEN = [
    (r"2x=10", "6"),
    (r"101_2", "6"),
    (r"\text{odd}", r"\text{even}"),
    (r"x+y<3", r"x+y\le 3"),
    ("[1,3]", "(1,3)"),
    ("1, 2", "1"),
]


@pytest.mark.parametrize(("a", "b"), UNPROVEN)
def test_what_may_mean_the_same_is_not_called_incorrect(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"


@pytest.mark.parametrize(("a", "b"), PROVEN)
def test_what_certainly_differs_is_called_incorrect(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "incorrect"
