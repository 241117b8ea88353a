"""The command line from outside: what it makes, and how it says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from typer.testing import CliRunner, Result

from eval.cli import app
from scdpo.cli.options import Place
from scdpo.runs import Run


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


SOLUTIONS = [
    {
        "id": f"s{i}",
        "question": f"Double 3 times {i}.",
        "answer": str(6 * i),
        "blocks": [
            {"type": "text", "content": "First the product."},
            {"type": "code", "content": f"a = 3 * {i}\r\na"},
            {"type": "execution", "content": str(3 * i)},
            {"type": "code", "content": "2 * a"},
            {"type": "execution", "content": str(6 * i)},
            {"type": "text", "content": f"The answer is \\boxed{{{6 * i}}}."},
        ],
    }
    for i in range(4, 9)
]


@pytest.fixture
def solutions(tmp_path: Path) -> Path:
    path = tmp_path / "solutions.jsonl"
    path.write_text("".join(json.dumps(s) + "\n" for s in SOLUTIONS), encoding="utf-8")
    return path


def test_mutation_makes_pairs_of_a_file_of_solutions(tmp_path: Path, solutions: Path) -> None:
    result = call("corrupt", tmp_path / "run", "--corruptor", "mutation", "--solutions", solutions)
    assert result.exit_code == 0, result.output
    pairs = list(Run(tmp_path / "run").pairs)
    assert {p.problem_id for p in pairs} == {s["id"] for s in SOLUTIONS}
    again = call("corrupt", tmp_path / "run", "--corruptor", "mutation", "--solutions", solutions)
    assert again.exit_code == 0
    assert list(Run(tmp_path / "run").pairs) == pairs


def test_exported_pairs_are_trl_s_columns_and_the_run_loads_as_it_stands(
    tmp_path: Path, solutions: Path
) -> None:
    run = tmp_path / "run"
    call("corrupt", run, "--corruptor", "mutation", "--solutions", solutions)
    assert call("export", run).exit_code == 0
    exported = datasets.load_dataset(
        "parquet",
        data_files=str(run / "export" / "pairs.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert {"prompt", "chosen", "rejected"} <= set(exported.column_names)
    row = exported[0]
    assert row["prompt"].endswith("<|endofblock|>")
    assert row["chosen"].endswith("<|endofmessage|>") != row["rejected"]
    assert "pairs" in (run / "export" / "README.md").read_text(encoding="utf-8")
    for name in ("pairs", "solutions", "branches"):
        loaded = datasets.load_dataset(str(run), name, split="train", cache_dir=str(tmp_path / "cache"))
        assert len(loaded) > 0


def test_a_solution_s_code_is_run_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "s.md"
    file.write_text("Look:\n```python\n6 * 7\n```\n", encoding="utf-8")
    result = call("run", file)
    assert result.exit_code == 0
    assert "42" in result.output
    assert "ok" in result.output


def test_a_broken_file_of_solutions_is_named_by_line(tmp_path: Path, solutions: Path) -> None:
    with solutions.open("a", encoding="utf-8") as end:
        end.write('{"question": "q", "answer": "1"}\n')
    result = call("corrupt", tmp_path / "run", "--corruptor", "mutation", "--solutions", solutions)
    assert result.exit_code == 1
    assert "line 6" in result.output
    assert "blocks" in result.output


def test_a_missing_model_is_said_in_one_line(tmp_path: Path) -> None:
    result = call("sample", tmp_path / "run", "--limit", 1, "--model", tmp_path / "no-model")
    assert result.exit_code == 1
    assert "cannot load the model" in result.output


def test_a_run_without_solutions_has_nothing_to_corrupt(tmp_path: Path) -> None:
    result = call("corrupt", tmp_path / "run")
    assert result.exit_code == 1
    assert "holds no solutions: scdpo sample makes them" in result.output


def test_a_misspelt_file_of_problems_does_not_bind_the_run(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        result = call("sample", tmp_path / "run", "--problems", tmp_path / name)
        assert result.exit_code == 1
        assert f"{name}: no such file" in result.output


@pytest.mark.parametrize("verb", ["corrupt", "train"])
def test_a_run_goes_on_with_the_model_it_was_sampled_with(tmp_path: Path, solutions: Path, verb: str) -> None:
    folder = tmp_path / "run"
    call("corrupt", folder, "--corruptor", "mutation", "--solutions", solutions)
    with Run(folder) as run:
        run.settle("sample", {"model": str(tmp_path / "no-model")})
    result = call(verb, folder)
    assert result.exit_code == 1
    assert "no-model" in result.output


@pytest.mark.parametrize("verb", ["sft", "train"])
def test_a_recipe_that_starts_from_another_model_than_the_run_s_is_refused(tmp_path: Path, verb: str) -> None:
    with Run(tmp_path / "run") as run:
        run.settle("sample", {"model": "owner/sampled"})
    result = call(verb, tmp_path / "run", "--set", "model_name_or_path=owner/other")
    said = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "owner/sampled" in said
    assert "owner/other" in said
    assert "--model" in said


@pytest.mark.parametrize("verb", ["sft", "train"])
def test_a_model_that_is_not_where_the_recipe_says_is_told_in_one_line(tmp_path: Path, verb: str) -> None:
    result = call(verb, tmp_path / "run", "--set", f"model_name_or_path={tmp_path}/model/sft")
    assert result.exit_code == 1
    assert "model/sft is no model" in result.output
    assert len(result.output.splitlines()) == 1


def test_an_adapter_alone_is_no_model_to_start_from(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    result = call("train", tmp_path / "run", "--model", tmp_path)
    assert result.exit_code == 1
    assert "is an adapter alone" in result.output


def test_there_is_nothing_to_export_in_an_empty_run(tmp_path: Path) -> None:
    result = call("export", tmp_path)
    assert result.exit_code == 1
    assert "no pairs to export" in result.output


@pytest.mark.parametrize(
    "verb", ["sample", "corrupt", "run", "export", "status", "quickstart", "rounds", "import"]
)
def test_help_shows_an_example(verb: str) -> None:
    assert f"scdpo {verb}" in call(verb, "--help").output


@pytest.mark.parametrize("verb", ["train", "sft"])
def test_a_run_that_a_server_sampled_is_not_taken_for_the_built_in_model_s(verb: str, tmp_path: Path) -> None:
    with Run(tmp_path / "run") as run:
        run.settle("sample", {"model": Place(servers=["http://127.0.0.1:1"]).named})
        run.pairs.path.write_text("")
    said = call(verb, tmp_path / "run")
    assert said.exit_code == 1
    assert "sampled through a server" in " ".join(said.output.split())
    assert "--model" in said.output
