"""Train the built-in model from scratch: ``python -m experiments.embedded.train OUT``.

Makes demonstrations of the built-in mix, keeps those that hold in the sandbox, learns a tokenizer and trains
a small Llama on them, with a loss on what the model itself writes: neither the question nor the output of the
code. Writes checkpoint, tokenizer and ``log.json`` to OUT. One thread of one core is enough: the run of the
committed model took half an hour. Not covered: resuming, several devices.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import HABIT, LAPSE, Demonstration, checked, demonstrations
from experiments.embedded.tokenizer import CONTEXT, build_tokenizer
from sandbox import Sandbox
from sandbox.formats import get_format
from scdpo.data.problems import embedded_problems

FORMAT = get_format("mathcoder")
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the model; the defaults are those of the committed one."""

    problems: int = 60_000
    width: int = 128
    layers: int = 4
    heads: int = 4
    merges: int = 1200
    batch_tokens: int = 2400
    peak_rate: float = 3e-3
    steps: int = 4000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and the same with everything the loss leaves out set to -100."""

    ids: list[int]
    labels: list[int]


def encode(tokenizer: PreTrainedTokenizerFast, demonstration: Demonstration) -> Example:
    """Return a demonstration as tokens, with labels on the assistant's own text only."""
    pieces = [(FORMAT.prompt(demonstration.problem.question), False)]
    for block in demonstration.solution.blocks:
        pieces.append((FORMAT.render([block]), block.type != "execution"))
    pieces.append((FORMAT.end, True))
    ids: list[int] = []
    labels: list[int] = []
    encoded = tokenizer([text for text, _ in pieces])["input_ids"]
    for (_, own), tokens in zip(pieces, encoded, strict=True):
        ids += tokens
        labels += tokens if own else [IGNORED] * len(tokens)
    return Example(ids, labels)


def batches(
    examples: Sequence[Example], tokens: int, pad: int, rng: random.Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield ``(ids, labels)`` of shape (batch, length) for ever: random batches of examples of like length.

    Padding stands on the right, where a causal model needs no attention mask for it.
    """
    while True:
        # A little noise on the length: batches stay dense, and no two epochs have the same ones.
        order = sorted(examples, key=lambda example: len(example.ids) + rng.random() * 8)
        groups: list[list[Example]] = [[]]
        for example in order:
            if (len(groups[-1]) + 1) * len(example.ids) > tokens:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        for group in groups:
            length = max(len(example.ids) for example in group)
            ids = torch.full((len(group), length), pad)
            labels = torch.full((len(group), length), IGNORED)
            for row, example in enumerate(group):
                ids[row, : len(example.ids)] = torch.tensor(example.ids)
                labels[row, : len(example.labels)] = torch.tensor(example.labels)
            yield ids, labels


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a new model; with tied embeddings, copying a number is copying its vector."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.width * 8 // 3 // 16 * 16,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids(list(FORMAT.stop)), pad_token_id=tokenizer.pad_token_id
    )
    return model


def learn(
    model: LlamaForCausalLM,
    examples: Sequence[Example],
    recipe: Recipe,
    pad: int,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> tuple[int, list[dict[str, float]]]:
    """Train in place; return the tokens seen and the loss curve (mean loss per own token).

    The learning rate rises over 100 steps and then follows a cosine down to a fiftieth. Its peak is the recipe's, for
    AdamW; where optimizers are given, each group's own.
    """
    optimizers = optimizers or [
        torch.optim.AdamW(model.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.98), weight_decay=0.05)
    ]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    peaks = [group["lr"] for group in groups]
    curve: list[dict[str, float]] = []
    recent: list[float] = []
    seen = 0
    start = time.monotonic()
    stream = batches(examples, recipe.batch_tokens, pad, random.Random(recipe.seed))
    for step, (ids, labels) in enumerate(islice(stream, recipe.steps), 1):
        share = min(1.0, step / 100) * (0.02 + 0.98 * (1 + math.cos(math.pi * step / recipe.steps)) / 2)
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * share
        target = labels[:, 1:]
        wanted = target != IGNORED
        # Where the processor has no bfloat16, it is emulated: nine times slower than single precision.
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[wanted]
            logits = model.lm_head(hidden)
        loss = torch.nn.functional.cross_entropy(logits.float(), target[wanted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seen += ids.numel()
        recent.append(loss.item())
        if step % 100 == 0:
            mean = sum(recent) / len(recent)
            curve.append(
                {"step": step, "minutes": round((time.monotonic() - start) / 60, 1), "loss": round(mean, 4)}
            )
            print(
                f"step {step}  loss {mean:.4f}  {seen / (time.monotonic() - start):.0f} tokens/s", flush=True
            )
            recent.clear()
    return seen, curve


def describe(data: Sequence[Demonstration]) -> dict[str, Any]:
    """Return the size and the sloppy share of demonstrations, by family and in all."""
    total = Counter(demonstration.problem.source for demonstration in data)
    sloppy = Counter(demonstration.problem.source for demonstration in data if demonstration.sloppy)
    return {
        "demonstrations": len(data),
        "sloppy_share": round(sum(sloppy.values()) / len(data), 4),
        "by_family": {
            family: {"demonstrations": count, "sloppy_share": round(sloppy[family] / count, 4)}
            for family, count in total.most_common()
        },
    }


def train(out: Path, recipe: Recipe) -> None:
    """Make the data, train, and write model, tokenizer and log to a folder."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)
    start = time.monotonic()
    problems = islice(embedded_problems("train"), recipe.problems)
    with Sandbox() as box:
        data = list(checked(demonstrations(problems, recipe.seed), box))
    tokenizer = build_tokenizer(
        (FORMAT.prompt(item.problem.question) + FORMAT.render(item.solution.blocks) for item in data),
        recipe.merges,
    )
    examples = [encode(tokenizer, item) for item in data]
    model = build_model(recipe, tokenizer)
    data_seconds = time.monotonic() - start
    print(
        f"{len(data)} demonstrations in {data_seconds:.0f} s, {model.num_parameters()} parameters", flush=True
    )
    seen, curve = learn(model, examples, recipe, tokenizer.pad_token_id)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    log = {
        "command": "python -m experiments.embedded.train scdpo/assets/embedded",
        "recipe": asdict(recipe) | {"habit": HABIT, "lapse": LAPSE},
        "data": describe(data)
        | {"seconds": round(data_seconds), "tokens": sum(len(e.ids) for e in examples)},
        "parameters": model.num_parameters(),
        "training": {"steps": recipe.steps, "tokens": seen, "loss": curve},
    }
    (out / "log.json").write_text(json.dumps(log, indent=1) + "\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder to write to")
    for name, kind in (("problems", int), ("steps", int), ("width", int), ("layers", int), ("seed", int)):
        parser.add_argument(
            f"--{name}", type=kind, default=getattr(Recipe(), name), help="default: %(default)s"
        )
    arguments = vars(parser.parse_args())
    train(arguments.pop("out"), Recipe(**arguments))


if __name__ == "__main__":
    main()
