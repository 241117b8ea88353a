"""Training on mixed pairs: it runs, logs each kind apart, and leaves a checkpoint that loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.training.train import train


def test_a_model_trains_on_mixed_pairs_and_its_checkpoint_loads(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path / "out", "scdpo", settings)
    assert result.steps == 6
    assert result.report.kept == {"naive": 3, "step_controlled": 6}
    first = result.history[0]
    assert first["rewards/margins_naive"] == pytest.approx(0, abs=1e-5)
    for kind in ("naive", "step_controlled"):
        last = [entry for entry in result.history if f"rewards/margins_{kind}" in entry][-1]
        assert last[f"rewards/margins_{kind}"] > 0
        assert last[f"rewards/accuracies_{kind}"] == 1.0
    AutoModelForCausalLM.from_pretrained(result.model_path)
    AutoTokenizer.from_pretrained(result.model_path)
    assert "scdpo_tree" not in (result.model_path / "config.json").read_text()


def test_dpo_takes_the_naive_pairs_only(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path, "dpo", {**settings, "max_steps": 1})
    assert result.report.kept == {"naive": 3}


@pytest.mark.parametrize("extra", [{"bf16": True}, {"gradient_checkpointing": True}])
def test_bf16_and_gradient_checkpointing_train(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path, extra: dict[str, Any]
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, **extra})
    assert result.history[-2]["rewards/margins"] > 0


@pytest.mark.parametrize("share_trunk", [False, True])
def test_a_resumed_run_gives_the_same_numbers(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path, share_trunk: bool
) -> None:
    settings |= {"save_strategy": "steps", "save_steps": 2, "share_trunk": share_trunk}
    whole = train(pairs_file, str(tiny_model), tmp_path / "whole", "scdpo", settings)
    (tmp_path / "part").mkdir()
    for name in ("checkpoint-4", "training.json"):
        (tmp_path / "whole" / name).rename(tmp_path / "part" / name)
    resumed = train(pairs_file, str(tiny_model), tmp_path / "part", "scdpo", settings)
    assert resumed.steps == whole.steps == 6
    first, second = (
        AutoModelForCausalLM.from_pretrained(r.model_path).state_dict() for r in (whole, resumed)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    timeless = [
        [
            {k: v for k, v in entry.items() if k in ("loss", "grad_norm", "rewards/margins")}
            for entry in r.history
        ]
        for r in (whole, resumed)
    ]
    assert timeless[0][4:6] == timeless[1][4:6]


def test_reference_scores_are_computed_once(
    tiny_model: Path,
    pairs_file: Path,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, "max_steps": 1})

    def fail(*args: Any) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr("scdpo.training.trainer.SCDPOTrainer.compute_ref_log_probs", fail)
    train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, "max_steps": 1})


@pytest.mark.parametrize(
    ("name", "value"), [("precompute_ref_log_probs", False), ("ld_alpha", 0.5), ("sync_ref_model", True)]
)
def test_settings_that_would_falsify_the_figures_are_refused(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path, name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=name):
        train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, name: value})


def test_an_unknown_setting_is_named(tiny_model: Path, pairs_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'learning_rate'"):
        train(pairs_file, str(tiny_model), tmp_path, "scdpo", {"learning_rat": 1})


def test_pairs_of_which_none_fits_are_an_error(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="prefix_fills_context"):
        train(pairs_file, str(tiny_model), tmp_path, "scdpo", {**settings, "max_length": 20})
