"""Step values: trees whose cells run once, advantages worked out by hand, and the gradient that follows from them."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import GRPOConfig

from scdpo.environments.embedded import embedded_tool_model
from scdpo.environments.step_values import StepValueTrainer, TreeStep, step_advantages
from scdpo.environments.trl import PythonEnvironment
from verifier import accuracy_reward

NOWHERE: Any = None


def test_advantages_are_differences_of_mean_rewards() -> None:
    root = TreeStep(NOWHERE)
    one, two = TreeStep(NOWHERE, root), TreeStep(NOWHERE, root)
    leaves = [TreeStep(NOWHERE, one), TreeStep(NOWHERE, one), TreeStep(NOWHERE, two), TreeStep(NOWHERE, two)]
    found = step_advantages(leaves, [1.0, 1.0, 1.0, 0.0])
    # root 3/4; one 1, two 1/2; leaves 1, 1, 1, 0
    assert found == [[0.25, 0.0], [0.25, 0.0], [-0.25, 0.5], [-0.25, -0.5]]


def test_a_leaf_that_stands_for_two_counts_twice() -> None:
    root = TreeStep(NOWHERE)
    early, late = TreeStep(NOWHERE, root), TreeStep(NOWHERE, root)
    leaves = [early, early, TreeStep(NOWHERE, late), TreeStep(NOWHERE, late)]
    assert step_advantages(leaves, [1.0, 1.0, 0.0, 1.0]) == [[0.25], [0.25], [-0.25, -0.5], [-0.25, 0.5]]


def test_a_roll_out_without_a_reward_moves_nothing() -> None:
    root = TreeStep(NOWHERE)
    leaves = [TreeStep(NOWHERE, root), TreeStep(NOWHERE, root), TreeStep(NOWHERE, root)]
    assert step_advantages(leaves, [1.0, math.nan, 0.0]) == [[0.5], [0.0], [-0.5]]


def test_what_follows_the_last_branching_goes_on_with_its_advantage() -> None:
    root = TreeStep(NOWHERE)
    only = TreeStep(NOWHERE, root)  # nothing was tried beside it, so nothing is known of it
    one, two = TreeStep(NOWHERE, only), TreeStep(NOWHERE, only)
    leaves = [TreeStep(NOWHERE, TreeStep(NOWHERE, one)), two]
    assert step_advantages(leaves, [1.0, 0.0]) == [[0.0, 0.5, 0.5, 0.5], [0.0, -0.5]]


class Counted(PythonEnvironment):
    """Keeps what was run."""

    ran: list[str] = []  # noqa: RUF012 -- one list for all of them is meant

    def python(self, code: str) -> str:
        """Run Python code.

        Args:
            code: Python source.
        """
        self.ran.append(code)
        return super().python(code)


CODE = "<|text|>We go on.<|endofblock|><|code|>{}<|endofblock|><|execution|>"
ANSWER = "<|text|>The answer is \\boxed{{{}}}.<|endofblock|><|endofmessage|>"
TURNS = [
    # the first step twice, each continued twice: the second answers at once
    [CODE.format("x = [1]"), CODE.format("x = [2]\nx")],
    [CODE.format("x.append(3); x"), ANSWER.format(7), ANSWER.format(7), ANSWER.format(8)],
    [CODE.format("x.append(4); sum(x)")],
    [ANSWER.format(8)],
]
"""What the policy writes, by depth: roll-outs with the answers 8, 7, 7 and 8, of which 7 is right."""


class Scripted(StepValueTrainer):
    """Its policy writes ``turns``; the model counts in the loss only."""

    contexts: list[list[str]]
    turns = TURNS

    def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        turns = self.turns[len(self.contexts)]
        self.contexts.append([self.processing_class.decode(ids) for ids in prompt_ids])
        assert len(turns) == len(prompt_ids)
        return [self.processing_class(turn, add_special_tokens=False)["input_ids"] for turn in turns], None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return embedded_tool_model(tmp_path_factory.mktemp("embedded"))


@pytest.fixture
def trainer(folder: str, tmp_path: Path) -> Scripted:
    made: Scripted = _trainer(folder, tmp_path, Scripted)
    made.contexts = []
    Counted.ran.clear()
    return made


def _trainer(folder: str, output: Path, kind: type[StepValueTrainer], **changed: Any) -> Any:
    """Return a trainer on a model without layers: its logits are a table by the token before, times a norm."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=0, num_attention_heads=1,
        max_position_embeddings=1024, tie_word_embeddings=False, eos_token_id=[6, 8], pad_token_id=0,
        initializer_range=0.5,
    )  # fmt: skip
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 200, "max_steps": 1,
        "loss_type": "dr_grpo", "beta": 0.0, "use_cpu": True, "bf16": False, "report_to": "none",
        "branches": (2, 2),
    } | changed  # fmt: skip
    branches = settings.pop("branches")
    row = {"prompt": [{"role": "user", "content": "What is 3 + 4?"}], "answer": "7"}
    return kind(
        LlamaForCausalLM(config), accuracy_reward, GRPOConfig(str(output), **settings), Dataset.from_list([row] * 4),
        processing_class=tokenizer, environment_factory=Counted, branches=branches,
    )  # fmt: skip


def _batch(trainer: Any) -> dict[str, torch.Tensor]:
    trainer.model.train()
    batch: dict[str, torch.Tensor] = trainer._generate_and_score_completions([trainer.train_dataset[0]] * 4)
    return batch


