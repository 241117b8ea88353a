"""Plans: a solution as a list of computed quantities, and how a plan becomes blocks.

A plan knows for each quantity what it is, the expression that gives it, and perhaps a *slip*: a wrong
expression that a careless solver writes in its place. Which slips are taken is drawn when the plan is written
out; what comes after a slip goes on from its wrong value, so a sloppy solution is consistent with itself.

Values are computed here without running the code. They are the expected outputs only:
`experiments.embedded.demonstrations` runs every solution in the sandbox before it counts. Not covered: anything but
whole numbers.
"""

from __future__ import annotations

import ast
import operator
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.blocks import Block
from sandbox.solution import Solution

_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_OPENINGS = ("First, {aim}.", "We start with {aim}.", "Let me find {aim}.")
_MIDDLES = ("That is {value}. Now {aim}.", "We get {value}. Next, {aim}.", "So it is {value}. Then {aim}.")
_ENDINGS = (
    "The answer is $\\boxed{{{value}}}$.",
    "So the answer is $\\boxed{{{value}}}$.",
    "This gives $\\boxed{{{value}}}$.",
)


@dataclass(frozen=True, slots=True)
class Move:
    """One quantity of a plan: a text block that names it and a code block that computes it.

    Attributes:
        aim: what the quantity is, as a noun phrase.
        name: its Python name.
        expression: Python over whole numbers and earlier names.
        slip: the careless expression, or None where the step is safe.
        habit: probability, 0 to 1, that the slip is taken.
        setup: code lines before the assignment.
        compute: gives the value from the earlier ones and the expression, where it is not plain arithmetic.
    """

    aim: str
    name: str
    expression: str
    slip: str | None = None
    habit: float = 0.0
    setup: str = ""
    compute: Callable[[Mapping[str, int], str], int] | None = None

    def value(self, names: Mapping[str, int], expression: str) -> int:
        """Return what the expression gives."""
        return self.compute(names, expression) if self.compute else evaluate(expression, names)


@dataclass(frozen=True, slots=True)
class Written:
    """A plan written out: its solution, its final value, and the index of the move that slipped, if any."""

    solution: Solution
    answer: int
    slipped_at: int | None


def evaluate(expression: str, names: Mapping[str, int]) -> int:
    """Compute an expression of whole numbers, names and ``+ - * // % **``.

    Raises:
        ValueError: if it holds anything else.
        ZeroDivisionError: as Python.
    """
    return _evaluate(ast.parse(expression, mode="eval").body, names)


def _evaluate(node: ast.expr, names: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left, names), _evaluate(right, names))
    raise ValueError(f"not whole-number arithmetic: {ast.unparse(node)}")


def write(moves: Sequence[Move], rng: random.Random) -> Written:
    """Write a plan out, drawing its wording and at most one slip.

    Raises:
        ValueError: if the plan has no moves.
    """
    if not moves:
        raise ValueError("a plan needs at least one move")
    blocks: list[Block] = []
    names: dict[str, int] = {}
    slipped_at: int | None = None
    value = 0
    for index, move in enumerate(moves):
        wording = rng.choice(_MIDDLES if index else _OPENINGS)
        blocks.append(Block("text", wording.format(value=value, aim=move.aim)))
        expression = move.expression
        if slipped_at is None and move.slip is not None and rng.random() < move.habit:
            expression, slipped_at = move.slip, index
        value = names[move.name] = move.value(names, expression)
        shown = rng.choices((move.name, f"print({move.name})"), (4, 1))[0]
        blocks.append(Block("code", f"{move.setup}{move.name} = {expression}\n{shown}"))
        blocks.append(Block("execution", str(value)))
    blocks.append(Block("text", rng.choice(_ENDINGS).format(value=value)))
    return Written(Solution(tuple(blocks)), value, slipped_at)
