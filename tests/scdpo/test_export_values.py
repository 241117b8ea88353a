"""Values as labels of steps: which move is the error, what is left out, and what a trainer reads."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from typer.testing import CliRunner

from scdpo.cli import app
from scdpo.data.export_values import export_values, soft_labels
from scdpo.data.records import ValueRecord
from scdpo.data.runs import Run, RunError
from tests.scdpo.test_first_pit import QUESTION, RIGHT, WRONG


def test_the_error_is_the_first_move_after_which_few_succeed() -> None:
    # 8 of 8, then 7, 6, 2, 1 of 8: two eighths are less than a third of eight.
    assert soft_labels([1, 7 / 8, 6 / 8, 2 / 8, 1 / 8], right=False) == [7 / 8, 6 / 8, 0]


def test_only_the_two_moves_before_the_error_are_soft() -> None:
    assert soft_labels([0.8, 0.1 + 0.5, 0.4, 0.6, 0.0], right=False) == pytest.approx([1, 0.5, 0.75, 0])


def test_a_wrong_solution_that_only_ends_wrong_has_its_error_in_the_last_move() -> None:
    assert soft_labels([1, 1, 1], right=False) == [1, 1, 0]


def test_right_solutions_are_sound_whatever_their_roll_outs() -> None:
    assert soft_labels([1, 0.2, 1], right=True) == [1, 1, 1]


def test_problems_that_the_model_seldom_solves_are_left_out() -> None:
    assert soft_labels([5 / 8, 1, 1], right=True) is None


def filled(folder: Path, shares: dict[str, list[float]]) -> Run:
    with Run(folder) as run:
        for solution in (RIGHT, WRONG):
            run.solutions.append(solution)
            for step, share in enumerate(shares.get(solution.id, []), start=-1):
                run.values.append(
                    ValueRecord(
                        id=f"{solution.id}@{step}.v0.8", solution_id=solution.id, problem_id="p", step=step,
                        right=round(8 * share), tried=8, tokens=1, solution_right=solution is RIGHT,
                    )
                )  # fmt: skip
    return Run(folder)


def test_the_columns_are_those_of_trl_s_stepwise_supervision(tmp_path: Path) -> None:
    filled(tmp_path, {RIGHT.id: [1, 1, 1, 1], WRONG.id: [1, 1, 0, 0]})
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--values"])
    assert result.exit_code == 0, result.output
    assert "2 solutions with labelled steps" in " ".join(result.output.split())
    file = str(tmp_path / "export" / "values.parquet")
    rows = datasets.Dataset.from_parquet(file, cache_dir=str(tmp_path / "cache"), keep_in_memory=True)
    right, wrong = rows
    assert QUESTION in right["prompt"]
    assert (right["labels"], wrong["labels"]) == ([True] * 4, [True, False])
    assert wrong["completions"] == [
        "<|code|>a = 17\na<|endofblock|><|execution|>17<|endofblock|>",
        "<|code|>a += 6\na<|endofblock|><|execution|>23<|endofblock|>",
    ]
    assert all(len(row["completions"]) == len(row["labels"]) == len(row["soft_labels"]) for row in rows)
    assert right["completions"][-1].endswith("<|endofmessage|>")


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    run = filled(tmp_path, {RIGHT.id: [1, 1], WRONG.id: [0.5, 1, 0, 0]})
    rows, left_out = export_values(run, tmp_path / "v.parquet")
    assert (rows, dict(left_out)) == (0, {"incomplete": 1, "low_confidence": 1})


def test_a_run_without_values_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="scdpo values estimates them"):
        export_values(filled(tmp_path, {}), tmp_path / "v.parquet")