def test_no_cell_runs_twice_and_each_branch_has_the_state_before_it(trainer: Scripted) -> None:
    _batch(trainer)
    assert sorted(Counted.ran) == sorted(["x = [1]", "x = [2]\nx", "x.append(3); x", "x.append(4); sum(x)"])
    third, fourth = trainer.contexts[2][0], trainer.contexts[3][0]
    assert third.endswith("<|execution|>[1, 3]<|endofblock|>")  # not [1, 3] with its sibling's, nor run anew
    assert fourth.endswith("<|execution|>8<|endofblock|>")  # 1 + 3 + 4
    assert [context.endswith("<|execution|>[2]<|endofblock|>") for context in trainer.contexts[1]] == [
        False, False, True, True,
    ]  # fmt: skip


def test_each_token_has_the_advantage_of_its_step(trainer: Scripted) -> None:
    batch = _batch(trainer)
    values = [sorted(set(row[there.bool()].tolist())) for row, there in zip(
        batch["advantages"], batch["completion_mask"], strict=True
    )]  # fmt: skip
    # rewards 0, 1, 1, 0: both first steps are worth 1/2, as much as the root
    assert values == [[-0.5, 0.0], [0.0, 0.5], [0.0, 0.5], [-0.5, 0.0]]
    assert batch["advantages"].shape == batch["completion_ids"].shape
    assert (batch["advantages"] * (1 - batch["completion_mask"])).abs().sum() == 0


TWO_TREES = [
    # 3 + 4: one first step answers at once, after the other come 7 and 8; 4 + 5: after the first come 9 and 1
    [ANSWER.format(7), CODE.format("3 + 4"), CODE.format("print(4 + 5)"), ANSWER.format(1)],
    [ANSWER.format(7), ANSWER.format(8), ANSWER.format(9), ANSWER.format(1)],
]


def test_trees_of_a_batch_are_kept_apart(folder: str, tmp_path: Path) -> None:
    trainer = _trainer(folder, tmp_path, Scripted, per_device_train_batch_size=8)
    trainer.contexts, trainer.turns = [], TWO_TREES
    trainer.model.train()
    first = trainer.train_dataset[0]
    second = {"prompt": [{"role": "user", "content": "What is 4 + 5?"}], "answer": "9"}
    batch = trainer._generate_and_score_completions([first] * 4 + [second] * 4)
    # Values: 3/4, first steps 1 and 1/2; and 1/4, first steps 1/2 and 0.
    steps = [[0.25], [0.25], [-0.25, 0.5], [-0.25, -0.5], [0.25, 0.5], [0.25, -0.5], [-0.25], [-0.25]]
    for row, of_steps in enumerate(steps):
        own, there = batch["tool_mask"][row].bool(), batch["completion_mask"][row].bool()
        found = batch["advantages"][row][own & there].tolist()
        lengths = [sum(1 for _ in of) for mine, of in itertools.groupby(own[there].tolist()) if mine]
        assert found == [a for a, length in zip(of_steps, lengths, strict=True) for _ in range(length)]
    assert ["What is 3 + 4?" in context for context in trainer.contexts[1]] == [True, True, False, False]


def test_the_gradient_is_the_one_worked_out_by_hand(trainer: Scripted) -> None:
    batch = _batch(trainer)
    model = trainer.model
    trainer.current_gradient_accumulation_steps = 1  # as its training loop sets it
    trainer.compute_loss(model, batch).backward()
    hidden = model.model.norm(model.model.embed_tokens.weight).detach().double().numpy()  # a row a token
    table = hidden @ model.lm_head.weight.detach().double().numpy().T
    expected = np.zeros_like(model.lm_head.weight.detach().double().numpy())
    right = {0: 0.0, 1: 1.0, 2: 1.0, 3: 0.0}
    for row in range(4):
        ids = batch["prompt_ids"][row].tolist() + batch["completion_ids"][row].tolist()
        start = batch["prompt_ids"].shape[1]
        length = int(batch["completion_mask"][row].sum())
        own = batch["tool_mask"][row].tolist()
        # The first step ends with its tool's output: up to there the advantage is 0, from there on reward - 1/2.
        first = own.index(0)
        for at in range(length):
            if not own[at] or at < first:
                continue
            advantage = right[row] - 0.5
            before = ids[start + at - 1]
            odds = np.exp(table[before] - table[before].max())
            gradient = -odds / odds.sum()
            gradient[ids[start + at]] += 1.0  # of log p(token | token before), by its logits
            expected += -advantage * np.outer(gradient, hidden[before]) / (4 * 200)
    np.testing.assert_allclose(model.lm_head.weight.grad.numpy(), expected, atol=1e-7)
    assert np.abs(expected).max() > 1e-4


def test_sessions_end_with_their_batch(trainer: Scripted) -> None:
    _batch(trainer)
    assert all(environment._session is None for environment in trainer.environments)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"branches": (2, 3)}, "num_generations is 4"),
        ({"branches": ()}, "num_generations is 4"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    folder: str, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        _trainer(folder, tmp_path, StepValueTrainer, **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"per_device_train_batch_size": 2, "steps_per_generation": 3, "num_generations": 2, "branches": (2,)},
        {"per_device_train_batch_size": 1, "steps_per_generation": 4},
    ],
)
def test_a_batch_may_be_sampled_in_parts_that_hold_whole_trees(
    folder: str, tmp_path: Path, changed: dict[str, Any]
) -> None:
    assert _trainer(folder, tmp_path, StepValueTrainer, **changed).num_generations in (2, 4)


@pytest.mark.parametrize("given", [{"tools": [len]}, {"rollout_func": len}])
def test_roll_outs_and_tools_of_others_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave out rollout_func and tools"):
        StepValueTrainer(NOWHERE, accuracy_reward, branches=(2,), **given)
