"""GRPO, and GRPO with an advantage a step, on TRL's trainer as a user would call it, until its tokens are sampled.

The policy is given a chat template, and calls the isolated kernel as a tool. Both trainers have the same settings, but
TRL's divides advantages by the standard deviation of a problem's rewards, and the other does not. It grows trees of
roll-outs from forks of a live kernel (``scdpo.environments.step_values``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from experiments.rivals.taken import Taken, finish, taken
from experiments.stages import Policy
from scdpo.data.problems import GeneratedProblem
from scdpo.environments.embedded import embedded_tool_model
from scdpo.environments.step_values import StepValueTrainer
from scdpo.environments.trl import PythonEnvironment
from verifier import accuracy_reward

ROLLOUTS = 8
"""Of a problem."""
BRANCHES = (2, 2, 2)
"""How often the root and each of the first steps but the last is continued: as many roll-outs, which share these."""
BATCH = 32
"""Roll-outs of an optimizer step."""
ROLLOUT_TOKENS = 320
"""Of a roll-out at most, the kernel's included."""


class _Counted:
    """A trainer that counts the tokens it samples."""

    sampled = 0

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        turns, logprobs = super()._generate_single_turn(*args, **kwargs)  # type: ignore[misc]
        self.sampled += sum(map(len, turns))
        return turns, logprobs


class CountedGRPO(_Counted, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer."""


class CountedStepValues(_Counted, StepValueTrainer):
    """Trees of roll-outs."""


@dataclass
class _Stop(TrainerCallback):  # type: ignore[misc]
    """Ends a training after the step with which its tokens are spent."""

    tokens: int
    trainer: Any = None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at what is spent."""
        control.should_training_stop |= self.trainer.sampled >= self.tokens


@dataclass(frozen=True, slots=True)
class OnlineArm:
    """An arm that trains while it samples: its name in tables, its trainer, and what that takes besides."""

    name: str
    trainer: type[Any]
    also: Mapping[str, Any]


ONLINE_ARMS: Mapping[str, OnlineArm] = {
    "grpo": OnlineArm("GRPO", CountedGRPO, {}),
    "steps": OnlineArm("GRPO, step advantages", CountedStepValues, {"branches": BRANCHES}),
}


def work(
    arm: OnlineArm,
    policy: Policy,
    folder: Path,
    problems: Sequence[GeneratedProblem],
    tokens: int,
    seed: int,
    settings: Mapping[str, Any],
) -> tuple[Policy, Taken]:
    """Train a policy on problems, in their order, until the tokens are sampled.

    Args:
        arm: the trainer.
        policy: a model of the built-in one's tokens, with its marks.
        folder: for the model, in ``model``.
        problems: as many as the tokens suffice for, or more.
        tokens: to be sampled.
        seed: of the samples.
        settings: of the training, a learning rate say.

    Returns:
        The new model, and what it took.

    Raises:
        ValueError: if the problems do not suffice for the tokens.
    """
    path, done = folder / "model", folder / "done.json"
    before = taken(done)
    if before is not None:
        return replace(policy, path=path), before
    began = process_time()
    start = embedded_tool_model(folder / "start", policy.path)
    rows = [
        {"prompt": [{"role": "user", "content": item.problem.question}], "answer": item.problem.gold}
        for item in problems
    ]
    args = GRPOConfig(
        str(folder / "trainer"), per_device_train_batch_size=BATCH, num_generations=ROLLOUTS,
        max_completion_length=ROLLOUT_TOKENS, num_train_epochs=1, shuffle_dataset=False, lr_scheduler_type="constant",
        beta=0.0, seed=seed, bf16=torch.cuda.is_available(), use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False, logging_steps=5, save_strategy="no", report_to="none", disable_tqdm=True,
        **settings,
    )  # fmt: skip
    stop = _Stop(tokens)
    stop.trainer = arm.trainer(
        start, accuracy_reward, args, Dataset.from_list(rows),
        environment_factory=PythonEnvironment, callbacks=[stop], **arm.also,
    )  # fmt: skip
    stop.trainer.train()
    if stop.trainer.sampled < tokens:
        raise ValueError(
            f"{len(problems)} problems gave {stop.trainer.sampled} of {tokens} tokens: take more"
        )
    shutil.copytree(
        policy.path, path, dirs_exist_ok=True
    )  # the policy's own tokenizer and ends, with new weights
    stop.trainer.save_model(str(folder / "trained"))
    shutil.copy(folder / "trained" / "model.safetensors", path / "model.safetensors")
    (folder / "log.json").write_text(json.dumps(stop.trainer.state.log_history, indent=1), encoding="utf-8")
    of = Taken(int(stop.trainer.sampled), int(stop.trainer.state.global_step), process_time() - began)
    return replace(policy, path=path), finish(done, of)
