"""A policy that solves the built-in problems without code: trained here, since the built-in model has never seen any.

    python -m experiments.chain_of_thought runs/chain-of-thought/policy      # a quarter of an hour on one thread

It is the built-in model, fine-tuned on its own demonstrations with every cell and its output written as a line of
arithmetic, one operation after the other: ``First, the legs of 3 dogs, 2 birds: 3 * 4 = 12, 2 * 2 = 4, 12 + 4 = 16.``
So it makes the same slips by habit, and, having to compute in its head, errors of its own in any step. It reads and
writes numbers digit by digit. Calendar problems are left out: counting days in the head is no step.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Regex, pre_tokenizers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sandbox import Block, Sandbox, Solution
from sandbox.formats import get_format
from scdpo.assets.train import IGNORED, Example, Recipe, learn
from scdpo.demonstrations import Demonstration, checked, demonstrations
from scdpo.demonstrations.plan import evaluate
from scdpo.problems import embedded_model_path, embedded_problems

FORMAT = get_format("cot")
RECIPE = Recipe(steps=2000, peak_rate=1.5e-3)
_ASSIGNMENT = re.compile(r"(\w+) = ([^=]+)\n.*")
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//"}


def in_words(solution: Solution) -> Solution | None:
    """Return a demonstration as chain of thought: each cell a line of arithmetic that ends in its value.

    None where a cell is more than one assignment of plain arithmetic.
    """
    values: dict[str, int] = {}
    lines: list[str] = []
    for step in solution.steps:
        text = step.blocks[0].content
        if not step.is_code:
            lines.append(text)
            continue
        assignment = _ASSIGNMENT.fullmatch(text)
        operations: list[str] = []
        value = _work(ast.parse(assignment[2], mode="eval").body, values, operations) if assignment else None
        if assignment is None or value is None:
            return None
        values[assignment[1]] = value
        lines[-1] = f"{lines[-1].removesuffix('.')}: {', '.join(operations) or value}."
    blocks = [Block("text", f"{line}\n") for line in lines[:-1]]
    return Solution((*blocks, Block("text", lines[-1])))


def _work(node: ast.expr, values: Mapping[str, int], operations: list[str]) -> int | None:
    """Compute an expression, noting each operation; None where it is not plain arithmetic of known names."""
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.Name(id=name):
            return values.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _work(operand, values, operations)
            return None if value is None else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            first, second = _work(left, values, operations), _work(right, values, operations)
            if first is None or second is None:
                return None
            value = evaluate(f"({first}) {_SIGNS[type(op)]} ({second})", {})
            operations.append(f"{first} {_SIGNS[type(op)]} {second} = {value}")
            return value
    return None


def by_digits() -> PreTrainedTokenizerFast:
    """Return the built-in model's tokenizer, with every digit a token of its own."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(embedded_model_path())
    pieces, byte_level = tokenizer.backend_tokenizer.pre_tokenizer
    digits = pre_tokenizers.Split(Regex("[0-9]"), "isolated")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, digits, byte_level])
    return tokenizer


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
    tokenizer = by_digits()
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
