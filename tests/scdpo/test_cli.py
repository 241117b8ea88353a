"""The command line from outside: what it makes, and how it says what is wrong."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import datasets
import pytest
from typer.testing import CliRunner, Result

from sandbox import IsolationError
from scdpo.cli import app
from scdpo.data.problems import Problem
from scdpo.data.runs import Run
from scdpo.jobs.backend import Backend
from tests.scdpo.scripted import adder
from tests.scdpo.test_server_engine import FakeServer


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


def test_a_code_block_that_fails_is_told_by_the_exit_code(tmp_path: Path) -> None:
    text = "```python\n1 / 0\n```\n```python\n6 * 7\n```\n"
    result = CliRunner().invoke(app, ["run", "-"], input=text)
    assert result.exit_code == 1
    assert "1 of 2 code blocks failed: error" in result.output


def test_standard_input_is_verified_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["verify", "-"], input='{"prediction": "1/2", "gold": 0.5}\n')
    assert result.exit_code == 0, result.output
    (line,) = (tmp_path / "stdin.verdicts.jsonl").read_text().splitlines()
    assert json.loads(line)["correct"]
    bad = CliRunner().invoke(app, ["verify", "-"], input="{\n")
    assert bad.exit_code == 1
    assert "standard input, line 1: not JSON" in " ".join(bad.output.split())


@pytest.mark.parametrize(
    "command",
    [
        ("sample", "{run}", "--model", "{here}/model/spdco"),
        ("evaluate", "{here}/model/spdco", "--run", "{run}"),
        ("train", "{here}", "--model", "{here}/model/spdco"),
        ("export", "{here}", "--tokenizer", "{here}/model/spdco"),
        ("credit", "{here}", "--models", "A={here}/model/spdco"),
    ],
    ids=lambda command: command[0],
)
def test_a_misspelt_model_folder_is_not_asked_of_the_hub(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_hub(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("httpx.Client.send", no_hub)
    here = tmp_path / "mine"
    (here / "model" / "scdpo").mkdir(parents=True)
    (here / "model" / "scdpo" / "config.json").write_text("{}")
    result = call(*(part.format(run=tmp_path / "new", here=here) for part in command))
    assert result.exit_code == 1
    assert f"did you mean {here}/model/scdpo?" in result.output
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    result = call("report", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/report.html cannot be written: Is a directory" in result.output


def test_what_a_model_or_its_code_wrote_cannot_drive_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "s.md"
    file.write_text(
        'Title \x1b]0;mine\x07\n```python\nprint("\\x1b[31mred \\x9b5A")\n```\n', encoding="utf-8"
    )
    result = call("run", file)
    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(result.output)
    assert r"\x1b[31mred \x9b5A" in result.output


def test_a_file_without_code_is_said_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "s.md"
    file.write_text("no code", encoding="utf-8")
    result = call("run", file)
    assert result.exit_code == 1
    assert "--format" in result.output


def test_a_kind_that_looks_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"prediction": "1", "gold": "1", "kind": "[/b]"}\n', encoding="utf-8")
    result = call("verify", file)
    assert result.exit_code == 0
    assert "[/b]" in result.output


@pytest.mark.parametrize(
    ("host", "hint"),
    [("127.0.0.1", "give another --port"), ("[::1]", "--host is an address of this machine")],
)
def test_an_address_that_cannot_be_served_is_said_with_what_to_change(host: str, hint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = call("serve", "--host", host, "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert hint in " ".join(result.output.split())


@pytest.mark.parametrize(("options", "status"), [((), "incorrect"), (("--rounding", "sigfigs"), "correct")])
def test_a_rounded_answer_is_right_where_it_is_asked_for(
    tmp_path: Path, options: tuple[str, ...], status: str
) -> None:
    file, out = tmp_path / "answers.jsonl", tmp_path / "verdicts.jsonl"
    file.write_text('{"prediction": "0.333", "gold": "1/3"}\n', encoding="utf-8")
    assert call("verify", file, "--out", out, *options).exit_code == 0
    assert json.loads(out.read_text(encoding="utf-8"))["status"] == status


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
    assert "is no model: there is no such folder" in result.output


def test_a_run_without_solutions_has_nothing_to_corrupt(tmp_path: Path) -> None:
    result = call("corrupt", tmp_path / "run")
    assert result.exit_code == 1
    assert "holds no solutions: scdpo sample makes them" in result.output


def test_a_misspelt_file_of_problems_does_not_bind_the_run(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        result = call("sample", tmp_path / "run", "--problems", tmp_path / name)
        assert result.exit_code == 1
        assert f"{name}: no such file" in result.output


def test_all_problems_of_a_file_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    async def sample_naive(run: Run, problems: list[Problem], *_: object) -> None:
        taken.append(len(problems))

    @asynccontextmanager
    async def sampler(*_: object) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr("scdpo.jobs.local.sample_naive", sample_naive)
    monkeypatch.setattr(Backend, "sampler", sampler)
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f'{{"question": "{i}+1?", "answer": {i + 1}}}\n' for i in range(700)))
    for more in ([], ["--limit", 600]):
        assert call("sample", tmp_path / "run", "--problems", file, *more).exit_code == 0
    assert taken == [700, 600]


@pytest.mark.parametrize("verb", ["corrupt", "train"])
def test_a_run_goes_on_with_the_model_it_was_sampled_with(tmp_path: Path, solutions: Path, verb: str) -> None:
    folder = tmp_path / "run"
    call("corrupt", folder, "--corruptor", "mutation", "--solutions", solutions)
    with Run(folder) as run:
        run.settle("sample", {"model": str(tmp_path / "no-model")})
    result = call(verb, folder)
    assert result.exit_code == 1
    assert "no-model" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sample", "--engines", 2], "--engines is for a cluster"),
        (["sample", "--workers", 2], "--workers is for a cluster"),
        (["corrupt", "--gpus", 1], "--gpus is for a cluster"),
        (["sample", "--cluster", "ray", "--server", "http://h", "--gpus", 1], "leave it out with --server"),
        (["sample", "--engine", "vllm", "--server", "http://h"], "and only with them"),
        (["sample", "--in-flight", 5000], "--in-flight is at most 4096"),
        (["corrupt", "--corruptor", "mutation", "--steps", 2], "--steps goes with --corruptor temperature"),
        (["corrupt", "--corruptor", "mutation", "--attempts", 16], "--attempts goes with"),
        (["corrupt", "--format", "cot"], "--format goes with --solutions"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(
    tmp_path: Path, arguments: list[object], said: str
) -> None:
    result = call(arguments[0], tmp_path / "run", *arguments[1:])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


def test_the_solutions_under_way_on_a_cluster_are_divided_among_its_workers() -> None:
    assert Backend(cluster="ray", in_flight=640, workers=10).per_worker == 64
    assert Backend(cluster="ray", engines=8, workers=32).per_worker == 64
    assert Backend().at_once == 256


def test_exported_prompts_hold_the_system_message_of_the_run(tmp_path: Path, solutions: Path) -> None:
    folder = tmp_path / "run"
    call("corrupt", folder, "--corruptor", "mutation", "--solutions", solutions)
    with Run(folder) as run:
        run.settle("sample", {"system": "Reason step by step."})
    prompts = []
    for more in ([], ["--system", "Be brief."]):
        assert call("export", folder, "--out", tmp_path / "pairs.parquet", *more).exit_code == 0
        rows = datasets.Dataset.from_parquet(
            str(tmp_path / "pairs.parquet"), cache_dir=str(tmp_path / "cache"), keep_in_memory=True
        )
        prompts.append(rows[0]["prompt"])
    assert ["Reason step by step." in prompt for prompt in prompts] == [True, False]
    assert "Be brief." in prompts[1]


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
    (tmp_path / "run").mkdir()
    result = call(verb, tmp_path / "run", "--set", f"model_name_or_path={tmp_path}/model/sft")
    assert result.exit_code == 1
    assert "model/sft is no model" in result.output
    assert len(result.output.splitlines()) == 1


def test_an_adapter_alone_is_no_model_to_start_from(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "run").mkdir()
    result = call("train", tmp_path / "run", "--model", tmp_path)
    assert result.exit_code == 1
    assert "is an adapter alone" in result.output


def test_there_is_nothing_to_export_in_an_empty_run(tmp_path: Path) -> None:
    result = call("export", tmp_path)
    assert result.exit_code == 1
    assert "no pairs to export" in result.output


@pytest.mark.parametrize(
    "verb",
    [
        "sample",
        "corrupt",
        "run",
        "export",
        "status",
        "quickstart",
        "rounds",
        "import",
        "serve",
        "doctor",
        "verify",
    ],
)
def test_help_shows_an_example(verb: str) -> None:
    assert f"scdpo {verb}" in call(verb, "--help").output


def serving(server: FakeServer, model: str) -> list[str]:
    """Let a server offer a model that adds; return the options that ask it."""
    server.card.update(id=model, max_model_len=4096)
    server.write = lambda body: adder(
        server.vocabulary.tokenizer.decode(body["prompt"]), random.Random(body["seed"])
    )
    return ["--server", server.url]


def test_a_server_that_was_restarted_with_another_model_is_refused(
    tmp_path: Path, server: FakeServer
) -> None:
    problems = tmp_path / "sums.jsonl"
    problems.write_text('{"question": "What is 2 + 5?", "answer": 7}\n')
    folder = tmp_path / "run"
    sample = ["sample", folder, "--problems", problems, "--at-most", 4]
    assert call(*sample, *serving(server, "first")).exit_code == 0
    before = (folder / "solutions.jsonl").read_text()
    assert call(*sample, *serving(server, "first"), "--at-most", 5).exit_code == 0
    again = call(*sample, *serving(server, "second"))
    assert again.exit_code == 1
    assert "begun with served='first' for 'sample', not 'second'" in " ".join(again.output.split())
    corrupted = call("corrupt", folder, *serving(server, "second"))
    assert corrupted.exit_code == 1
    assert "sampled with 'first', and the server offers 'second'" in " ".join(corrupted.output.split())
    assert (folder / "solutions.jsonl").read_text().startswith(before)
    assert not (folder / "branches.jsonl").exists()
    assert call("corrupt", folder, "--attempts", 2, *serving(server, "first")).exit_code == 0


def test_mutation_needs_no_word_of_the_model_that_a_server_had(tmp_path: Path, solutions: Path) -> None:
    folder = tmp_path / "run"
    with Run(folder) as run:
        run.settle("sample", {"model": Backend(servers=["http://127.0.0.1:1"]).named})
    result = call("corrupt", folder, "--corruptor", "mutation", "--solutions", solutions)
    assert result.exit_code == 0, result.output
    assert list(Run(folder).pairs)


@pytest.mark.parametrize("verb", ["train", "sft"])
def test_a_run_that_a_server_sampled_is_not_taken_for_the_built_in_model_s(verb: str, tmp_path: Path) -> None:
    with Run(tmp_path / "run") as run:
        run.settle("sample", {"model": Backend(servers=["http://127.0.0.1:1"]).named})
        run.pairs.path.write_text("")
    said = call(verb, tmp_path / "run")
    assert said.exit_code == 1
    assert "sampled through a server" in " ".join(said.output.split())
    assert "--model" in said.output


def test_status_and_doctor_speak_json_and_status_explains(tmp_path: Path, solutions: Path) -> None:
    call("corrupt", tmp_path / "run", "--corruptor", "mutation", "--solutions", solutions)
    said = json.loads(call("status", tmp_path / "run", "--json").output)
    assert said["problems"] == len(SOLUTIONS)
    assert said["pairs"]["step_controlled"] > 0
    with Run(tmp_path / "run") as run:
        run.write_stage("solutions", 3, 1, {"unfinished_forged": 1, "no such word": 1}, 0.0)
    words = " ".join(call("status", tmp_path / "run", "--explain").output.replace("│", " ").split())
    assert "instead of waiting for the kernel" in words
    assert "A word of another version" in words
    assert json.loads(call("doctor", "--json").output)["python"].startswith("3.")


def test_a_siege_of_a_level_that_cannot_be_had_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise IsolationError("user namespaces are refused here. Allow them")

    monkeypatch.setattr("scdpo.cli.doctor.lay", refuse)
    said = call("doctor", "--siege")
    assert said.exit_code == 1
    assert said.output.splitlines()[-1] == "error: user namespaces are refused here. Allow them"


def test_json_of_a_training_is_for_the_plan(tmp_path: Path, solutions: Path) -> None:
    call("corrupt", tmp_path / "run", "--corruptor", "mutation", "--solutions", solutions)
    plan = json.loads(call("train", tmp_path / "run", "--dry-run", "--json", "--device-memory", 1).output)
    assert plan["fits"]
    assert plan["needed_gib"] < plan["device_gib"] == 1
    short = call("train", tmp_path / "run", "--dry-run", "--set", "per_device_train_batch_size=64").output
    assert "too few to move the weights: lower per_device_train_batch_size" in short
    refused = call("train", tmp_path / "run", "--json")
    assert refused.exit_code == 1
    assert "--json goes with --dry-run" in refused.output
