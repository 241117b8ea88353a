"""Fine-tuning: only the model's own tokens count, special tokens are added where missing, long solutions go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.dataset import SolutionEncoder
from scdpo.records import SolutionRecord
from scdpo.sft import encode_solutions, sft


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
    tiny_model: Path, records: list[SolutionRecord], settings: dict[str, Any], tmp_path: Path
) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    plain.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="</s>").save_pretrained(tmp_path / "plain")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "plain")
    file = tmp_path / "solutions.jsonl"
    file.write_text("".join(json.dumps(record.model_dump(mode="json")) + "\n" for record in records))
    result = sft(
        file,
        str(tmp_path / "plain"),
        tmp_path / "out",
        {**settings, "num_train_epochs": 8, "warmup_steps": 0},
    )
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses[-1] < losses[0]
    tokenizer = AutoTokenizer.from_pretrained(result.model_path)
    model = AutoModelForCausalLM.from_pretrained(result.model_path)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) == 257 + 8
