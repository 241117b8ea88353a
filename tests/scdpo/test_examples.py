"""The worked examples run, on the built-in model as it calls a tool."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from transformers import AutoModelForCausalLM

from scdpo.environments.embedded import embedded_tool_model

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return embedded_tool_model(tmp_path_factory.mktemp("embedded"))


def test_grpo_trains_a_policy_that_calls_the_kernel_and_leaves_what_it_printed_out_of_the_loss(
    tmp_path: Path, model: str
) -> None:
    trainer = example("grpo").train(model, str(tmp_path), steps=1, tokens=96)
    seen = trainer.state.log_history[0]
    assert seen["tools/call_frequency"] > 0.5
    assert seen["tools/failure_frequency"] < 0.2
    # Eight short roll-outs of this model may all be wrong: then there is nothing to learn from them.
    assert {"rewards/accuracy_reward/mean", "rewards/reward_from_tool/mean", "grad_norm"} <= seen.keys()
    batch = trainer._buffered_inputs[0]
    rows = zip(
        batch["completion_ids"].tolist(),
        batch["tool_mask"].tolist(),
        batch["completion_mask"].tolist(),
        strict=True,
    )
    shown = [
        trainer.processing_class.decode([i for i, own, real in zip(*row, strict=True) if real and not own])
        for row in rows
    ]
    assert any(shown)
    assert all(text.endswith("<|endofblock|>") for text in shown if text)
    assert not any(mark in text for text in shown for mark in ("<|text|>", "<|code|>", "<|endofmessage|>"))
    trainer.save_model()
    AutoModelForCausalLM.from_pretrained(tmp_path)


def test_step_values_train_on_a_tree_whose_cells_run_once(tmp_path: Path, model: str) -> None:
    trainer = example("step_values").train(model, str(tmp_path), steps=1, tokens=96)
    seen = trainer.state.log_history[0]
    assert seen["tree/steps"] >= 4
    assert seen["tree/calls"] > 0
    assert "grad_norm" in seen
    assert trainer._buffered_inputs[0]["advantages"].dim() == 2
