"""Demonstrations of the second policy, and the pairs of its planner: the same solution with and without one slip.

`written` puts a plan into words and code with the slips that it is told, and the wording depends on the draw alone: so
two solutions of one draw differ in the slips and in what follows from them, in nothing else. Not covered: running the
code (`experiments.embedded.demonstrations.checked`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence

from experiments.embedded.demonstrations import Demonstration
from experiments.embedded.demonstrations.plan import Move
from experiments.routes.plans import plan
from sandbox import Block, Solution
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import step_controlled_pair
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import OriginRecord, PairRecord

_OPENINGS = ("First, {aim}.", "Start with {aim}.", "Let me find {aim}.", "We need {aim}.")
_MIDDLES = ("Next, {aim}.", "Then {aim}.", "Now {aim}.", "After that, {aim}.", "We go on with {aim}.")
_ENDINGS = (
    "The answer is $\\boxed{{{value}}}$.",
    "So $\\boxed{{{value}}}$.",
    "This gives $\\boxed{{{value}}}$.",
)
_TRIES = 50


def written(moves: Sequence[Move], slips: Collection[int], rng: random.Random) -> tuple[Solution, int]:
    """Return a plan as a solution, with the slips at these moves, and its final value.

    What comes after a slip goes on from its wrong value.
    """
    blocks: list[Block] = []
    names: dict[str, int] = {}
    value = 0
    for index, move in enumerate(moves):
        wording = rng.choice(_MIDDLES if index else _OPENINGS)
        blocks.append(Block("text", wording.format(aim=move.aim)))
        expression = move.slip if index in slips and move.slip else move.expression
        value = names[move.name] = move.value(names, expression)
        shown = rng.choice((move.name, f"print({move.name})"))
        blocks.append(Block("code", f"{move.name} = {expression}\n{shown}"))
        blocks.append(Block("execution", str(value)))
    blocks.append(Block("text", rng.choice(_ENDINGS).format(value=value)))
    return Solution(tuple(blocks)), value


def drawn_slips(moves: Sequence[Move], rng: random.Random) -> set[int]:
    """Return the moves that slip, each drawn by itself with its own probability."""
    return {index for index, move in enumerate(moves) if move.slip and rng.random() < move.habit}


def demonstrations(problems: Iterable[GeneratedProblem], seed: int = 0) -> Iterator[Demonstration]:
    """Yield one demonstration for each problem, but for those whose slips happen to give the right answer."""
    for item in problems:
        rng = random.Random(f"{seed}/{item.problem.id}")
        moves = plan(item.problem.source, item.metadata, rng)
        slips = drawn_slips(moves, rng)
        solution, answer = written(moves, slips, rng)
        if (str(answer) == item.problem.gold) != bool(slips):
            yield Demonstration(item.problem, solution, bool(slips))


def oracle_pairs(item: GeneratedProblem, count: int, seed: int) -> list[PairRecord]:
    """Return ``count`` pairs of a problem that step control would make if it knew where the policy errs.

    Each is a draw of route and wording; the rejected side has one slip, at a move that is drawn in proportion to the
    probability with which the planner slips there, and both sides begin with all the steps before it.
    """
    pairs: list[PairRecord] = []
    for attempt in range(_TRIES * count):
        if len(pairs) == count:
            break
        name = f"{item.problem.id}#oracle.{seed}.{attempt}"
        rng = random.Random(name)
        moves = plan(item.problem.source, item.metadata, rng)
        slip = rng.choices(range(len(moves)), [move.habit if move.slip else 0 for move in moves])[0]
        wording = rng.random()
        right, _ = written(moves, (), random.Random(wording))
        wrong, answer = written(moves, (slip,), random.Random(wording))
        if str(answer) == item.problem.gold:
            continue
        chosen = as_record(
            right, item.problem.question, item.problem.gold, id=name, problem_id=item.problem.id
        )
        origin = OriginRecord(
            chosen_id=name, rejected_id=f"{name}@{slip}", corruptor="mutation", mutation="the planner's slip"
        )
        aim = 2 * slip  # the text step of the move: a move is a text step and a code step
        pairs.append(step_controlled_pair(chosen, aim, wrong.rest(aim).blocks, [], str(answer), origin))
    return pairs
