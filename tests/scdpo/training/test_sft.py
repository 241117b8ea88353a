"""Fine-tuning: only the model's own tokens count, special tokens are added where missing, long solutions go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.data.encoding import SolutionEncoder
from scdpo.data.records import SolutionRecord
from scdpo.training.sft import encode_solutions, sft


def test_labels_are_the_models_own_tokens_of_preferred_solutions(
    tiny_model: Path, records: list[SolutionRecord]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    encoded, report = encode_solutions(records, SolutionEncoder(tokenizer), None)
    assert report.kept == {"solution": 3}
    assert report.dropped == {"not_preferred": 1}
    row = encoded[0]
    counted = tokenizer.decode([label for label in row["labels"] if label != -100])
    assert counted.startswith("<|text|>Add 0 and 1.<|endofblock|><|code|>")
    assert counted.endswith("<|endofblock|><|endofmessage|>")
    assert "<|execution|>" not in counted
    assert "<|execution|>" in tokenizer.decode(row["input_ids"])


def test_a_solution_that_does_not_fit_is_dropped_whole(
    tiny_model: Path, records: list[SolutionRecord]
) -> None:
    _, report = encode_solutions(records, SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model)), 100)
    assert report.dropped == {"too_long": 3, "not_preferred": 1}


def test_a_model_without_the_formats_tokens_learns_them(
    plain_model: Path, solutions_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    changed = {**settings, "num_train_epochs": 8, "warmup_steps": 0}
    result = sft(solutions_file, str(plain_model), tmp_path / "out", changed)
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses[-1] < losses[0]
    tokenizer = AutoTokenizer.from_pretrained(result.model_path)
    model = AutoModelForCausalLM.from_pretrained(result.model_path)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) == 257 + 8


def test_what_is_drawn_for_new_tokens_is_fixed_by_the_seed(
    plain_model: Path, solutions_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    rows = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)  # what stood before must not matter
        changed = {**settings, "max_steps": 1, "learning_rate": 1e-9, "seed": seed}
        result = sft(solutions_file, str(plain_model), tmp_path / str(number), changed)
        model = AutoModelForCausalLM.from_pretrained(result.model_path)
        rows.append(model.get_input_embeddings().weight[257:])
    torch.testing.assert_close(rows[0], rows[1], rtol=0, atol=1e-7)
    assert not torch.allclose(rows[0], rows[2], rtol=0, atol=1e-7)
