"""Reinforcement learning with a live kernel in the loop and the verifier as the reward, on TRL's GRPOTrainer.

    python examples/grpo.py --steps 20 --output runs/grpo

The policy writes a block; a code block runs in the sandbox and its output is appended, outside the loss; the
policy goes on until its message ends. The reward is the verifier's ``accuracy_reward`` on the final text.
By default it starts from the small model that comes with the package, on problems made on the spot, so
nothing is downloaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from trl.models import unwrap_model_for_generation

from sandbox import Block, Limits, Sandbox, Solution
from sandbox.formats import get_format
from scdpo.data.encoding import begin_ids
from scdpo.data.problems import embedded_model_path, load_problems
from verifier import accuracy_reward

FORMAT = get_format("mathcoder")


@dataclass
class Rollout:
    """One solution in the making; ``own`` is 1 for the policy's tokens and 0 for the kernel's."""

    session: Any
    ids: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    finished: bool = False

    def append(self, ids: Sequence[int], own: int) -> None:
        """Add tokens."""
        self.ids += ids
        self.own += [own] * len(ids)


@contextmanager
def generating(trainer: GRPOTrainer) -> Iterator[Any]:
    """Give the policy as it writes: whole, without dropout, and without the checkpointing that rules out its cache."""
    kept = trainer.args.gradient_checkpointing_kwargs
    with unwrap_model_for_generation(
        trainer.model_wrapped, trainer.accelerator, gradient_checkpointing_kwargs=kept
    ) as model:
        training = model.training
        model.eval()
        try:
            yield model
        finally:
            model.train(training)


class Interleaved:
    """TRL's ``rollout_func``: generation in turns with the sandbox."""

    def __init__(self, tokenizer: Any, sandbox: Sandbox, turns: int = 12, turn_tokens: int = 96) -> None:
        self._tokenizer = tokenizer
        self._sandbox = sandbox
        self._turns = turns
        self._turn_tokens = turn_tokens
        self._stops = tokenizer.convert_tokens_to_ids(list(FORMAT.stop))

    def __call__(self, prompts: Sequence[str], trainer: GRPOTrainer) -> dict[str, Any]:
        """Return one completion a prompt, with the mask of the policy's own tokens."""
        begin = begin_ids(self._tokenizer)
        prompt_ids = [
            begin + self._tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts
        ]
        rollouts = [Rollout(self._sandbox.session()) for _ in prompts]
        with generating(trainer) as model:
            for _ in range(self._turns):
                open_ones = [(p, r) for p, r in zip(prompt_ids, rollouts, strict=True) if not r.finished]
                if not open_ones:
                    break
                turns = self._generate(model, [[*p, *r.ids] for p, r in open_ones], trainer.temperature)
                for (_, rollout), turn in zip(open_ones, turns, strict=True):
                    self._take(rollout, turn)
        for rollout in rollouts:
            rollout.session.close()
        return {
            "prompt_ids": prompt_ids,
            "completion_ids": [r.ids for r in rollouts],
            "env_mask": [r.own for r in rollouts],
            "logprobs": None,
        }

    def _generate(self, model: Any, contexts: list[list[int]], temperature: float) -> list[list[int]]:
        batch = self._tokenizer.pad({"input_ids": contexts}, padding_side="left", return_tensors="pt").to(
            model.device
        )
        with torch.no_grad():
            output = model.generate(
                **batch, do_sample=True, temperature=temperature, max_new_tokens=self._turn_tokens,
                eos_token_id=self._stops, pad_token_id=self._tokenizer.pad_token_id,
            )  # fmt: skip
        turns = output[:, batch["input_ids"].shape[1] :].tolist()
        ends = ([i + 1 for i, token in enumerate(turn) if token in self._stops] for turn in turns)
        return [turn[: next(iter(end), len(turn))] for turn, end in zip(turns, ends, strict=True)]

    def _take(self, rollout: Rollout, turn: list[int]) -> None:
        rollout.append(turn, own=1)
        text = self._tokenizer.decode(turn, skip_special_tokens=False)
        # A turn that was cut off, or says that the message is over, is the last.
        rollout.finished = not text.endswith("<|endofblock|>")
        blocks = FORMAT.parse(text)
        if not rollout.finished and blocks and blocks[-1].type == "code":
            result = rollout.session.run(blocks[-1].content)
            shown = FORMAT.render([Block("execution", result.output)])
            rollout.append(self._tokenizer(shown, add_special_tokens=False)["input_ids"], own=0)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(embedded_model_path()))
    parser.add_argument("--problems", default="embedded", help="as for `scdpo sample`")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("runs/grpo"))
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    problems = load_problems(options.problems, limit=8 * options.steps)
    data = Dataset.from_list([{"prompt": FORMAT.prompt(p.question), "answer": p.gold} for p in problems])

    def reward(
        completion_ids: Sequence[Sequence[int]], answer: Sequence[str], **columns: Any
    ) -> list[float | None]:
        """1 for a right final answer, 0 for a wrong one. TRL's own text leaves the marks of blocks out."""
        texts = [tokenizer.decode(ids, skip_special_tokens=False) for ids in completion_ids]
        return accuracy_reward(completions=[Solution.parse(text).final_text for text in texts], answer=answer)

    gpu = torch.cuda.is_available()
    args = GRPOConfig(
        output_dir=str(options.output),
        max_steps=options.steps,
        learning_rate=1e-5,
        per_device_train_batch_size=16,
        num_generations=8,
        bf16=gpu,
        gradient_checkpointing=gpu,
        logging_steps=1,
        report_to="none",
    )
    with Sandbox(limits=Limits(cell_seconds=5, memory_mb=512)) as sandbox:
        trainer = GRPOTrainer(
            model=options.model,
            reward_funcs=reward,
            args=args,
            train_dataset=data,
            processing_class=tokenizer,
            rollout_func=Interleaved(tokenizer, sandbox),
        )
        trainer.train()
        trainer.save_model(str(options.output))


if __name__ == "__main__":
    main()
