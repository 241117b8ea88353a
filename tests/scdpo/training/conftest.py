"""Pairs for the tests of training: three problems, each with a naive pair and step-controlled ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scdpo.data.records import SolutionRecord

Blocks = list[dict[str, str]]


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def code(content: str, output: str) -> Blocks:
    return [{"type": "code", "content": content}, {"type": "execution", "content": output}]


def solution(a: int, b: int, first: int, second: int) -> Blocks:
    """Two code steps: a + b as ``first``, then doubled as ``second``."""
    return [
        text(f"Add {a} and {b}."),
        *code(f"s = {a} + {b}\nprint(s)", f"{first}\n"),
        text("Now double it."),
        *code("print(2 * s)", f"{second}\n"),
        text(f"The answer is \\boxed{{{second}}}."),
    ]


def record(
    problem: int, kind: str, prefix: Blocks, chosen: Blocks, rejected: Blocks, number: int = 0
) -> dict[str, Any]:
    return {
        "id": f"p{problem}-{kind}-{number}",
        "problem_id": f"p{problem}",
        "kind": kind,
        "branch_step": None if kind == "naive" else number,
        "question": f"What is twice the sum of {problem} and {problem + 1}?",
        "gold": str(4 * problem + 2),
        "format": "mathcoder",
        "prefix": prefix,
        "chosen": chosen,
        "rejected": rejected,
        "chosen_answer": str(4 * problem + 2),
        "rejected_answer": "0",
        "prefix_tokens": [],
        "chosen_tokens": [],
        "rejected_tokens": [],
        "schema_version": 1,
        "origin": {
            "chosen_id": "c", "rejected_id": "r", "corruptor": "mutation", "mutation": "", "temperatures": [], "attempts": 1,
        },
    }  # fmt: skip


def _pairs(problems: int) -> list[dict[str, Any]]:
    """A naive pair and two step-controlled ones per problem."""
    records = []
    for p in range(problems):
        right, wrong = solution(p, p + 1, 2 * p + 1, 4 * p + 2), solution(p, p + 2, 2 * p + 2, 4 * p + 4)
        records.append(record(p, "naive", [], right, wrong))
        late = [
            text("Now triple it."),
            *code("print(3 * s)", f"{6 * p + 3}\n"),
            text(f"So \\boxed{{{6 * p + 3}}}."),
        ]
        records.append(record(p, "step_controlled", right[:3], right[3:], late, number=1))
        records.append(record(p, "step_controlled", right[:1], right[1:], wrong[1:], number=0))
    return records


def _text_pairs(problems: int) -> list[dict[str, Any]]:
    """The same without code, for the chain-of-thought format."""
    records = []
    for p in range(problems):
        right = [
            text(f"Add to get {2 * p + 1}.\n"),
            text(f"Double it: {4 * p + 2}.\n"),
            text(f"So \\boxed{{{4 * p + 2}}}."),
        ]
        wrong = [
            text(f"Add to get {2 * p + 1}.\n"),
            text(f"Square it: {p * p}.\n"),
            text(f"So \\boxed{{{p * p}}}."),
        ]
        records.append(record(p, "naive", [], right, wrong))
        records.append(record(p, "step_controlled", right[:1], right[1:], wrong[1:], number=0))
    return records


@pytest.fixture(scope="session")
def pairs() -> list[dict[str, Any]]:
    return _pairs(3)


@pytest.fixture(scope="session")
def text_pairs() -> list[dict[str, Any]]:
    return _text_pairs(2)


@pytest.fixture(scope="session")
def pairs_file(pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return path


@pytest.fixture(params=["tied", "untied"])
def plain_model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A random two-layer Llama that knows bytes and no special tokens."""
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
        vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        tie_word_embeddings=request.param == "tied",
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "plain")
    return tmp_path / "plain"


@pytest.fixture
def solutions_file(records: list[SolutionRecord], tmp_path: Path) -> Path:
    path = tmp_path / "solutions.jsonl"
    path.write_text("".join(json.dumps(record.model_dump(mode="json")) + "\n" for record in records))
    return path


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of a short run on the CPU."""
    return {
        "per_device_train_batch_size": 3,
        "num_train_epochs": 2,
        "learning_rate": 1e-3,
        "max_length": 512,
        "logging_steps": 1,
        "use_cpu": True,
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def solution_record(pair: dict[str, Any], status: str = "correct") -> SolutionRecord:
    return SolutionRecord.model_validate(
        {
            "id": f"{pair['id']}-{status}", "problem_id": pair["problem_id"], "question": pair["question"],
            "gold": pair["gold"], "blocks": pair["chosen"], "clean": True, "dropped": "", "isolation": "none",
            "verdict": {"status": status, "answer": pair["gold"], "reason": ""},
            "sampling": {
                "engine": "", "model": "", "format": "mathcoder", "seed": 0, "temperatures": [], "finish": "stop",
                "tokens": 0, "block_tokens": [],
            },
        }
    )  # fmt: skip


@pytest.fixture
def records(pairs: list[dict[str, Any]]) -> list[SolutionRecord]:
    return [solution_record(pair) for pair in pairs[::3]] + [solution_record(pairs[0], "incorrect")]
