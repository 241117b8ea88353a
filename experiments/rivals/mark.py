"""Teach the built-in model to end its turn where it calls a tool: ``python -m experiments.rivals.mark OUT``.

GRPO reads a tool's call at the mark that opens the kernel's output, and the built-in model was never taught to write
that mark. It learns it from the kind of demonstrations that it was made with, slips and all, so that it solves about
what it solved before. The folder is kept with the code, since all seeds start from the same weights wherever they run;
one that holds a model stays as it is. Not covered: resuming.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import HABIT, LAPSE, demonstrations
from experiments.embedded.fine_tune import MARK, fine_tune, holds_policy, save
from experiments.embedded.train import Recipe, encode
from scdpo.data.problems import embedded_problems

RECIPE = Recipe(problems=4000, steps=300, peak_rate=3e-4)
PROBED = 60
"""Test problems on whose solutions it is measured how sure the model is of the mark."""


def teach(folder: Path, recipe: Recipe = RECIPE) -> None:
    """Fine-tune the built-in model, and leave model, tokenizer and ``log.json``; a model that is there stays."""
    if holds_policy(folder):
        return
    made = demonstrations(islice(embedded_problems("train"), recipe.problems), recipe.seed)
    model, tokenizer, log = fine_tune(made, recipe)
    log["recipe"] |= {"habit": HABIT, "lapse": LAPSE}
    log["mark"] = round(mark_given(model, tokenizer), 1)
    save(folder, model, tokenizer, log)
    print(f"the mark is given {log['mark']} % where a call ends", flush=True)


@torch.inference_mode()
def mark_given(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> float:
    """Return the probability in percent of the mark where a call ends, mean over right solutions of test problems."""
    mark = tokenizer.convert_tokens_to_ids(MARK)
    found = []
    for item in demonstrations(islice(embedded_problems("test"), PROBED), habit=0.0, lapse=0.0):
        ids = encode(tokenizer, item).ids
        chances = model(torch.tensor([ids])).logits[0].softmax(-1)[:, mark]
        found += [chances[place - 1].item() for place, id in enumerate(ids) if id == mark]
    return 100 * fmean(found)


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the model and its tokenizer")
    parser.add_argument("--problems", type=int, default=RECIPE.problems, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=RECIPE.steps, help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    teach(options.folder, replace(RECIPE, problems=options.problems, steps=options.steps))


if __name__ == "__main__":
    main()
