r"""Mutation of chains of thought: a slip in an equation that a step states, carried to its wrong end.

A chain has no code that could be run, but it states its arithmetic ("8 * 18 = 144"); the equation is the oracle. The
result is reckoned wrongly, another operation is done, or another quantity is taken; what follows is carried on as
after a mutated cell. Not covered: steps without an equation, chains of several equations (``a = b = c``), equations
with names, and GSM8K's calculator marks (``<<8*18=144>>``), which say each result twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sandbox.blocks import Block
from sandbox.formats import normalise_newlines
from sandbox.solution import Solution
from scdpo.corrupt.mutation.search_input import Case, Corruption, Place, values_before
from scdpo.corrupt.mutation.trial import wrong_answer
from scdpo.corrupt.mutation.weights import KIND_WEIGHTS
from scdpo.corrupt.rewriting.changes import Known
from scdpo.corrupt.rewriting.claims import check_claims
from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions, is_whole, write_like
from scdpo.corrupt.rewriting.plausible import Inconsistent, ValueContext
from scdpo.corrupt.rewriting.propagate import carry_text, edited
from scdpo.corrupt.rewriting.stated_arithmetic import Expression, Statement, Valuation, find_statements
from scdpo.data.filters import drop_reason

CALCULATOR_MARK: Final = "<<"
_OTHERS: Final = {"+": ("-", "*"), "-": ("+",), "*": ("+", "/"), "/": ("*",)}
_WRITTEN: Final = {
    "+": ("+",),
    "-": ("-", "\u2212"),
    "*": (r"\times", r"\cdot", "\u00d7", "\u00b7", "*"),
    "/": (r"\div", "\u00f7", "/"),
}
"""How texts write an operation; the longer ones first."""
CARRIES: Final = (1, -1, 10, -10)
"""By how much a sum or product is reckoned wrongly: a unit or a ten is lost or carried twice."""


@dataclass(frozen=True, slots=True)
class _Slip:
    """Edits that make an equation of a text a wrong one, where it ends, and the values that changed."""

    kind: str
    description: str
    edits: tuple[tuple[int, int, str], ...]
    end: int
    old: Fraction
    new: Fraction


def corrupt_chain(
    solution: Solution,
    gold: str,
    question: str,
    branch_steps: Sequence[int] | None,
    attempts: int,
    seed: int,
    dropped: Counter[str],
) -> list[Corruption]:
    """Return wrong continuations of a right chain of thought, at most one a branch step, in order of the steps.

    Takes CPU time. Arguments as for ``corrupt_by_mutation``; ``solution`` has text alone.
    """
    blocks = tuple(Block(b.type, normalise_newlines(b.content)) for b in solution.blocks)
    if any(CALCULATOR_MARK in block.content for block in blocks) or drop_reason(blocks, format=None):
        dropped["garbled_solution"] += 1
        return []
    text = "\n".join(block.content for block in blocks)
    case = Case(blocks, tuple(range(len(blocks))), {}, question, gold, ValueContext.of(question, text))
    found: list[Corruption] = []
    for step in range(len(blocks) - 1):
        if branch_steps is None or step in branch_steps:
            corruption = _corrupt_after(Place(case, step, step + 1), attempts, seed, dropped)
            if corruption is not None:
                found.append(corruption)
    if not found and not dropped:
        dropped["no_branch_point"] += 1
    return found


def _corrupt_after(place: Place, attempts: int, seed: int, dropped: Counter[str]) -> Corruption | None:
    for tried, slip in enumerate(_drawn(place, seed), start=1):
        if tried > attempts:
            break
        try:
            rejected = _continued(place, slip)
            answer = wrong_answer(place, rejected)
        except Inconsistent as given_up:
            dropped[given_up.reason] += 1
            continue
        return Corruption(place.step, rejected, answer, slip.kind, slip.description, "kept", tried)
    return None


def _drawn(place: Place, seed: int) -> Iterator[_Slip]:
    """Yield the slips of a step's equations, in an order that is drawn by the weights of their kinds."""
    text = place.case.blocks[place.cell].content
    quantities = [m.value for m in find_mentions(place.case.question) if m.role == "value"]
    slips = [slip for statement in find_statements(text) for slip in _slips(text, statement, quantities)]
    generator = random.Random(f"{seed} {place.step}")
    while slips:
        weights = [KIND_WEIGHTS[slip.kind] for slip in slips]
        (index,) = generator.choices(range(len(slips)), weights)
        yield slips.pop(index)


