"""A run under a time limit keeps what it had; the wheels for a bare machine travel in parts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from experiments.gpu.budget import Budget
from experiments.gpu.end_to_end import divide
from experiments.gpu.wheels import sort_into_parts


def test_parts_are_kept_and_not_run_again(tmp_path: Path) -> None:
    count = [
        "-c",
        "import sys; open(sys.argv[1], 'a').write('x'); print('{\"n\": 1}')",
        str(tmp_path / "runs"),
    ]
    for _ in range(2):
        assert Budget(tmp_path, 1).command("count", count, last_line=True)
    assert (tmp_path / "runs").read_text() == "x"
    assert json.loads((tmp_path / "figures.json").read_text())["count"]["found"] == {"n": 1}


def test_a_part_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 1)
    assert not budget.command("part", ["-c", "raise SystemExit('broken')"])
    assert "broken" in budget.figures["part"]["failed"]
    assert Budget(tmp_path, 1).command("part", ["-c", "pass"])


def test_the_limit_cuts_a_part_and_keeps_the_others(tmp_path: Path) -> None:
    assert Budget(tmp_path, 1).command("first", ["-c", "pass"])
    budget = Budget(tmp_path, 0.1)
    assert not budget.command("long", ["-c", "import time; time.sleep(60)"])
    assert not budget.command("late", ["-c", "pass"])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "seconds" in figures["first"]
    assert figures["long"] == {"failed": "cut by the time limit"}
    assert "late" not in figures


def test_a_script_ends_in_an_error_if_a_part_failed(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 1)
    budget.command("good", ["-c", "pass"])
    budget.end()
    budget.command("bad", ["-c", "raise SystemExit('broken')"])
    with pytest.raises(SystemExit, match="not done: bad "):
        budget.end()


def test_wheels_are_sorted_into_parts_that_travel(tmp_path: Path) -> None:
    for name, size in {"a": 50, "b": 40, "c": 30, "d": 10}.items():
        (tmp_path / f"{name}.whl").write_bytes(b"x" * size)
    parts = sort_into_parts(tmp_path, 60)
    assert all(sum(wheel.stat().st_size for wheel in part.iterdir()) <= 60 for part in parts)
    assert sorted(wheel.name for part in parts for wheel in part.iterdir()) == [
        "a.whl",
        "b.whl",
        "c.whl",
        "d.whl",
    ]
    (tmp_path / "e.whl").write_bytes(b"x" * 61)
    with pytest.raises(SystemExit, match=r"e\.whl has 61 bytes"):
        sort_into_parts(tmp_path, 60)


def study_c(folder: Path, **changed: object) -> argparse.Namespace:
    """Options of Study C, with a folder to write to."""
    usual = {"problems": "embedded", "limit": 5, "tests": 7, "blocks": 3, "solutions": None, "output": folder}
    return argparse.Namespace(**usual | changed)


def questions(path: Path) -> set[str]:
    return {json.loads(line)["question"] for line in path.read_text().splitlines()}


def test_blocks_and_tests_share_no_question(tmp_path: Path) -> None:
    divide(study_c(tmp_path))
    parts = [questions(tmp_path / f"{name}.jsonl") for name in ("tests", "block-0", "block-1", "block-2")]
    assert [len(part) for part in parts] == [7, 5, 5, 5]
    assert len(set.union(*parts)) == 22


def test_a_fine_tuning_that_answers_a_question_of_the_study_is_refused(tmp_path: Path) -> None:
    divide(study_c(tmp_path))
    leaked = tmp_path / "solutions.jsonl"
    leaked.write_text(json.dumps({"question": min(questions(tmp_path / "tests.jsonl"))}) + "\n")
    with pytest.raises(SystemExit, match="answers 1 questions of embedded"):
        divide(study_c(tmp_path, solutions=leaked))
    leaked.write_text(json.dumps({"question": "What is one?"}) + "\n")
    divide(study_c(tmp_path, solutions=leaked))


def test_too_few_problems_for_the_blocks_are_told(tmp_path: Path) -> None:
    divide(study_c(tmp_path))
    with pytest.raises(SystemExit, match="has 7 problems; 22 are wanted"):
        divide(study_c(tmp_path, problems=str(tmp_path / "tests.jsonl")))
