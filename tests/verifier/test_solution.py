"""Whole solutions: clean or not, reproducing or not, and where the answer came from."""

from dataclasses import dataclass

import pytest

from sandbox.blocks import Block
from sandbox.solution import Solution
from verifier import verify_solution
from verifier.solution import uncleanness


@dataclass
class Result:
    output: str


class Runner:
    """A sandbox that gives fixed outputs."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = outputs

    def run_solution(self, solution: Solution) -> list[Result]:
        return [Result(o) for o in self.outputs]


def solution(*pairs: tuple[str, str]) -> Solution:
    return Solution(tuple(Block(t, c) for t, c in pairs))  # type: ignore[arg-type]


GOOD = solution(
    ("text", "We add."),
    ("code", "1+1"),
    ("execution", "2"),
    ("code", "2+2"),
    ("execution", "4"),
    ("text", r"It is \boxed{4}."),
)


def test_a_good_solution() -> None:
    verdict = verify_solution(GOOD, "4", sandbox=Runner("2", "4"))
    assert (verdict.status, verdict.clean, verdict.reproduces, verdict.first_difference) == (
        "correct",
        True,
        True,
        None,
    )
    assert verdict.source == "boxed"
    assert verdict.to_dict()["clean"] is True


def test_without_a_sandbox_nothing_is_said_of_it() -> None:
    assert verify_solution(GOOD, "5").reproduces is None
    assert verify_solution(GOOD, "5").status == "incorrect"


def test_the_first_step_that_differs_is_named() -> None:
    verdict = verify_solution(GOOD, "4", sandbox=Runner("2", "5"))
    assert (verdict.reproduces, verdict.first_difference) == (False, 2)
    assert verify_solution(GOOD, "4", sandbox=Runner("2")).first_difference == 2


@pytest.mark.parametrize(
    ("recorded", "now", "same"),
    [
        ("1\r\n2", "1\n2\n", True),
        ("<empty_execution>", "", True),
        ("<f at 0x7f00aa11bb22>", "<f at 0x55ccdd001122>", True),
        ("Traceback (most recent call last) line 3 NameError: a", "Traceback …\nNameError: b", True),
        ("Traceback (most recent call last)\nNameError: a", "Traceback …\nTypeError: b", False),
        ("[1, 2]", "[1, 3]", False),
    ],
)
def test_what_counts_as_the_same_output(recorded: str, now: str, same: bool) -> None:
    checked = solution(("code", "f()"), ("execution", recorded), ("text", r"\boxed{1}"))
    assert verify_solution(checked, "1", sandbox=Runner(now)).reproduces is same


@pytest.mark.parametrize(
    "block",
    [
        ("execution", "Traceback (most recent call last)\nNameError: x"),
        ("execution", "SyntaxError: invalid syntax"),
        ("execution", "timeout_decorator.timeout_decorator.TimeoutError: 'Timed Out'"),
        ("text", "I apologize for the confusion."),
        ("text", "It seems there was an error in the code."),
        ("text", "There is a mistake in the previous step. Let's fix it."),
        ("text", "抱歉，我重新计算。"),
    ],
)
def test_errors_apologies_and_repairs_are_not_clean(block: tuple[str, str]) -> None:
    checked = solution(("text", "We start."), ("code", "x"), block, ("text", r"\boxed{1}"))
    verdict = verify_solution(checked, "1")
    assert verdict.correct
    assert not verdict.clean
    assert verdict.clean_reason.startswith("step ")


@pytest.mark.parametrize(
    "text",
    [
        "The margin of error is 2%.",
        "The percent error is 5%.",
        "By trial and error we find 3.",
        "so the correct answer is 3",
        "选项A错误，选B。",
    ],
)
def test_words_of_the_problem_are_clean(text: str) -> None:
    assert uncleanness(solution(("text", text))) is None


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("A bug crawls 3 m a day. How far in 4 days?", "The bug travels 3 * 4 = 12 m."),
        ("She made 4 mistakes in each of 3 tests. How many?", "She made 4 mistakes in each, so 12 mistakes."),
        ("It takes 3 days to fix the kitchen.", "They fix the kitchen in 3 days."),
        ("There is an error in the ledger of $5.", "The error is $5, so we add it."),
    ],
)
def test_the_problems_own_words_are_no_repair(question: str, text: str) -> None:
    assert uncleanness(solution(("text", text)), question) is None
    assert uncleanness(solution(("text", text))) is not None


@pytest.mark.parametrize(
    "text",
    [
        "I made a mistake above.",
        "There was an error in the code.",
        "I'm sorry for the 4 mistakes.",
        "Let's fix the sum.",
    ],
)
def test_a_repair_stays_one_where_the_problem_uses_its_words(text: str) -> None:
    question = "She made 4 mistakes, an error each, and must fix the kitchen. How many?"
    assert uncleanness(solution(("text", text)), question) is not None


def test_text_in_either_format() -> None:
    for format in ("mathcoder", "markdown"):
        assert verify_solution(GOOD.render(format=format), "4", sandbox=Runner("2", "4")).reproduces
