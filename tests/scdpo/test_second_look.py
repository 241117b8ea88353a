"""The second look at what is to be rejected: a right answer in any reading is none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sandbox import Block
from scdpo.data.import_pairs import read_pairs
from scdpo.data.import_solutions import read_solutions
from scdpo.data.second_look import right_in_a_reading


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


QUESTION = "What part of 3 pens is 1 pen?"
RIGHT, ROUNDED = r"One of three, so \boxed{1/3}.", r"One of three, so \boxed{0.333}."


def test_a_solution_that_is_right_in_a_reading_comes_in_as_no_rejected_one(tmp_path: Path) -> None:
    file = tmp_path / "solutions.jsonl"
    row = {"question": QUESTION, "answer": "1/3", "solution": ROUNDED}
    file.write_text(json.dumps(row), encoding="utf-8")
    (record,) = read_solutions(file, "markdown")
    assert (record.verdict.status, record.dropped, record.dispreferred) == (
        "incorrect",
        "right_in_a_reading",
        False,
    )


@pytest.mark.parametrize("prefix", ["", "We look at the pens.\n"])
def test_nor_do_pairs_of_others_with_such_a_side(tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "pairs.jsonl"
    row = {"prompt": QUESTION, "answer": "1/3", "prefix": prefix, "chosen": RIGHT}
    sides = [ROUNDED, r"One of two, so \boxed{1/2}."]
    file.write_text("\n".join(json.dumps({**row, "rejected": side}) for side in sides), encoding="utf-8")
    dropped: Counter[str] = Counter()
    (kept,) = read_pairs(file, "cot", dropped)
    assert (kept.rejected_answer, dropped) == ("1/2", {"right_in_a_reading": 1})


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