def _slips(text: str, statement: Statement, quantities: Sequence[Fraction]) -> Iterator[_Slip]:
    """Yield what can go wrong in an equation of two numbers and their result, which holds."""
    if len(statement.sides) != 2 or statement.relations != ("=",):
        return
    left, result = statement.sides[0], statement.sides[1].mention
    operands = [operand.mention for operand in left.operands]
    if result is None or result.percent or len(operands) != 2 or left.operator not in _OTHERS:
        return
    first, second = operands
    if first is None or second is None or not statement.holds(0, lambda mention: mention.value):
        return
    if left.operator in "+*":
        for by in CARRIES:
            yield from _with_result(text, first.start, "arithmetic", (), result, result.value + by)
    sign = _operator_between(text, first, second, left.operator)
    for other in _OTHERS[left.operator]:
        value = Expression(other, left.operands).value(lambda mention: mention.value)
        if value is not None and sign is not None:
            in_latex = "\\" in text[slice(*sign)]
            edit = (*sign, _WRITTEN[other][0 if in_latex else -1])
            yield from _with_result(text, first.start, "operator", (edit,), result, value)
    for operand in (first, second):
        for quantity in dict.fromkeys(quantities):
            if quantity in (first.value, second.value):
                continue
            written = write_like(operand, quantity, rounded=False)
            value = left.value(_with(operand, quantity))
            if written is not None and value is not None:
                edit = (operand.start, operand.end, written)
                yield from _with_result(text, first.start, "variable", (edit,), result, value)


def _with(operand: Mention, quantity: Fraction) -> Valuation:
    """Return the valuation that takes a quantity for one operand, and every other number as it stands."""
    return lambda mention: quantity if mention is operand else mention.value


def _with_result(
    text: str,
    start: int,
    kind: str,
    edits: tuple[tuple[int, int, str], ...],
    result: Mention,
    value: Fraction,
) -> Iterator[_Slip]:
    """Yield the slip in the equation at ``start`` whose result is a value, if that can be written as the right one."""
    if (
        value == result.value
        or value <= 0 < result.value
        or (result.style == "integer" and not is_whole(value))
    ):
        return
    written = write_like(result, value, rounded=False)
    if written is None:
        return
    every = (*edits, (result.start, result.end, written))
    before, after = text[start : result.end], edited(text[: result.end], every)[start:]
    yield _Slip(kind, f"{kind}: `{before}` became `{after}`", every, result.end, result.value, value)


def _operator_between(text: str, first: Mention, second: Mention, operator: str) -> tuple[int, int] | None:
    """Return where the one sign of an operation between two numbers stands."""
    between = text[first.end : second.start]
    for sign in _WRITTEN[operator]:
        if between.count(sign) == 1:
            start = first.end + between.index(sign)
            return start, start + len(sign)
    return None


def _continued(place: Place, slip: _Slip) -> tuple[Block, ...]:
    """Return the steps from the slip on, with its value carried; raises Inconsistent."""
    case = place.case
    case.limits.check(slip.old, slip.new)
    known = Known()
    known.given = {mention.value for mention in find_mentions(case.question)}
    known.read(case.question)
    for block in case.blocks[: place.cell]:
        known.read(block.content)
    known.keep(values_before(case.blocks[: place.cell]))
    text = case.blocks[place.cell].content
    head = text[: slip.end]
    known.keep({m.value for m in find_mentions(head) if m.role == "value" and m.end != slip.end})
    if slip.old in known.kept:
        raise Inconsistent("ambiguous_value")  # what follows may speak of either
    known.learn(slip.old, slip.new)
    rest = carry_text(text[slip.end :], known, (), case.limits)
    rejected = [Block("text", edited(head, slip.edits) + rest)]
    for block in case.blocks[place.cell + 1 :]:
        carried = carry_text(block.content, known, (), case.limits)
        check_claims(block.content, carried, "", "")
        rejected.append(Block("text", carried))
    return tuple(rejected)
