"""Reinforcement learning on TRL: the policy calls an isolated kernel, the verifier is the reward.

    python examples/grpo.py                      # the built-in model on problems made on the spot: no download
    python examples/grpo.py Qwen/Qwen3-0.6B      # any chat model that calls tools

The tool's output is outside the loss, as TRL has it. Needs the ``train`` and ``quickstart`` extras.
"""

from __future__ import annotations

import sys

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from scdpo.data.problems import load_problems
from scdpo.environments.embedded import embedded_tool_model
from scdpo.environments.trl import PythonEnvironment, reward_from_tool
from verifier import accuracy_reward


def train(model: str, output: str = "runs/grpo", steps: int = 20, tokens: int = 256) -> GRPOTrainer:
    """Train a policy and return its trainer."""
    problems = load_problems("embedded", limit=steps)
    rows = [{"prompt": [{"role": "user", "content": p.question}], "answer": p.gold} for p in problems]
    args = GRPOConfig(
        output, max_steps=steps, per_device_train_batch_size=8, num_generations=8, learning_rate=1e-5,
        max_completion_length=tokens, bf16=torch.cuda.is_available(), logging_steps=1, report_to="none",
    )  # fmt: skip
    trainer = GRPOTrainer(
        model, [accuracy_reward, reward_from_tool], args, Dataset.from_list(rows),
        environment_factory=PythonEnvironment,
    )  # fmt: skip
    trainer.train()
    return trainer


if __name__ == "__main__":
    start = sys.argv[1] if len(sys.argv) > 1 else embedded_tool_model("runs/embedded-tools")
    train(start).save_model()
