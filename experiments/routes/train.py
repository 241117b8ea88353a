"""Train the second policy: ``python -m experiments.routes.train runs/routes/policy``, a quarter of an hour on one core.

It is the built-in model, fine-tuned on demonstrations of `experiments.routes` that hold in the sandbox; the tokenizer
stays. Not covered: resuming.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from experiments.embedded.demonstrations import checked
from experiments.embedded.train import Recipe, describe, encode, learn
from experiments.routes.demonstrations import demonstrations
from experiments.routes.plans import HABIT, LAPSE
from experiments.routes.problems import routes_problems
from sandbox import Sandbox
from scdpo.data.problems import embedded_model_path

RECIPE = Recipe(problems=8000, steps=700, peak_rate=1.5e-3)


def train_policy(folder: Path, recipe: Recipe = RECIPE) -> None:
    """Make demonstrations, fine-tune the built-in model on them, and leave model, tokenizer and ``log.json``.

    A folder that holds a policy stays as it is.
    """
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(recipe.seed)
    start = time.monotonic()
    with Sandbox() as box:
        data = list(
            checked(demonstrations(islice(routes_problems("train"), recipe.problems), recipe.seed), box)
        )
    tokenizer = AutoTokenizer.from_pretrained(embedded_model_path())
    model = AutoModelForCausalLM.from_pretrained(embedded_model_path(), dtype=torch.float32)
    examples = [encode(tokenizer, item) for item in data]
    print(f"{len(data)} demonstrations", flush=True)
    seen, curve = learn(model, examples, recipe, tokenizer.pad_token_id)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    log = {
        "recipe": asdict(recipe) | {"habit": HABIT, "lapse": LAPSE},
        "data": describe(data),
        "training": {"tokens": seen, "loss": curve, "minutes": round((time.monotonic() - start) / 60, 1)},
    }
    (folder / "log.json").write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


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
