"""A policy that solves the built-in problems without code: trained here, since the built-in model has never seen any.

    python -m experiments.chain_of_thought runs/chain-of-thought/policy      # some minutes on one thread

It is the built-in model, fine-tuned on its own demonstrations with every cell written as a line that states what is
computed: ``First, the legs of 3 dogs, 2 birds: 3 * 4 + 2 * 2.`` Models of this size do not learn to add in their
head in half an hour, so nothing is worked out: the final answer is an expression, which the verifier evaluates. The
policy makes the slips of the built-in model by habit, as it does. Calendar problems are left out: counting days is no
such expression.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from experiments.embedded.demonstrations import Demonstration, checked, demonstrations
from experiments.embedded.train import IGNORED, Example, Recipe, learn
from sandbox import Block, Sandbox, Solution
from sandbox.formats import get_format
from scdpo.data.problems import embedded_model_path, embedded_problems

FORMAT = get_format("cot")
RECIPE = Recipe(problems=20_000, steps=600, peak_rate=1e-3)
_ASSIGNMENT = re.compile(r"(\w+) = ([^=]+)\n.*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_BOXED = re.compile(r"(?<=boxed\{)[^}]*")


def in_words(solution: Solution) -> Solution | None:
    """Return a demonstration as chain of thought: each cell a line with its expression, the last one boxed.

    None where a cell is more than one assignment of plain arithmetic.
    """
    known: dict[str, str] = {}
    lines: list[str] = []
    expression = ""
    for step in solution.steps:
        text = step.blocks[0].content
        if not step.is_code:
            # "That is 12. Now all legs." The value is what the kernel gave, so it has no place here.
            lines.append(text.partition(". ")[2] if ". " in text else text)
            continue
        assignment = _ASSIGNMENT.fullmatch(text)
        if assignment is None or not set(_NAME.findall(assignment[2])) <= known.keys():
            return None
        expression = _NAME.sub(lambda name: known[name[0]], assignment[2]).replace("//", "/")
        known[assignment[1]] = f"({expression})" if " " in expression else expression
        lines[-1] = f"{lines[-1].removesuffix('.')}: {expression}."
    lines[-1] = _BOXED.sub(lambda _: expression, lines[-1])
    blocks = [Block("text", f"{line}\n") for line in lines[:-1]]
    return Solution((*blocks, Block("text", lines[-1])))


def encode(tokenizer: PreTrainedTokenizerFast, question: str, solution: Solution) -> Example:
    """Return a question and its solution as tokens, with labels on the solution and its end."""
    prompt = tokenizer(FORMAT.prompt(question))["input_ids"]
    answer = [*tokenizer(FORMAT.render(solution.blocks))["input_ids"], tokenizer.eos_token_id]
    return Example(prompt + answer, [IGNORED] * len(prompt) + answer)


def written(made: Iterable[Demonstration]) -> list[tuple[str, Solution]]:
    """Return the questions and the solutions in words of all demonstrations that have them."""
    both = ((item.problem.question, in_words(item.solution)) for item in made)
    return [(question, solution) for question, solution in both if solution is not None]


def train_policy(folder: Path, recipe: Recipe = RECIPE) -> None:
    """Make demonstrations and fine-tune the built-in model on them, unless the folder holds a policy."""
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(recipe.seed)
    problems = islice(embedded_problems("train"), recipe.problems)
    with Sandbox() as box:
        data = written(checked(demonstrations(problems, recipe.seed), box))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(embedded_model_path())
    examples = [encode(tokenizer, question, solution) for question, solution in data]
    model = LlamaForCausalLM.from_pretrained(embedded_model_path(), dtype=torch.float32)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    print(f"{len(data)} demonstrations", flush=True)
    learn(model, examples, recipe, tokenizer.pad_token_id)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def main() -> None:
    """Train the policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the model and its tokenizer")
    torch.set_num_threads(1)
    train_policy(parser.parse_args().folder)


if __name__ == "__main__":
    main()
