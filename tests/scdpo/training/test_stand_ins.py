"""The paper's four models as tiny stand-ins: same architecture, tokenizer kind, format and recipe, from end to end.

Random weights write nonsense, so the pairs are given; every stage reads what the one before it left.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM
from typer.testing import CliRunner

from scdpo import recipes
from scdpo.cli import app
from scdpo.training.convert import convert

pytest.importorskip("sentencepiece", reason="the convert extra is not installed")
from scdpo.training.sentencepiece_tokenizer import read_tokenizer

from . import internlm2
from .conftest import solution_record

MODELS = ("mistral-7b", "mathcoder-mistral-7b", "metamath-mistral-7b", "internlm2-20b")
SMALL = {
    "dtype": "float32", "bf16": "false", "gradient_checkpointing": "false", "max_steps": "2", "max_length": "1024",
    "per_device_train_batch_size": "2", "gradient_accumulation_steps": "1", "use_cpu": "true", "save_strategy": "no",
}  # fmt: skip
SETTINGS = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]


def stand_in(name: str, folder: Path) -> Path:
    """Write a tiny model of a recipe's architecture, with a tokenizer of its kind."""
    if name == "internlm2-20b":
        made = internlm2.config(max_position_embeddings=512)
        internlm2.write_checkpoint(folder / "theirs", made)
        return convert(str(folder / "theirs"), folder / "start")
    shape = recipes.architecture(name)
    assert shape is not None
    small = {"vocab_size": 400, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 6,
             "num_key_value_heads": 2, "max_position_embeddings": 512}  # fmt: skip
    torch.manual_seed(0)
    model = MistralForCausalLM(MistralConfig(**{**shape, **small}))
    folder.mkdir(exist_ok=True)
    internlm2.write_tokenizer(
        folder
    )  # SentencePiece with a space before every text, as Llama 2 and Mistral have it
    tokenizer = read_tokenizer(folder, begin=1)
    if name == "mathcoder-mistral-7b":  # published with the format's tokens
        from sandbox.formats import get_format

        tokenizer.add_special_tokens(
            {"additional_special_tokens": list(get_format("mathcoder").special_tokens)}
        )
        model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    return folder / "start"


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    return str(result.output)


@pytest.mark.parametrize("name", MODELS)
def test_a_stand_in_goes_from_fine_tuning_to_evaluation(
    name: str, pairs: list[dict[str, Any]], text_pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    start = stand_in(name, tmp_path / "model")
    given = text_pairs if name.startswith("metamath") else pairs
    recipe = recipes.load(name)
    run = tmp_path / "run"
    run.mkdir()
    records = [solution_record(pair) for pair in given if pair["kind"] == "naive"]
    (run / "solutions.jsonl").write_text("".join(record.model_dump_json() + "\n" for record in records))
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps({**p, "format": recipe["format"]}) + "\n" for p in given)
    )
    form = ["--set", f"format={recipe['format']}"]
    if f"{name}-sft" in recipes.names():
        call(
            "sft",
            run,
            "--config",
            f"{name}-sft",
            "--model",
            start,
            "--output",
            tmp_path / "sft",
            *SETTINGS,
            *form,
        )
        start = tmp_path / "sft"
    problems = tmp_path / "problems.jsonl"
    rows = [
        {"id": p["problem_id"], "question": p["question"], "answer": p["gold"]}
        for p in given
        if p["kind"] == "naive"
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sampled = tmp_path / "sampled"
    tried = CliRunner().invoke(
        app,
        ["sample", str(sampled), "--model", str(start), "--problems", str(problems), "--at-most", "1",
         "--format", recipe["format"]],
    )  # fmt: skip
    assert (sampled / "solutions.jsonl").is_file(), tried.output  # whatever the solutions are worth
    arguments = [
        "train",
        run,
        "--pairs",
        tmp_path / "pairs.jsonl",
        "--config",
        name,
        "--model",
        start,
        *SETTINGS,
    ]
    plan = call(*arguments, "--dry-run")
    assert "fits" in plan
    call(*arguments, "--output", tmp_path / "trained")
    AutoModelForCausalLM.from_pretrained(tmp_path / "trained")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "trained")
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id == 1
    call(
        "evaluate",
        tmp_path / "trained",
        "--run",
        tmp_path / "evaluated",
        "--limit",
        "2",
        "--name",
        "stand-in",
    )
    assert list((tmp_path / "evaluated" / "eval").glob("*.json"))
