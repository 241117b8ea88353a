"""A gold answer is read by a reader of its own: what a data set states, not what a model says."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from verifier import accuracy_reward, verify
from verifier.extraction.golds import read_gold


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("$12$ (attained at $x=7$)", "12"),
        ("12, attained at x=7", "12"),
        ("$f(x)=2x$ for all real $x$", "f(x)=2x"),
        ("$2^n-1$ where $n=3$", "2^n-1 ## 2^(3)-1"),
        ("$1$ and $2$ and $3$", "1 and 2 and 3"),
        ("$(a,b)=(1,2)$ and $(2,1)$", "(a,b)=(1,2) and (2,1)"),
        ("Option 5", "5"),
        ("The answer is: 5", "5"),
        ("Then 2x = 84, giving \\boxed{42}.", "42"),
        ("3 boxes of 4 are 12.\n#### 12", "12"),
        ("<answer>\\boxed{84}</answer>", "84"),
        ("5 boys and 3 girls", "5 boys and 3 girls"),
        ("0.3 ## 3/10", "0.3 ## 3/10"),
        ("Tuesday", "Tuesday"),
        ("x = 1 is the only solution", "x = 1"),
        ("only child", "only child"),
    ],
)
def test_what_a_gold_states(gold: str, answer: str) -> None:
    assert read_gold(gold).answer == answer


@pytest.mark.parametrize(
    "gold",
    ["", "  ", "proof", "notfound", "nan", "None", "N/A", r"\boxed{}", "John: 3, Mary: 5", "John has 3 apples and Mary has 5 apples",
     "Let $x$ be the number of $3$ boxes, so that $y=5$"],
)  # fmt: skip
def test_a_gold_that_states_no_one_answer_decides_nothing(gold: str) -> None:
    for said in (r"\boxed{3}", r"\boxed{5}", f"\\boxed{{{gold}}}"):
        assert verify(said, gold).status == "unverifiable"


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("$12$ (attained at $x=7$)", "7"),
        ("$f(x)=2x$ for all real $x$", "x"),
        (r"$\lfloor\varphi n\rfloor$, where $\varphi=\frac{\sqrt5+1}{2}$", r"\frac{\sqrt5+1}{2}"),
        ("John: 3, Mary: 5", "5"),
        ("$2^n-1$ where $n=3$", "3"),
    ],
)
def test_a_number_in_a_qualifier_is_not_the_answer(gold: str, said: str) -> None:
    assert not verify(rf"\boxed{{{said}}}", gold).correct


def test_a_definition_is_put_in() -> None:
    gold = r"$\lfloor\varphi n\rfloor$, where $\varphi=\frac{\sqrt5+1}{2}$"
    assert verify(r"\boxed{\lfloor \frac{1+\sqrt5}{2} n\rfloor}", gold).correct
    assert verify(r"\boxed{7}", "$2^n-1$ where $n=3$").correct


@pytest.mark.parametrize(
    "gold",
    [["0.5", "1/3"], ("1/3", "0.5"), np.array(["0.5", "1/3"]), [0.5], 0.5, Fraction(1, 2), np.float64(0.5)],
)
def test_lists_of_alternatives_and_numbers(gold: Any) -> None:
    assert verify(r"\boxed{\frac12}", gold).correct
    assert verify(r"\boxed{2}", gold).status == "incorrect"
    assert accuracy_reward([r"\boxed{\frac12}", r"\boxed{2}"], answer=[gold, gold]) == [1.0, 0.0]


@pytest.mark.parametrize("gold", [None, float("nan"), [], [None], ""])
def test_no_gold_is_no_verdict(gold: Any) -> None:
    assert verify("5", gold).status == "unverifiable"
    assert accuracy_reward(["5"], answer=[gold]) == [None]


@pytest.mark.parametrize("gold", [{"a": 1}, b"5", [["5"]], {5}])
def test_a_gold_of_another_type_is_an_error(gold: Any) -> None:
    with pytest.raises(TypeError, match="gold answer must be text or a number"):
        verify("5", gold)


def test_the_reward_may_require_a_box() -> None:
    completions = [r"\boxed{5}", "The answer is 5.", "He has 5 left."]
    assert accuracy_reward(completions, answer=["5"] * 3, require="boxed") == [1.0, 0.0, 0.0]
    assert accuracy_reward(completions, answer=["5"] * 3, require="stated") == [1.0, 1.0, 0.0]
