"""The dry run counts what training then does; every recipe is a valid configuration."""

from __future__ import annotations

import json
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
from scdpo.training.train import parse_settings, train


def test_the_plan_counts_what_training_does(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    plan = dry_run(pairs_file, str(tiny_model), "scdpo", settings)
    result = train(pairs_file, str(tiny_model), tmp_path, "scdpo", settings)
    assert plan.pairs == dict(result.report.kept)
    assert plan.steps == result.steps
    # Two epochs; how problems fall into batches differs from epoch to epoch.
    assert result.tokens == pytest.approx(2 * plan.tokens_encoded, rel=0.05)
    assert result.tokens == result.history[-2]["num_tokens"]
    assert 0.2 < result.peak_memory < 64
    assert plan.tokens_encoded < plan.tokens_plain / 2
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
        "metamath-mistral-7b": (1e-7, 0.5, 2048),
    }  # fmt: skip
    for name, expected in table.items():
        recipe = recipes.load(name)
        assert (recipe["learning_rate"], recipe["beta"], recipe["max_length"]) == expected
        assert recipe["per_device_train_batch_size"] * recipe["gradient_accumulation_steps"] * 8 == 64


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
