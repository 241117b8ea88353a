"""A training goes on with what it was begun with, or says what differs; a torn checkpoint is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.data.runs import RunError
from scdpo.training.sft import sft
from scdpo.training.train import train


@pytest.fixture
def saving(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "save_strategy": "steps", "save_steps": 1, "num_train_epochs": 1}


@pytest.fixture
def begun(tiny_model: Path, pairs_file: Path, saving: dict[str, Any], tmp_path: Path) -> Path:
    """An output folder with the checkpoints of three steps."""
    train(pairs_file, str(tiny_model), tmp_path / "out", "scdpo", saving)
    return tmp_path / "out"


def test_an_output_that_cannot_be_written_is_one_line(
    tiny_model: Path, pairs_file: Path, saving: dict[str, Any]
) -> None:
    for place in ("/proc/x", "/dev/null/x"):
        with pytest.raises(RunError, match=f"cannot write {place}: .*choose another --output"):
            train(pairs_file, str(tiny_model), place, "scdpo", saving)


@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate": 2e-3},
        {"beta": 0.2},
        {"num_train_epochs": 2},
        {"gradient_accumulation_steps": 2},
        {"use_peft": True},
    ],
)
def test_a_changed_setting_is_named_and_refused(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any], changed: dict[str, Any]
) -> None:
    name = "items of a step" if "gradient_accumulation_steps" in changed else next(iter(changed))
    with pytest.raises(RunError, match=rf"{name}.* was .* and is .*--output"):
        train(pairs_file, str(tiny_model), begun, "scdpo", {**saving, **changed})


@pytest.fixture
def other_model(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model with other weights."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    torch.manual_seed(1)
    with torch.no_grad():
        model.lm_head.weight.add_(0.1 * torch.randn_like(model.lm_head.weight))
    model.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "other")
    return tmp_path / "other"


def test_another_start_model_is_refused(
    begun: Path, other_model: Path, pairs_file: Path, saving: dict[str, Any]
) -> None:
    with pytest.raises(RunError, match="the start model"):
        train(pairs_file, str(other_model), begun, "scdpo", saving)


def test_another_start_model_is_another_reference_where_its_weights_cannot_be_hashed(
    begun: Path,
    other_model: Path,
    pairs_file: Path,
    saving: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Under ZeRO-3 every model's weights are empty when TRL hashes them.
    monkeypatch.setattr("trl.trainer.dpo_trainer.hash_module", lambda model: "the same for all")
    first = train(pairs_file, str(other_model), tmp_path / "first", "scdpo", saving)
    (tmp_path / "second").mkdir()
    (first.model_path / "encoded").rename(tmp_path / "second" / "encoded")
    second = train(pairs_file, str(begun), tmp_path / "second", "scdpo", saving)
    assert second.history[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)


def test_other_pairs_are_refused(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any], tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text("".join(pairs_file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match="the data"):
        train(fewer, str(tiny_model), begun, "scdpo", saving)


def test_how_it_is_logged_and_saved_may_change(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any]
) -> None:
    changed = {"logging_steps": 2, "save_total_limit": 1, "gradient_checkpointing": True}
    assert train(pairs_file, str(tiny_model), begun, "scdpo", {**saving, **changed}).steps == 3


@pytest.mark.parametrize("stage", ["sft", "scdpo"])
def test_a_training_that_ended_within_an_epoch_takes_no_further_step(
    tiny_model: Path,
    pairs_file: Path,
    solutions_file: Path,
    saving: dict[str, Any],
    tmp_path: Path,
    stage: str,
) -> None:
    saving |= {"per_device_train_batch_size": 1, "max_steps": 2, "lr_scheduler_type": "constant"}
    for _ in range(2):
        if stage == "sft":
            result = sft(solutions_file, str(tiny_model), tmp_path / "out", saving)
        else:
            result = train(pairs_file, str(tiny_model), tmp_path / "out", "scdpo", saving)
        assert result.steps == 2
    assert not (tmp_path / "out" / "checkpoint-3").exists()


def test_a_model_of_which_nothing_is_known_is_not_gone_on_with(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any]
) -> None:
    (begun / "training.json").unlink()
    with pytest.raises(RunError, match=r"no training\.json"):
        train(pairs_file, str(tiny_model), begun, "scdpo", saving)


def test_a_training_that_saved_nothing_yet_may_begin_otherwise(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "early").mkdir()
    (begun / "training.json").rename(tmp_path / "early" / "training.json")
    result = train(pairs_file, str(tiny_model), tmp_path / "early", "scdpo", {**saving, "beta": 0.2})
    assert json.loads((result.model_path / "training.json").read_text())["beta"] == 0.2


@pytest.mark.parametrize("torn", ["missing", "empty"])
def test_a_checkpoint_that_was_not_finished_is_passed_over(
    begun: Path, tiny_model: Path, pairs_file: Path, saving: dict[str, Any], torn: str
) -> None:
    state = begun / "checkpoint-3" / "trainer_state.json"
    state.unlink()
    if torn == "empty":
        state.touch()
    result = train(pairs_file, str(tiny_model), begun, "scdpo", saving)
    assert [entry["step"] for entry in result.history if "loss" in entry] == [1, 2, 3]


def test_fine_tuning_refuses_what_it_was_not_begun_with(
    tiny_model: Path, solutions_file: Path, saving: dict[str, Any], tmp_path: Path
) -> None:
    sft(solutions_file, str(tiny_model), tmp_path / "out", saving)
    with pytest.raises(RunError, match="learning_rate"):
        sft(solutions_file, str(tiny_model), tmp_path / "out", {**saving, "learning_rate": 2e-3})
    assert sft(solutions_file, str(tiny_model), tmp_path / "out", saving).steps == 1
