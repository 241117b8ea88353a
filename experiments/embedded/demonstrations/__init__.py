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

from experiments.embedded.demonstrations import arithmetic, gsm_symbolic
from experiments.embedded.demonstrations.plan import Move, write
from sandbox import Sandbox, Session
from sandbox.solution import Solution
from scdpo.data.problems import GeneratedProblem, Problem
from verifier import verify

HABIT = 0.6
"""How often a slip is made where the problem tempts to it: more often than not, so that greedy decoding errs."""
LAPSE = 0.1
"""How often a slip is made elsewhere."""

_SOLUTIONS_A_SESSION = 100  # IPython warns in the output once a session has shown 1,000 values
_ASSIGNED = re.compile(r"^(\w+) = ", re.MULTILINE)
_SHOWN = re.compile(r"^(\w+)$", re.MULTILINE)

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

    Solutions are run by the hundred in one cell, which saves a round trip for each of their cells; where that
    fails or prints anything else, each of the hundred is run on its own, cell by cell. No solution can lean on
    the names of another: they are deleted after each.
    """
    for group in _batched(made, _SOLUTIONS_A_SESSION):
        with box.session() as session:
            together = session.run("\n".join(_as_script(item.solution) for item in group))
            expected = "\n".join(output for item in group for output in _outputs(item.solution))
            if together.status == "ok" and together.output.strip() == expected:
                held = group
            else:
                held = [item for item in group if _reproduces(item.solution, session)]
        yield from filter(_ends_as_meant, held)


def _outputs(solution: Solution) -> list[str]:
    return [block.content for block in solution.blocks if block.type == "execution"]


def _codes(solution: Solution) -> list[str]:
    return [block.content for block in solution.blocks if block.type == "code"]


def _as_script(solution: Solution) -> str:
    """Return the code as one script that prints what the cells would show, and leaves no names behind."""
    code = "\n".join(_codes(solution))
    return _SHOWN.sub(r"print(\1)", code) + "\n" + _deletion(code)


def _reproduces(solution: Solution, session: Session) -> bool:
    results = [session.run(code) for code in _codes(solution)]
    session.run(_deletion("\n".join(_codes(solution))))
    return [(result.status, result.output) for result in results] == [("ok", o) for o in _outputs(solution)]


def _deletion(code: str) -> str:
    return f"del {', '.join(sorted(set(_ASSIGNED.findall(code))))}"


def _ends_as_meant(item: Demonstration) -> bool:
    status = verify(item.solution, item.problem.gold).status
    return status == ("incorrect" if item.sloppy else "correct")


def _batched(items: Iterable[Demonstration], size: int) -> Iterator[list[Demonstration]]:
    """Yield lists of up to `size` items (`itertools.batched` is not in Python 3.11)."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
