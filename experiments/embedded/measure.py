"""Measure the built-in model on problems it never saw: ``python -m experiments.embedded.measure MODEL --write``.

Solves test problems of the built-in mix greedily and at temperature 1, running its code in the sandbox, and
tells the share of right answers by family with 95 % Wilson intervals. Also goes on from correct greedy solutions,
cut after their first step, at the raised temperatures of the method, and tells how many continuations are still
well formed. ``--write`` adds the figures to the model's ``log.json``. Not covered: other benchmarks (see ``eval``).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from experiments.embedded.tokenizer import CONTEXT
from sandbox import Block, Sandbox, Session, Solution
from sandbox.formats import get_format
from scdpo.data.problems import Problem, embedded_model_path, load_problems
from scdpo.sampling.schedule import Schedule
from verifier import verify

FORMAT = get_format("mathcoder")
MAX_BLOCKS = 24
MAX_BLOCK_TOKENS = 160
BATCH = 64


class Attempt:
    """A solution in the making: its blocks so far, and whether it ended by itself."""

    def __init__(self, problem: Problem, session: Session, prefix: Sequence[Block] = ()) -> None:
        """Start from a prefix, whose code is run first."""
        self.problem = problem
        self.blocks = list(prefix)
        self.written = 0
        self.finished = False
        self.broken = False
        self._session = session
        for block in prefix:
            if block.type == "code":
                session.run(block.content)

    @property
    def going(self) -> bool:
        """Whether the model is to write another block."""
        return not (self.finished or self.broken)

    @property
    def text(self) -> str:
        """What the model sees."""
        return FORMAT.prompt(self.problem.question) + FORMAT.render(self.blocks)

    def take(self, text: str) -> None:
        """Add what the model wrote next: a block, or the end."""
        if text.startswith(FORMAT.end):
            self.finished = True
            return
        parsed = FORMAT.parse(text)
        if len(parsed) != 1 or parsed[0].type == "execution" or not text.endswith("<|endofblock|>"):
            self.broken = True
            return
        self.blocks.append(parsed[0])
        self.written += 1
        if parsed[0].type == "code":
            self.blocks.append(Block("execution", self._session.run(parsed[0].content).output))
        self.broken = len(self.blocks) > MAX_BLOCKS

    @property
    def right(self) -> bool:
        """Whether it ended, with the gold answer."""
        return self.finished and verify(Solution(tuple(self.blocks)), self.problem.gold).correct


@torch.inference_mode()
def complete(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], temperature: float
) -> list[str]:
    """Return what the model writes after each text up to the end of a block; temperature 0 is greedy."""
    batch = tokenizer(list(texts), return_tensors="pt", padding=True, padding_side="left")
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    )
    made = model.generate(
        batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=MAX_BLOCK_TOKENS,
        **sampling,
    )
    new = made[:, batch["input_ids"].shape[1] :]
    return [text.replace(tokenizer.pad_token, "") for text in tokenizer.batch_decode(new)]


def solve(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    starts: Sequence[tuple[Problem, Sequence[Block]]],
    schedule: Schedule | None,
    temperature: float = 0.0,
) -> list[Attempt]:
    """Solve problems, each from its prefix, at a temperature or, with a schedule, at its rising temperatures."""
    attempts: list[Attempt] = []
    with Sandbox() as box:
        for first in range(0, len(starts), BATCH):
            sessions = [box.session() for _ in starts[first : first + BATCH]]
            pairs = zip(starts[first : first + BATCH], sessions, strict=True)
            group = [Attempt(problem, session, prefix) for (problem, prefix), session in pairs]
            while going := [attempt for attempt in group if attempt.going]:
                now = schedule.temperature(going[0].written) if schedule else temperature
                for attempt, text in zip(
                    going, complete(model, tokenizer, [a.text for a in going], now), strict=True
                ):
                    attempt.take(text)
                    # Shown again each time; what leaves no room in the context for another block is given up.
                    if len(tokenizer(attempt.text)["input_ids"]) > CONTEXT - MAX_BLOCK_TOKENS:
                        attempt.broken = True
            for session in sessions:
                session.close()
            attempts += group
    return attempts


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle - half) / (1 + z * z / trials), (middle + half) / (1 + z * z / trials)


def figures(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return accuracy in all and by family, and the share of attempts that ended in good form."""

    def share(some: Sequence[Attempt]) -> dict[str, Any]:
        right = sum(attempt.right for attempt in some)
        low, high = wilson(right, len(some))
        return {
            "problems": len(some),
            "accuracy": round(right / len(some), 4),
            "interval_95": [round(low, 4), round(high, 4)],
        }

    families = sorted({attempt.problem.source for attempt in attempts})
    by_family = {name: share([a for a in attempts if a.problem.source == name]) for name in families}
    ended = round(sum(attempt.finished for attempt in attempts) / len(attempts), 4)
    return share(attempts) | {"well_formed": ended, "by_family": by_family}


def measure(folder: Path, problems: int) -> dict[str, Any]:
    """Return all figures of a model on so many test problems."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    start = time.monotonic()
    starts: list[tuple[Problem, Sequence[Block]]] = [
        (p, ()) for p in load_problems("embedded", "test", problems)
    ]
    greedy = solve(model, tokenizer, starts, None)
    sampled = solve(model, tokenizer, starts, None, temperature=1.0)
    right = [attempt for attempt in greedy if attempt.right]
    cut = [(a.problem, Solution(tuple(a.blocks)).prefix(0).blocks) for a in right]
    raised = solve(model, tokenizer, cut, Schedule())
    return {
        "split": "test",
        "greedy": figures(greedy),
        "temperature_1": figures(sampled),
        "raised_after_first_step": figures(raised),
        "seconds": round(time.monotonic() - start),
    }


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, nargs="?", default=embedded_model_path(), help="default: the built-in"
    )
    parser.add_argument("--problems", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="add the figures to MODEL/log.json")
    arguments = parser.parse_args()
    made = measure(arguments.model, arguments.problems)
    print(json.dumps(made, indent=1))
    if arguments.write:
        path = arguments.model / "log.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"accuracy": made}, indent=1) + "\n")


if __name__ == "__main__":
    main()
