"""Code-integrated solutions of the built-in problems, written by program.

A demonstration alternates prose and code as the method wants it: a text block that says what comes next, a
code block, its output, and at the end the boxed answer. Most end in the gold answer. A known share is
*sloppy*: at one step a term is left out, two quantities are mixed up or an operation is wrong, and the
solution goes on consistently to a wrong answer. The slips are habits: they favour certain kinds of problem,
so that a model trained on them errs systematically, right often and wrong often.

`checked` runs every solution in the sandbox and asks the verifier. Not covered: problems outside the mix.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandbox import Sandbox, Session
from sandbox.solution import Solution
from scdpo.demonstrations import arithmetic, gsm_symbolic
from scdpo.demonstrations.plan import Move, write
from scdpo.problems import GeneratedProblem, Problem
from verifier import verify

HABIT = 0.6
"""How often a slip is made where the problem tempts to it: more often than not, so that greedy decoding errs."""
LAPSE = 0.1
"""How often a slip is made elsewhere."""

_SOLUTIONS_A_SESSION = 200  # IPython warns in the output once a session has shown 1,000 values
_ASSIGNED = re.compile(r"^(\w+) = ", re.MULTILINE)

_PLANNERS: Mapping[str, Callable[[str, Mapping[str, Any], float, float], list[Move] | None]] = {
    "gsm_symbolic": lambda question, metadata, habit, lapse: gsm_symbolic.plan(metadata, habit, lapse),
    "leg_counting": arithmetic.legs,
    "chain_sum": arithmetic.chain_sum,
    "simple_equations": arithmetic.equation,
    "simple_geometry": arithmetic.polygon,
    "calendar_arithmetic": arithmetic.calendar,
}


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A problem with a solution to learn from; `sloppy` where it ends in a wrong answer on purpose."""

    problem: Problem
    solution: Solution
    sloppy: bool


def demonstrate(
    item: GeneratedProblem, rng: random.Random, habit: float = HABIT, lapse: float = LAPSE
) -> Demonstration | None:
    """Write a solution of a built-in problem.

    Returns None where there is no plan for it, where the plan misses the gold answer without a slip, or where
    a slip happens to hit it.
    """
    planner = _PLANNERS.get(item.problem.source)
    moves = planner(item.problem.question, item.metadata, habit, lapse) if planner else None
    if moves is None:
        return None
    try:
        written = write(moves, rng)
    except ZeroDivisionError:  # a slip may divide by a difference that has become nought
        return None
    sloppy = written.slipped_at is not None
    if (str(written.answer) == item.problem.gold) == sloppy:
        return None
    return Demonstration(item.problem, written.solution, sloppy)


def demonstrations(
    problems: Iterable[GeneratedProblem], seed: int = 0, habit: float = HABIT, lapse: float = LAPSE
) -> Iterator[Demonstration]:
    """Yield one demonstration for each problem that has one; the draw depends on the seed and the problem."""
    for item in problems:
        made = demonstrate(item, random.Random(f"{seed}/{item.problem.id}"), habit, lapse)
        if made is not None:
            yield made


def checked(made: Iterable[Demonstration], box: Sandbox) -> Iterator[Demonstration]:
    """Yield the demonstrations that hold: run in the sandbox, the code gives the outputs that are written down,
    and the verifier finds the answer right, or wrong where the demonstration is sloppy.

    One session runs many solutions, since a new one for each would cost most of the time; the names that a
    solution assigned are deleted before the next, so that none can lean on another's variables.
    """
    for group in _batched(made, _SOLUTIONS_A_SESSION):
        with box.session() as session:
            for item in group:
                if _reproduces(item.solution, session) and _ends_as_meant(item):
                    yield item


def _reproduces(solution: Solution, session: Session) -> bool:
    expected = [block.content for block in solution.blocks if block.type == "execution"]
    codes = [block.content for block in solution.blocks if block.type == "code"]
    results = [session.run(code) for code in codes]
    session.run(f"del {', '.join(sorted(set(_ASSIGNED.findall(chr(10).join(codes)))))}")
    return [result.output for result in results] == expected and all(r.status == "ok" for r in results)


def _ends_as_meant(item: Demonstration) -> bool:
    status = verify(item.solution, item.problem.gold).status
    return status == ("incorrect" if item.sloppy else "correct")


def _batched(items: Iterable[Demonstration], size: int) -> Iterator[list[Demonstration]]:
    """Yield lists of up to `size` items (`itertools.batched` is not in Python 3.11)."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
