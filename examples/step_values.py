"""Reinforcement learning with an advantage a step: trees of roll-outs from forks of a live kernel.

python examples/step_values.py                      # the built-in model: no download
python examples/step_values.py Qwen/Qwen3-0.6B      # any chat model that calls tools
"""

from __future__ import annotations

import sys

import torch
from datasets import Dataset
from trl import GRPOConfig

from scdpo.data.problems import load_problems
from scdpo.environments.embedded import embedded_tool_model
from scdpo.environments.step_values import StepValueTrainer
from scdpo.environments.trl import PythonEnvironment
from verifier import accuracy_reward


def train(
    model: str, output: str = "runs/step-values", steps: int = 20, tokens: int = 256
) -> StepValueTrainer:
    """Train a policy and return its trainer."""
    problems = load_problems("embedded", limit=steps)
    rows = [{"prompt": [{"role": "user", "content": p.question}], "answer": p.gold} for p in problems]
    args = GRPOConfig(
        output, max_steps=steps, per_device_train_batch_size=8, num_generations=8, learning_rate=1e-5,
        max_completion_length=tokens, bf16=torch.cuda.is_available(), logging_steps=1, report_to="none",
    )  # fmt: skip
    trainer = StepValueTrainer(
        model, accuracy_reward, args, Dataset.from_list(rows),
        environment_factory=PythonEnvironment, branches=(4, 2),
    )  # fmt: skip
    trainer.train()
    return trainer


if __name__ == "__main__":
    start = sys.argv[1] if len(sys.argv) > 1 else embedded_tool_model("runs/embedded-tools")
    train(start).save_model()
