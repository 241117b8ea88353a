"""The dry run counts what training then does; every recipe is a valid configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from scdpo import recipes
from scdpo.cli import app
from scdpo.training.config import SCDPOConfig
from scdpo.training.dry_run import dry_run
from scdpo.training.sft import SolutionSFTConfig
from scdpo.training.train import optimizer_steps, parse_settings, train


@pytest.mark.parametrize("most", [None, 300])
def test_the_plan_counts_what_training_does(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path, most: int | None
) -> None:
    settings = {**settings, "max_tokens_per_pass": most}
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", settings)
    result = train(pairs_file, str(tiny_model), tmp_path, "scdpo", settings)
    assert plan.pairs == dict(result.report.kept)
    assert plan.steps == result.steps
    # Two epochs; how problems fall into batches differs from epoch to epoch.
    assert result.tokens == pytest.approx(2 * plan.tokens_encoded, rel=0.05)
    assert result.tokens == result.history[-2]["num_tokens"]
    assert 0.2 < result.peak_memory < 64
    # Passes share less than whole batches do.
    assert plan.tokens_encoded < plan.tokens_plain / (2 if most is None else 1.5)
    assert (plan.largest_batch <= 300) == (most is not None)
    assert plan.trainable == plan.parameters
    json.dumps(plan.to_dict())


def test_a_dry_run_prints_pairs_tokens_steps_and_memory_and_trains_nothing(
    tiny_model: Path, pairs_file: Path, tmp_path: Path
) -> None:
    arguments = ["train", str(tmp_path), "--pairs", str(pairs_file), "--model", str(tiny_model), "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--set", "max_length=142"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", {**recipes.load("embedded"), "max_length": 142})
    shown = {
        tuple(cell.strip() for cell in line.split("│")[1:3])
        for line in result.output.splitlines()
        if "│" in line
    }
    assert {("pairs: naive", "2"), ("pairs: step controlled", "4"), ("dropped: too long", "3")} <= shown
    assert ("tokens an epoch, as encoded", f"{plan.tokens_encoded:,}") in shown
    assert ("steps in all", str(plan.steps)) in shown
    assert ("memory of one device, unsharded: total", f"{plan.memory.total:.3g} GiB") in shown
    assert not (tmp_path / "model").exists()


def test_a_dry_run_counts_for_a_recipe_s_gpus_on_a_machine_without_any(
    tiny_model: Path, pairs_file: Path, tmp_path: Path
) -> None:
    arguments = ["train", str(tmp_path), "--pairs", str(pairs_file), "--model", str(tiny_model), "--dry-run"]
    wide = {"COLUMNS": "120"}
    result = CliRunner().invoke(app, [*arguments, "--config", "mistral-7b", "--processes", "2"], env=wide)
    assert result.exit_code == 0, result.output
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", recipes.load("mistral-7b"), processes=2)
    # Nine pairs, eight a pass on each of two devices, two epochs.
    assert (plan.batch_pairs, plan.steps) == (16, 2)
    states = plan.memory.weights + plan.memory.gradients + plan.memory.optimizer
    shared = plan.memory.total - states / 2
    assert f"sharded over 2 (FSDP, ZeRO-3): total │ {shared:.3g} GiB" in " ".join(result.output.split())


def test_lora_needs_states_for_the_adapter_only(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any]
) -> None:
    lora = {"use_peft": True, "lora_r": 4, "lora_target_modules": ["q_proj", "o_proj"]}
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", {**settings, **lora})
    # Two layers, two projections, A (4 x 32) and B (32 x 4).
    assert plan.trainable == 2 * 2 * 2 * 4 * 32
    assert plan.memory.optimizer < plan.memory.weights


def test_dropped_pairs_are_in_the_plan(tiny_model: Path, pairs_file: Path, settings: dict[str, Any]) -> None:
    full = dry_run(pairs_file, str(tiny_model), "dpo", settings)
    # The third problem's sides are two tokens longer than the others'.
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", {**settings, "max_length": 142})
    assert plan.pairs == {"naive": 2, "step_controlled": 4}
    assert plan.dropped == {"too_long": 3}
    assert full.pairs == {"naive": 3}


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_a_valid_configuration(name: str, tmp_path: Path) -> None:
    config = SolutionSFTConfig if name.endswith("-sft") else SCDPOConfig
    args, _ = parse_settings(config, {**recipes.load(name), "bf16": False, "use_cpu": True}, tmp_path)
    assert 0 < args.learning_rate < 1e-3


def test_the_papers_settings_are_in_its_recipes() -> None:
    table = {
        "mistral-7b": (1e-7, 0.1, 1024), "mathcoder-mistral-7b": (1e-7, 0.1, 1024),
        "metamath-mistral-7b": (1e-7, 0.5, 2048), "internlm2-20b": (1.5e-7, 0.1, 1024),
    }  # fmt: skip
    for name, expected in table.items():
        recipe = recipes.load(name)
        assert (recipe["learning_rate"], recipe["beta"], recipe["max_length"]) == expected
        assert (
            recipe["per_device_train_batch_size"]
            * recipe["gradient_accumulation_steps"]
            * (16 if "20b" in name else 8)
            == 64
        )


def test_launch_configurations_are_accelerates() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    for path in (recipes.FOLDER / "accelerate").glob("*.yaml"):
        assert (
            load_config_from_file(str(path)).num_processes
            == yaml.safe_load(path.read_text())["num_processes"]
        )


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match="mistral-7b"):
        recipes.load("no-such-recipe")


def test_a_number_without_a_point_is_a_number(tmp_path: Path) -> None:
    args, _ = parse_settings(
        SCDPOConfig, {"learning_rate": yaml.safe_load("2e-5"), "use_cpu": True}, tmp_path
    )
    assert args.learning_rate == 2e-5


PARAMETERS = {
    "smollm2-135m": 0.1345, "mistral-7b": 7.24, "mathcoder-mistral-7b": 7.24, "metamath-mistral-7b": 7.24, "internlm2-20b": 19.86,
    "qwen3-0.6b": 0.596, "qwen3-4b": 4.02, "qwen3-8b": 8.19, "qwen2.5-math-7b": 7.62, "llama-3.1-8b": 8.03,
}  # fmt: skip
"""Billions, as their publishers state them."""


@pytest.mark.parametrize(
    "name", [name for name in recipes.names() if name.removesuffix("-sft") != "embedded"]
)
def test_a_recipe_is_planned_before_its_model_is_there(name: str, pairs_file: Path) -> None:
    shape = recipes.architecture(name)
    assert shape is not None
    if name.endswith("-sft"):
        return
    settings = recipes.load(name)
    if settings["format"] == "metamath":  # text alone; these pairs hold code
        settings["format"] = "mathcoder"
    plan = dry_run(
        pairs_file, settings.pop("model_name_or_path"), "scdpo", settings, processes=8, shape=shape
    )
    assert plan.parameters / 1e9 == pytest.approx(PARAMETERS[name], rel=0.005)
    assert plan.estimated
    assert plan.pairs == {"naive": 3, "step_controlled": 6}


def test_tokens_are_estimated_near_what_a_tokenizer_gives(tiny_model: Path, pairs_file: Path) -> None:
    # The tiny model's tokens are bytes, so its counts are three times the estimate.
    shape = recipes.architecture("smollm2-135m")
    settings = {**recipes.load("embedded"), "max_length": 512}
    estimated = dry_run(pairs_file, "not there", "scdpo", settings, shape=shape)
    counted = dry_run(pairs_file, str(tiny_model), "scdpo", settings)
    assert 3 * estimated.tokens_encoded == pytest.approx(counted.tokens_encoded, rel=0.02)
    assert estimated.steps == counted.steps


@pytest.mark.parametrize(("processes", "said"), [("1", "does not fit: "), ("16", "fits: ")])
def test_a_plan_says_whether_it_fits(pairs_file: Path, tmp_path: Path, processes: str, said: str) -> None:
    arguments = ["train", str(tmp_path), "--pairs", str(pairs_file), "--config", "internlm2-20b", "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--processes", processes], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith(said)
    assert "of 80 GiB on" in last
    assert "The model is not here: tokens are estimated" in result.output
    assert "time on" in result.output


def test_a_short_run_logs_each_step_and_one_too_short_is_warned_of(
    tiny_model: Path,
    pairs_file: Path,
    settings: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, "logging_steps": 50})
    assert [entry["step"] for entry in result.history if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    (warning,) = [record.message for record in caplog.records if record.name == "scdpo.training.train"]
    assert "9 items give 6 optimizer steps" in warning
    assert "per_device_train_batch_size" in warning
    assert "num_train_epochs (now 2)" in warning


def test_the_built_in_recipe_takes_enough_steps_for_a_small_run(tmp_path: Path) -> None:
    for name, config in (("embedded", SCDPOConfig), ("embedded-sft", SolutionSFTConfig)):
        args, _ = parse_settings(config, recipes.load(name), tmp_path)
        assert optimizer_steps(args, 16, 1) >= 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "loss_type=sigmoit"], "loss_type 'sigmoit' is not one of sigmoid, hinge"),
        (["--set", "learning_rate=[1"], "--set learning_rate, line 1 is not YAML"),
        (["--config", "broken.yaml"], "broken.yaml, line 2 is not YAML"),
        (["--pairs", "steps.jsonl", "--method", "dpo"], "holds no pair that dpo can train on; none of its pairs is naive"),
        (["--pairs", "nowhere.jsonl"], "no pairs at nowhere.jsonl"),
        (["--config", "nothing"], "nothing is no file and none of the recipes"),
    ],
)  # fmt: skip
def test_a_mistake_ends_in_one_line(
    tiny_model: Path, pairs: list[dict[str, Any]], pairs_file: Path, tmp_path: Path, monkeypatch: Any,
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("learning_rate: 1\n  beta: [2\n")
    steps = [pair for pair in pairs if pair["kind"] != "naive"]
    Path("steps.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in steps))
    given = ["train", ".", "--pairs", str(pairs_file), "--model", str(tiny_model)]
    result = CliRunner().invoke(app, [*given, *arguments], env={"COLUMNS": "400"})
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert said in line


def test_yamls_false_is_the_strategy_no(tmp_path: Path) -> None:
    args, _ = parse_settings(SCDPOConfig, {"save_strategy": yaml.safe_load("no"), "use_cpu": True}, tmp_path)
    assert args.save_strategy == "no"


def test_a_plan_of_few_steps_that_were_asked_for_warns_no_more_than_the_training(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any]
) -> None:
    few = {**settings, "num_train_epochs": 1}
    assert "optimizer steps, too few" in dry_run(pairs_file, str(tiny_model), "scdpo", few).warning
    assert dry_run(pairs_file, str(tiny_model), "scdpo", {**few, "max_steps": 2}).warning == ""


def test_a_training_shows_its_own_bars_and_a_line_a_step(
    tiny_model: Path, pairs_file: Path, tmp_path: Path
) -> None:
    arguments = [
        "-m",
        "scdpo",
        "train",
        str(tmp_path),
        "--pairs",
        str(pairs_file),
        "--model",
        str(tiny_model),
    ]
    done = subprocess.run(
        [sys.executable, *arguments, "--set", "max_steps=2", "--set", "max_length=512", "--set", "use_cpu=true"],
        capture_output=True, text=True, check=True, timeout=300, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    shown = done.stdout + done.stderr
    assert "score the pairs for scdpo" in shown
    assert re.search(r"step 1 of 2: loss 0\.69\d*, accuracy \d", shown)
    for of_others in ("Computing reference", "unable to detect", "it/s", "examples/s", "{'loss'"):
        assert of_others not in shown
