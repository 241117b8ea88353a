"""The second look at what is to be rejected: a right answer in any reading is none."""

from __future__ import annotations

import pytest

from sandbox import Block
from scdpo.corrupt.second_look import right_in_a_reading


@pytest.mark.parametrize(
    ("text", "answer", "gold", "question"),
    [
        ("It is 0.333.", "0.333", "1/3", ""),  # rounded
        (r"\boxed{22}, so the rest is \boxed{5}.", "22, 5", "22", ""),  # one of two boxes
        (r"The answer is 27. So 22 it is.", "27", "22", ""),  # the last sentence alone
        (r"So \boxed{0.25}.", "0.25", "25", "What percent of 80 is 20?"),
        (r"So \boxed{25}.", "25", "0.25", "What is 20/80, which is 25%, as a decimal?"),
    ],
)
def test_a_right_answer_in_some_reading_is_found(text: str, answer: str, gold: str, question: str) -> None:
    assert right_in_a_reading([Block("text", text)], answer, gold, question) is not None


@pytest.mark.parametrize(
    ("text", "answer", "gold", "question"),
    [
        (r"17 + 5 = 22, and 22 + 5 is \boxed{27}.", "27", "22", ""),  # the gold is passed on the way
        (r"So \boxed{0.25}.", "0.25", "25", "How many are 20 of 80?"),  # no percentage is meant
        (r"It is \boxed{21}.", "21", "22", ""),
    ],
)
def test_a_wrong_answer_stays_wrong(text: str, answer: str, gold: str, question: str) -> None:
    assert right_in_a_reading([Block("text", text)], answer, gold, question) is None
