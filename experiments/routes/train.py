"""Train the second policy: ``python -m experiments.routes.train experiments/routes/policy``, on one core.

It is the built-in model, fine-tuned on demonstrations of `experiments.routes` that hold in the sandbox; the tokenizer
stays. At the end it tells how many of the numbers in right solutions of held-out problems the policy predicts when it
is shown what comes before them: what it has not learned to copy from the question, no preference method mends. The
folder is kept with the code, since a study of many seeds needs the same weights on every machine; a folder that holds
a policy stays as it is. Not covered: resuming.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import Demonstration
from experiments.embedded.fine_tune import fine_tune, holds_policy, save
from experiments.embedded.train import Recipe, encode
from experiments.routes.demonstrations import demonstrations, written
from experiments.routes.muon import Muon
from experiments.routes.plans import HABIT, LAPSE, plan
from experiments.routes.problems import routes_problems

RECIPE = Recipe(problems=20_000, steps=1600, peak_rate=4e-3)
PROBED = 60
"""Held-out problems whose numbers are predicted."""


def train_policy(folder: Path, recipe: Recipe = RECIPE) -> None:
    """Make demonstrations, fine-tune the built-in model on them, and leave model, tokenizer and ``log.json``.

    A folder that holds a policy stays as it is.
    """
    if holds_policy(folder):
        return
    made = demonstrations(islice(routes_problems("train"), recipe.problems), recipe.seed)
    model, tokenizer, log = fine_tune(made, recipe, lambda model: optimizers(model, recipe.peak_rate))
    log["recipe"] |= {"habit": HABIT, "lapse": LAPSE}
    log["numbers"] = numbers_predicted(model, tokenizer)
    save(folder, model, tokenizer, log)
    print(f"numbers predicted, %: {log['numbers']}", flush=True)


def optimizers(model: PreTrainedModel, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers, and AdamW for the tokens' vectors and the scales."""
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or ".layers." not in name]
    return [Muon(inside, rate), torch.optim.AdamW(others, 0.75 * rate, betas=(0.9, 0.98), weight_decay=0.05)]


@torch.inference_mode()
def numbers_predicted(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Return, by family, the percent of the numbers in the policy's own text that are its likeliest next token.

    Measured on right solutions of held-out problems, each number after the right text before it.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    for item in islice(routes_problems("test"), PROBED):
        rng = random.Random(item.problem.id)
        solution, _ = written(plan(item.problem.source, item.metadata, rng), (), rng)
        example = encode(tokenizer, Demonstration(item.problem, solution, sloppy=False))
        likeliest = model(torch.tensor([example.ids])).logits[0, :-1].argmax(-1).tolist()
        for guess, label in zip(likeliest, example.labels[1:], strict=True):
            if label >= 0 and tokenizer.decode([label]).strip().isdigit():
                hits[item.problem.source].append(guess == label)
    return {family: round(100 * fmean(of), 1) for family, of in sorted(hits.items())}


def main() -> None:
    """Train the policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the model and its tokenizer")
    parser.add_argument("--problems", type=int, default=RECIPE.problems, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=RECIPE.steps, help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_policy(options.folder, replace(RECIPE, problems=options.problems, steps=options.steps))


if __name__ == "__main__":
    main()
