"""Step values in reinforcement learning: trees of roll-outs on TRL's ``GRPOTrainer``, an advantage a step.

    trainer = StepValueTrainer(
        model, [accuracy_reward], GRPOConfig(num_generations=16, ...), dataset,
        environment_factory=PythonEnvironment,
        branches=(4, 2, 2),
    )

A step is a turn of the policy with the outputs of its calls. The first ``len(branches)`` steps are each written
several times after the same beginning, from forks of its kernel, so no cell runs twice (but where the kernel cannot be
forked: there the session runs its cells again). The value of a step is the mean reward of the
roll-outs that go through it; its advantage is that value less the one before it (VinePPO, arXiv:2410.01679; TreeRPO,
arXiv:2506.05183). What follows the last branching of a roll-out counts as one step. The advantages at the branchings
of a roll-out add up to its reward less the mean of its tree, which is GRPO's advantage without scaling. A roll-out that
ends early stands for all those that its place in the tree would have had.

Not covered: images, tools beside the environment's, several environments in one data set, scaling by the standard
deviation (``scale_rewards`` changes nothing), and evaluation, which samples plain roll-outs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from trl import GRPOTrainer
from trl.chat_template_utils import parse_response

from scdpo.environments.trl import PythonEnvironment, branch


@dataclass(eq=False)
class TreeStep:
    """A turn of the policy with what its calls gave. A tree's root is one with nothing in it.

    Attributes:
        environment: with the state after the step.
        parent: the step before it; None for the root.
        ids: its tokens.
        own: 1 for the policy's tokens, 0 for the tool's.
        logprobs: of the tokens as they were sampled (0.0 for the tool's), where the engine tells them.
        messages: the same as messages.
        finished: whether nothing follows.
        value: mean reward of the roll-outs through it; NaN where none has one.
    """

    environment: PythonEnvironment
    parent: TreeStep | None = None
    ids: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    value: float = math.nan

    def path(self) -> list[TreeStep]:
        """Return the steps from the root to this one."""
        before = self.parent.path() if self.parent else []
        return [*before, self]

    def so_far(self) -> list[int]:
        """Return the tokens from the prompt's end to the end of this step."""
        return [token for step in self.path() for token in step.ids]


def step_advantages(leaves: Sequence[TreeStep], rewards: Sequence[float]) -> list[list[float]]:
    """Set the values of all steps of one tree and return, a roll-out, the advantages of its steps after the root.

    Args:
        leaves: the last step of each roll-out; one that stands for several is there as often.
        rewards: theirs; NaN where there is none.

    Returns:
        V(step) - V(step before it), 0.0 where a value is missing. A step that is the only one after its parent goes on
        with its parent's advantage: what follows the last branching is judged as one.
    """
    through: dict[TreeStep, list[float]] = {}
    after: dict[TreeStep, set[TreeStep]] = {}
    for leaf, reward in zip(leaves, rewards, strict=True):
        path = leaf.path()
        for step in path:
            through.setdefault(step, []).append(reward)
        for before, step in pairwise(path):
            after.setdefault(before, set()).add(step)
    for step, found in through.items():
        known = [reward for reward in found if not math.isnan(reward)]
        step.value = sum(known) / len(known) if known else math.nan
    return [_along(leaf.path(), after) for leaf in leaves]


def _along(path: Sequence[TreeStep], after: dict[TreeStep, set[TreeStep]]) -> list[float]:
    advantages = [0.0]  # the root's, which is no step
    for before, step in pairwise(path):
        change = step.value - before.value if len(after[before]) > 1 else advantages[-1]
        advantages.append(0.0 if math.isnan(change) else change)
    return advantages[1:]


class StepValueTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer on trees of roll-outs, with an advantage a step. Its arguments are TRL's, and these.

    Args:
        branches: how many times each of the first steps is written after the same beginning; their product is
            ``num_generations``.
        environment_factory: ``PythonEnvironment``, or a class of its kind.

    Raises:
        ValueError: if the product is another, a process would hold a part of a tree, or a setting is not covered.
    """

    def __init__(self, *args: Any, branches: Sequence[int], **kwargs: Any) -> None:
        if kwargs.get("rollout_func") or kwargs.get("tools"):
            raise ValueError(
                "step values grow their own roll-outs with the environment's tools: leave out rollout_func and tools"
            )
        super().__init__(*args, **kwargs)
        self.branches = tuple(branches)
        self._leaves: list[TreeStep] = []
        self._rewards: list[float] = []
        self._check()

    def _check(self) -> None:
        if math.prod(self.branches) != self.num_generations or min(self.branches, default=0) < 1:
            raise ValueError(
                f"branches {self.branches} make {math.prod(self.branches)} roll-outs a prompt, "
                f"num_generations is {self.num_generations}: make them equal"
            )
        held = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if held % self.num_generations:
            raise ValueError(
                f"a process samples {held} roll-outs at once (per_device_train_batch_size times "
                f"steps_per_generation): make it a multiple of num_generations, {self.num_generations}"
            )
        if self._is_vlm or set(self.environment_factories or {}) != {None}:
            raise ValueError("step values need one environment_factory, and do without images")

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        if not self.model.training:
            self._leaves = []
            return super()._generate(prompts)  # type: ignore[no-any-return]
        prompts = copy.deepcopy(prompts)
        prompt_ids, _, _ = self._tokenize_prompts(prompts)
        roots = range(0, len(prompts), self.num_generations)
        pool: list[PythonEnvironment] = self.environments
        trees = [(prompt_ids[i], TreeStep(pool[i])) for i in roots]
        self._leaves = self._grow(trees)
        self.environments: list[PythonEnvironment] = [leaf.environment for leaf in self._leaves]
        paths = [leaf.path() for leaf in self._leaves]
        told = [[p for step in path for p in step.logprobs] for path in paths]
        return (
            prompt_ids,
            [[token for step in path for token in step.ids] for path in paths],
            [[mine for step in path for mine in step.own] for path in paths],
            [[message for step in path for message in step.messages] for path in paths],
            told if any(told) else None,
            {},
            None,
            [[] for _ in paths],
        )

    def _grow(self, trees: Sequence[tuple[list[int], TreeStep]]) -> list[TreeStep]:
        """Grow all trees, a step at a time; return the leaf of every roll-out, in the order of the prompts."""
        rows: list[tuple[int, TreeStep]] = [
            (tree, root) for tree, (_, root) in enumerate(trees) for _ in range(self.num_generations)
        ]
        made = cells = 0
        most = self.max_tool_calling_iterations
        for depth, count in enumerate(self._counts()):
            parents = list(dict.fromkeys(row for row in rows if not row[1].finished))
            if not parents:
                break
            children = {parent: self._continued(parent[1], count) for parent in parents}
            flat = [(trees[parent[0]][0], child) for parent in parents for child in children[parent]]
            self._write(flat)
            cells += sum(self._call(prompt, child, last=depth >= most) for prompt, child in flat)
            made += len(flat)
            rows = _spread(rows, children)
        self._metrics["train"]["tree/steps"].append(made / len(trees))
        self._metrics["train"]["tree/calls"].append(cells / len(trees))
        return [step for _, step in rows]

    def _counts(self) -> Iterator[int]:
        yield from self.branches
        while True:
            yield 1

    def _continued(self, parent: TreeStep, count: int) -> list[TreeStep]:
        """Return empty steps after ``parent``; the first takes its kernel, which nobody else needs any more."""
        environments = [parent.environment]
        if count > 1:
            environments += branch(parent.environment, count - 1)
        return [TreeStep(environment, parent) for environment in environments]

    def _write(self, steps: Sequence[tuple[list[int], TreeStep]]) -> None:
        """Have the policy write each step's turn, all in one batch."""
        contexts = [prompt + step.so_far() for prompt, step in steps]
        turns, logprobs = self._generate_single_turn(contexts, None, {}, num_generations=1)
        for index, ((prompt, step), turn) in enumerate(zip(steps, turns, strict=True)):
            before = len(contexts[index]) - len(prompt)
            step.ids = list(turn[: self.max_completion_length - before])
            step.own = [1] * len(step.ids)
            step.logprobs = list(logprobs[index][: len(step.ids)]) if logprobs else []
            step.messages = [
                parse_response(self._tokenizer, step.ids, prefix=contexts[index], tools=self._env_tools[None])
            ]
            step.finished = len(step.ids) < len(turn) or not step.messages[0].get("tool_calls")

    def _call(self, prompt: list[int], step: TreeStep, last: bool) -> int:
        """Make the calls of a step and add their outputs; return how many were made.

        As in TRL, a step whose outputs have no room ends its roll-out without them.
        """
        calls = step.messages[0].get("tool_calls") or []
        if step.finished or last:
            step.finished = True
            return 0
        answers = [_answer(step.environment, call["function"], self._env_tools[None]) for call in calls]
        shown = self._get_tool_suffix_ids(answers)
        length = len(step.so_far()) + len(shown)
        room = self.model.config.max_position_embeddings - len(prompt)
        if length >= self.max_completion_length or length >= room:
            step.finished = True
            return len(calls)
        step.logprobs += [0.0] * len(shown) if step.logprobs else []
        step.ids += shown
        step.own += [0] * len(shown)
        step.messages += answers
        return len(calls)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        found = super()._calculate_rewards(inputs, prompts, completions, ids)
        first = self.accelerator.process_index * len(prompts)
        mine = found[first : first + len(prompts)]
        total = (mine * self.reward_weights.to(mine.device)).nansum(dim=1)
        total[torch.isnan(mine).all(dim=1)] = math.nan
        self._rewards = total.tolist()
        return found

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        if self._leaves:
            output["advantages"] = self._advantages(output["completion_ids"])
            for environment in self.environments:
                environment.reset()  # the branches are no part of TRL's pool; to reset one twice does nothing
        return output

    def _advantages(self, completion_ids: torch.Tensor) -> torch.Tensor:
        """Return each token's advantage, that of its step, as wide as the completions."""
        made = torch.zeros(completion_ids.shape, dtype=torch.float32, device=completion_ids.device)
        size = self.num_generations
        for first in range(0, len(self._leaves), size):
            leaves = self._leaves[first : first + size]
            of_steps = step_advantages(leaves, self._rewards[first : first + size])
            for row, (leaf, advantages) in enumerate(zip(leaves, of_steps, strict=True)):
                lengths = [len(step.ids) for step in leaf.path()[1:]]
                spread = [a for a, n in zip(advantages, lengths, strict=True) for _ in range(n)]
                made[first + row, : len(spread)] = torch.tensor(spread)
        return made


def _answer(environment: PythonEnvironment, call: dict[str, Any], tools: Sequence[Any]) -> dict[str, Any]:
    """Make a call as TRL does: what it raises is told to the policy."""
    name = call["name"]
    try:
        if name not in {tool.__name__ for tool in tools}:
            raise ValueError(f"Tool {name} not found.")
        said = str(getattr(environment, name)(**call["arguments"]))
    except Exception as error:  # noqa: BLE001 -- arguments are the model's: whatever they cause is its to read
        said = str({"error": str(error)})
    return {"role": "tool", "name": name, "content": said}


def _spread(
    rows: Sequence[tuple[int, TreeStep]], children: dict[tuple[int, TreeStep], list[TreeStep]]
) -> list[tuple[int, TreeStep]]:
    """Share each step's roll-outs out to its children, in order and evenly."""
    spread: list[tuple[int, TreeStep]] = []
    index = 0
    while index < len(rows):
        row = rows[index]
        count = sum(other == row for other in rows)
        steps = children.get(row, [row[1]])
        spread += [(row[0], step) for step in steps for _ in range(count // len(steps))]
        index += count
    return spread
