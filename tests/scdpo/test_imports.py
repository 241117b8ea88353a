"""Solutions made elsewhere come in verified, whichever layout holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scdpo.imports import read_solutions
from verifier.lines import LineError


def messages(answer: str, *more: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": ""},
        {"role": "user", "content": "What is 3 * 4?"},
        {"role": "text", "content": "Multiply."},
        {"role": "code", "content": "3 * 4"},
        {"role": "execution", "content": "12"},
        *more,
        {"role": "text", "content": f"The answer is \\boxed{{{answer}}}."},
    ]


def write(path: Path, row: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"question": "What is 3 * 4?", "extra": {"answer": "12"}} | row) + "\n")
    return path


def test_a_line_of_the_papers_sampler_is_one_solution(tmp_path: Path) -> None:
    file = write(tmp_path / "round.jsonl", {"debug_result": messages("12")})
    (record,) = read_solutions(file)
    assert [b.type for b in record.blocks] == ["text", "code", "execution", "text"]
    assert record.gold == "12"
    assert record.preferred


def test_a_line_of_results_holds_several_and_its_labels_are_not_trusted(tmp_path: Path) -> None:
    apology = {"role": "text", "content": "I apologize for the error."}
    row = {
        "correct_solutions": [messages("12"), messages("13")],
        "correct_errored_solutions": [messages("12", apology)],
        "wrong_solutions": [messages("14")],
    }
    records = list(read_solutions(write(tmp_path / "result.jsonl", row)))
    assert [r.verdict.status for r in records] == ["correct", "incorrect", "correct", "incorrect"]
    assert [r.clean for r in records] == [True, True, False, True]
    assert len({r.id for r in records}) == 4
    assert {r.problem_id for r in records} == {"result/1"}


def test_a_solution_that_was_given_up_is_dropped(tmp_path: Path) -> None:
    given_up = [*messages("12")[:-1], {"role": "exceed_max_length/return_first_code", "content": "3 * 4"}]
    (record,) = read_solutions(write(tmp_path / "round.jsonl", {"debug_result": given_up}))
    assert record.dropped == "unfinished"
    assert not record.preferred
    assert not record.dispreferred


def test_a_line_of_neither_layout_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LineError, match=r"line 1: the field 'blocks' is missing"):
        list(read_solutions(write(tmp_path / "other.jsonl", {"solutions": []})))
