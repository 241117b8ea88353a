"""LoRA: what it leaves is an ordinary model for the next step, and new tokens are learned."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.training.sft import sft
from scdpo.training.train import train


@pytest.fixture
def lora(settings: dict[str, Any]) -> dict[str, Any]:
    adapter = {"use_peft": True, "lora_r": 4, "lora_target_modules": ["q_proj", "v_proj"]}
    return {**settings, **adapter, "learning_rate": 1e-2, "warmup_steps": 0}


def scores(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(5, 60).unsqueeze(0)).logits


def test_an_adapter_is_trained_against_the_start_model_and_merged_into_it(
    tiny_model: Path, pairs_file: Path, lora: dict[str, Any], tmp_path: Path
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path, "scdpo", lora)
    assert result.history[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert result.history[-2]["rewards/margins"] > 0
    assert (result.model_path / "adapter" / "adapter_model.safetensors").stat().st_size < 50_000
    merged = scores(AutoModelForCausalLM.from_pretrained(result.model_path))
    alone = scores(AutoPeftModelForCausalLM.from_pretrained(result.model_path / "adapter"))
    torch.testing.assert_close(merged, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(merged, scores(AutoModelForCausalLM.from_pretrained(tiny_model)), atol=1e-2)


def test_a_model_that_was_fine_tuned_so_is_what_preference_training_starts_from(
    plain_model: Path, solutions_file: Path, pairs_file: Path, lora: dict[str, Any], tmp_path: Path
) -> None:
    tuned = sft(solutions_file, str(plain_model), tmp_path / "sft", lora)
    result = train(pairs_file, str(tuned.model_path), tmp_path / "scdpo", "scdpo", lora)
    assert result.history[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)
    model = AutoModelForCausalLM.from_pretrained(result.model_path)
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(result.model_path)) == 257 + 8


def test_new_tokens_are_learned(
    plain_model: Path, solutions_file: Path, lora: dict[str, Any], tmp_path: Path
) -> None:
    drawn = sft(solutions_file, str(plain_model), tmp_path / "drawn", {**lora, "learning_rate": 1e-9})
    tuned = sft(solutions_file, str(plain_model), tmp_path / "tuned", {**lora, "num_train_epochs": 4})
    first, last = (AutoModelForCausalLM.from_pretrained(r.model_path) for r in (drawn, tuned))
    tokenizer = AutoTokenizer.from_pretrained(tuned.model_path)
    used = tokenizer.convert_tokens_to_ids(["<|text|>", "<|code|>", "<|endofblock|>", "<|endofmessage|>"])
    for table in ("get_input_embeddings", "get_output_embeddings"):
        before, after = getattr(first, table)().weight, getattr(last, table)().weight
        assert (before[used] - after[used]).abs().amax(dim=1).min() > 1e-3


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
@pytest.mark.parametrize("setting", ["load_in_4bit", "load_in_8bit"])
def test_fine_tuning_does_not_pass_over_quantisation(
    tiny_model: Path, solutions_file: Path, lora: dict[str, Any], tmp_path: Path, setting: str
) -> None:
    with pytest.raises(ImportError, match="bitsandbytes"):
        sft(solutions_file, str(tiny_model), tmp_path / "out", {**lora, setting: True})
