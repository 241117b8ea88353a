"""The built-in model: it loads, its tokenizer loses nothing, and it solves problems as its log says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import demonstrations
from experiments.embedded.measure import figures, solve, wilson
from experiments.embedded.train import IGNORED, encode
from sandbox import Block
from sandbox.formats import get_format
from scdpo.data.problems import embedded_model_path, embedded_problems, load_problems

FORMAT = get_format("mathcoder")


@cache
def load_tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(embedded_model_path())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return load_tokenizer()


@pytest.fixture(scope="module")
def log() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((embedded_model_path() / "log.json").read_text())
    return loaded


@given(st.text())
@settings(max_examples=300)
def test_any_text_survives_the_tokenizer(text: str) -> None:
    assert load_tokenizer().decode(load_tokenizer().encode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "Natalia’s clips: $1,234.50 — 007 of  12345678\n\n\tx=3*4 ",
        "王艳家买了一台洗衣机，一共花了6000元 (3/5)",
        "\r\n\\boxed{\\frac{1}{2}} <|code|>print(1)<|endofblock|> <|nonesuch|> 🦆",
    ],
)
def test_awkward_texts_survive(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_real_questions_survive(tokenizer: PreTrainedTokenizerFast, shared_dir: Path) -> None:
    for name in ("gsm8k", "ape210k", "math500"):
        for problem in load_problems(str(shared_dir / f"data/test/{name}.jsonl.gz"), limit=300):
            assert tokenizer.decode(tokenizer(problem.question)["input_ids"]) == problem.question


def test_numbers_up_to_999_are_one_token_wherever_they_stand(tokenizer: PreTrainedTokenizerFast) -> None:
    for number in range(1000):
        own = tokenizer.convert_tokens_to_ids(str(number))
        for text in (f"{number}", f"has {number} ducks", f"({number}+", f"x = {number}\n", f"${number}."):
            assert tokenizer(text)["input_ids"].count(own) == 1, text


def test_long_numbers_are_cut_from_the_right(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_ids_to_tokens(tokenizer("1234567")["input_ids"]) == ["1", "234", "567"]


def test_marks_of_the_format_are_one_token_each(tokenizer: PreTrainedTokenizerFast) -> None:
    for mark in FORMAT.special_tokens:
        assert len(tokenizer(mark)["input_ids"]) == 1
    assert tokenizer.eos_token == FORMAT.end
    assert tokenizer.pad_token not in FORMAT.special_tokens


def test_the_loss_is_on_the_models_own_text_only(tokenizer: PreTrainedTokenizerFast) -> None:
    item = next(demonstrations(embedded_problems("train")))
    example = encode(tokenizer, item)
    assert len(example.ids) == len(example.labels)
    own = [token for token in example.labels if token != IGNORED]
    written = [block for block in item.solution.blocks if block.type != "execution"]
    assert tokenizer.decode(own) == FORMAT.render(written) + FORMAT.end
    assert tokenizer.decode(example.ids) == (
        FORMAT.prompt(item.problem.question) + FORMAT.render(item.solution.blocks) + FORMAT.end
    )


def test_the_checkpoint_is_small_and_loads_without_warnings() -> None:
    weights = embedded_model_path() / "model.safetensors"
    assert weights.stat().st_size < 8_000_000
    model, notes = AutoModelForCausalLM.from_pretrained(embedded_model_path(), output_loading_info=True)
    assert not any(notes.values()), notes
    assert 1_000_000 <= model.num_parameters() <= 5_000_000
    assert model.config.vocab_size == len(load_tokenizer())
    assert model.config.max_position_embeddings == load_tokenizer().model_max_length >= 512


def test_the_log_tells_how_it_was_made(log: dict[str, Any]) -> None:
    assert log["command"].startswith("python -m experiments.embedded.train")
    assert 0.1 < log["data"]["sloppy_share"] < 0.5
    assert log["training"]["loss"][-1]["loss"] < log["training"]["loss"][0]["loss"]
    assert 0.5 <= log["accuracy"]["greedy"]["accuracy"] <= 0.8


@pytest.mark.long
def test_it_solves_problems_as_often_as_the_log_says(
    tokenizer: PreTrainedTokenizerFast, log: dict[str, Any]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(embedded_model_path(), dtype=torch.float32)
    # Another seed than the log's: problems that decided nothing.
    starts: list[tuple[Any, tuple[Block, ...]]] = [
        (p, ()) for p in load_problems("embedded", "test", 96, seed=7)
    ]
    made = figures(solve(model, tokenizer, starts, None))
    low, high = wilson(round(made["accuracy"] * made["problems"]), made["problems"])
    assert low - 0.05 < log["accuracy"]["greedy"]["accuracy"] < high + 0.05
    assert made["well_formed"] > 0.95


def test_wilson_interval_of_a_worked_example() -> None:
    # 15 of 20: Newcombe (1998), method 3, gives 0.5313 to 0.8881 without correction.
    assert wilson(15, 20) == pytest.approx((0.5313, 0.8881), abs=1e-4)
