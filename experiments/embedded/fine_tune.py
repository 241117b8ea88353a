"""Fine-tune the built-in model on demonstrations: its tokenizer stays, and it learns to call a tool.

Called by the scripts that make policies of it (`experiments.routes.train`, `experiments.rivals.mark`). A policy that
calls tools ends its turn with the mark that opens the kernel's output, so that this mark has a loss too. Not covered:
resuming, several devices.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import Demonstration, checked
from experiments.embedded.train import Example, Recipe, describe, encode, learn
from sandbox import Sandbox
from scdpo.data.problems import embedded_model_path

MARK = "<|execution|>"
"""Opens the kernel's output."""
Optimizers = Callable[[PreTrainedModel], Sequence[torch.optim.Optimizer]]


def fine_tune(
    made: Iterable[Demonstration], recipe: Recipe, optimizers: Optimizers = lambda _: ()
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, dict[str, Any]]:
    """Train the built-in model on the demonstrations that hold in the sandbox.

    Args:
        made: the demonstrations.
        recipe: of the training; what shapes a model is the built-in one's.
        optimizers: takes the model; AdamW at the recipe's rate if it gives none.

    Returns:
        The model, its tokenizer, and what is to be told of the training.
    """
    torch.manual_seed(recipe.seed)
    start = time.monotonic()
    with Sandbox() as box:
        data = list(checked(made, box))
    tokenizer = AutoTokenizer.from_pretrained(embedded_model_path())
    model = AutoModelForCausalLM.from_pretrained(embedded_model_path(), dtype=torch.float32)
    examples = [with_mark(encode(tokenizer, item), tokenizer) for item in data]
    print(f"{len(data)} demonstrations", flush=True)
    seen, curve = learn(model, examples, recipe, tokenizer.pad_token_id, optimizers(model))
    minutes = round((time.monotonic() - start) / 60, 1)
    log = {
        "recipe": asdict(recipe),
        "data": describe(data),
        "training": {"tokens": seen, "loss": curve, "minutes": minutes},
    }
    return model, tokenizer, log


def with_mark(example: Example, tokenizer: PreTrainedTokenizerFast) -> Example:
    """Return the example with a loss on the mark of an output too."""
    mark = tokenizer.convert_tokens_to_ids(MARK)
    labels = [id if id == mark else label for id, label in zip(example.ids, example.labels, strict=True)]
    return Example(example.ids, labels)


def save(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, log: dict[str, Any]
) -> None:
    """Leave model, tokenizer and ``log.json`` in a folder."""
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    (folder / "log.json").write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


def holds_policy(folder: Path) -> bool:
    """Whether a folder holds a policy, which stays as it is: say so."""
    if (folder / "model.safetensors").exists():
        print(f"{folder} holds a policy", flush=True)
        return True
    return False
