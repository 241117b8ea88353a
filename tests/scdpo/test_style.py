"""A model is asked as its training asked it, and a training asks as its run was sampled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scdpo.cli import app
from scdpo.cli.training import asked_as_sampled
from scdpo.data.prompt_style import TRAINING_FILE, PromptStyle, prompt_style, trained_as
from scdpo.data.runs import Run, RunError

RECIPE = {"format": "mathcoder", "system_prompt": "Below is a math problem.", "beta": 0.1}


@pytest.fixture
def trained(tmp_path: Path) -> str:
    made = {"format": "markdown", "system_prompt": "Be brief.", "beta": 0.1}
    (tmp_path / TRAINING_FILE).write_text(json.dumps(made))
    return str(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Run(tmp_path / "run") as made:
        made.settle("sample", {"format": "markdown", "system": ""})
    return tmp_path / "run"


def test_a_model_is_asked_as_it_was_trained(trained: str) -> None:
    assert prompt_style(trained, None, None) == PromptStyle("markdown", "Be brief.")


def test_what_the_options_say_stands_above_the_training(trained: str) -> None:
    assert prompt_style(trained, "cot", "") == PromptStyle("cot", "")


@pytest.mark.parametrize("model", [None, "owner/model", "embedded"])
def test_a_model_that_was_not_trained_here_is_asked_in_the_first_format(model: str | None) -> None:
    assert prompt_style(model, None, None) == PromptStyle("mathcoder", "")


def test_a_damaged_note_of_the_training_is_named(trained: str) -> None:
    (Path(trained) / TRAINING_FILE).write_text("{")
    with pytest.raises(RunError, match=r"training\.json is not what training writes.*--format"):
        trained_as(trained)


def test_pairs_are_trained_on_under_the_prompt_they_were_sampled_under(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = asked_as_sampled(run, dict(RECIPE), None)
    assert settings == {"format": "markdown", "system_prompt": "", "beta": 0.1}
    said = " ".join(capsys.readouterr().out.split())
    assert "format is 'markdown'" in said
    assert "not the recipe's 'Below is a math problem.'" in said


def test_a_setting_that_asks_otherwise_than_the_run_is_refused(run: Path) -> None:
    with pytest.raises(RunError, match="leave out --set system_prompt"):
        asked_as_sampled(run, dict(RECIPE), ["system_prompt=Below is a math problem."])


RIGHT, WRONG = "Three more.\n\nIt is \\boxed{7}.", "Four less.\n\nIt is \\boxed{-1}."


@pytest.mark.parametrize(
    ("said", "changes", "format"),
    [
        (["--format", "tools"], [], "tools"),
        (["--format", "tools"], ["format=chat"], "chat"),
        ([], [], "mathcoder"),
    ],
)
def test_pairs_of_others_are_trained_on_in_the_format_that_they_were_brought_in_for(
    tmp_path: Path, said: list[str], changes: list[str], format: str
) -> None:
    file, run = tmp_path / "pairs.jsonl", tmp_path / "run"
    file.write_text(json.dumps({"prompt": "What is 3 + 4?", "chosen": RIGHT, "rejected": WRONG}) + "\n")
    assert CliRunner().invoke(app, ["import", str(run), str(file), *said]).exit_code == 0
    recipe = RECIPE | dict(change.split("=") for change in changes)
    assert asked_as_sampled(run, recipe, changes) == RECIPE | {"format": format}


def test_a_run_of_imported_solutions_takes_the_recipe_s_prompt(tmp_path: Path) -> None:
    assert asked_as_sampled(tmp_path / "imported", dict(RECIPE), None) == RECIPE
