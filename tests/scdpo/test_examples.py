"""The worked examples run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from sandbox import Sandbox
from scdpo.data.problems import embedded_model_path

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def grpo(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("grpo", EXAMPLES / "grpo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "grpo", module)
    spec.loader.exec_module(module)
    return module


def test_grpo_runs_code_in_the_loop_and_keeps_its_output_out_of_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grpo: Any
) -> None:
    made: list[dict[str, Any]] = []
    rewards: list[float | None] = []

    class Watched(grpo.Interleaved):  # type: ignore[misc,name-defined]
        def __call__(self, prompts: Any, trainer: Any) -> dict[str, Any]:
            made.append(super().__call__(prompts, trainer))
            return made[-1]

    def watched_reward(**columns: Any) -> list[float | None]:
        rewards.extend(reward(**columns))
        return rewards[-len(columns["completions"]) :]

    reward = grpo.accuracy_reward
    monkeypatch.setattr(grpo, "Interleaved", Watched)
    monkeypatch.setattr(grpo, "accuracy_reward", watched_reward)
    monkeypatch.setattr(sys, "argv", ["grpo.py", "--steps", "1", "--output", str(tmp_path)])
    grpo.main()

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(tmp_path)
    masked = 0
    for ids, own in zip(made[0]["completion_ids"], made[0]["env_mask"], strict=True):
        written, shown = (
            tokenizer.decode([i for i, mine in zip(ids, own, strict=True) if mine == wanted])
            for wanted in (1, 0)
        )
        assert "<|execution|>" not in written
        assert written.count("<|code|>") >= shown.count("<|execution|>")
        assert not shown or (shown.startswith("<|execution|>") and shown.endswith("<|endofblock|>"))
        masked += shown.count("<|execution|>")
    assert masked > 0
    assert len(rewards) == len(made[0]["completion_ids"]) == 16
    assert set(rewards) <= {0.0, 1.0}


def test_grpo_writes_the_same_with_gradient_checkpointing_and_without(tmp_path: Path, grpo: Any) -> None:
    model = str(embedded_model_path())
    tokenizer = AutoTokenizer.from_pretrained(model)
    prompts = [grpo.FORMAT.prompt("What is 3 + 4?")] * 4
    written = []
    for checkpointing in (False, True):
        args = GRPOConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=4, num_generations=4, bf16=False, use_cpu=True,
            report_to="none",
        )  # fmt: skip
        with Sandbox() as box:
            trainer = GRPOTrainer(
                model=model,
                reward_funcs=grpo.accuracy_reward,
                args=args,
                train_dataset=Dataset.from_list([{"prompt": prompts[0], "answer": "7"}] * 4),
                processing_class=tokenizer,
            )
            trainer.model.train()
            if checkpointing:  # as the trainer does when training begins
                trainer.model.gradient_checkpointing_enable()
            torch.manual_seed(0)
            written.append(grpo.Interleaved(tokenizer, box, turns=4)(prompts, trainer)["completion_ids"])
        assert trainer.model.training
        assert trainer.model.is_gradient_checkpointing == checkpointing
    assert written[0] == written[1]
