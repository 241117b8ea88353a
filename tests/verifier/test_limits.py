"""No text takes more than its length's worth of time, and none nests deeper than can be read."""

import time

import pytest

from verifier import verify

LENGTH = 16_000  # characters; at this length a cost that grows with the square takes seconds


def seconds(prediction: str, gold: str = "5") -> float:
    start = time.process_time()
    verify(prediction, gold)
    return time.process_time() - start


@pytest.mark.parametrize(
    "unit", ["\\boxed{\n", "\\boxed{", "\\boxed{ }\n", "\\boxed{}", "\\boxed{1} ", "\\fbox{"]
)
def test_boxes_cost_linear_time(unit: str) -> None:
    assert seconds(unit * (4 * LENGTH // len(unit))) < 1.5


@pytest.mark.parametrize(
    "command",
    [r"\frac", r"\sqrt", r"\sin ", r"\begin{matrix}", r"\int_0^1 ", r"\sum_{i=1}^2 ", r"\lim_{x\to 0} ", "f(", "2^", "2^-", "|", r"\lfloor ", r"\vec", "1!"],
)  # fmt: skip
@pytest.mark.parametrize("count", [60, 300, 1500])
def test_nothing_nests_too_deeply_to_be_read(command: str, count: int) -> None:
    verdict = verify(f"\\boxed{{{command * count}1}}", "5")
    assert not verdict.correct
    assert len(verdict.reason) < 200


def test_commands_without_braces_count_as_brackets() -> None:
    assert "nested" in verify("\\boxed{" + "\\sqrt" * 60 + "2}", "5").reason


def test_factorials_of_factorials_are_given_up() -> None:
    assert verify("\\boxed{x" + "!" * 1500 + "}", "x").status == "unverifiable"


@pytest.mark.parametrize("tail", [" " * LENGTH + "x", "x\\mathbb" + " " * LENGTH + "y"])
def test_long_spaces_cost_linear_time(tail: str) -> None:
    assert seconds("\\boxed{1" + tail + "}") < 1.5


@pytest.mark.parametrize("unit", ["(A) ", "A or ", "A,,,", "A ", "A: "])
def test_letters_cost_linear_time(unit: str) -> None:
    assert seconds("\\boxed{" + unit * (LENGTH // len(unit)) + "}", "A") < 1.5


LONG_WORDS = [
    "由题意可知该函数在定义域内单调递增且存在唯一零点所以实数的取值范围是a>1", "中" * LENGTH + "+", "中 " * 8000 + "1", "(" + "中" * LENGTH + "x(", "5" + " apples" * 2000 + "+",
    "ab " * 5000 + "1", "5" + r"\text{ a}" * 1500 + "+", "5" + r"\;" * 8000 + "x", "5 " + "m-" * 8000, "5" + "/m" * 8000, "5" + "万" * LENGTH, "1 hour " * 2000 + "x", "5" + "sin" * 5000 + "x", "-" * LENGTH + "5 a",
]  # fmt: skip


@pytest.mark.parametrize("answer", LONG_WORDS)
def test_long_words_cost_linear_time(answer: str) -> None:
    assert seconds("\\boxed{" + answer + "}", "a>1") < 1.5


@pytest.mark.parametrize("text", [r"\(", r"\[", "The answer is " + r"\(", r"\(a", "$$a"])
def test_formulas_without_end_cost_linear_time(text: str) -> None:
    assert seconds(text + text[-3:] * (LENGTH // 3)) < 0.5


@pytest.mark.parametrize("call", [r"\sin()", r"\max()", r"\gcd()", "||", r"\lfloor\rfloor", r"x\deg()"])
def test_functions_of_nothing_are_no_error(call: str) -> None:
    assert not verify(f"\\boxed{{{call}}}", "0").correct
    assert not verify(f"\\boxed{{{call}}}", "x").correct


@pytest.mark.parametrize("unit", [r"\sin2 ", r"\sqrt2 ", r"+\sqrt3", r"\pi "])
def test_long_constants_cost_little(unit: str) -> None:
    assert seconds("\\boxed{5" + unit * (8000 // len(unit)) + "}") < 2
