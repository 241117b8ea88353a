"""The worked examples run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_grpo_runs_code_in_the_loop_and_keeps_its_output_out_of_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("grpo", EXAMPLES / "grpo.py")
    assert spec is not None
    assert spec.loader is not None
    grpo = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "grpo", grpo)
    spec.loader.exec_module(grpo)
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
