"""Step-controlled pairs without a model: a slip in the code of a correct solution, carried to its wrong end.

A cell of the solution is changed by one syntax-tree mutation (see ``syntax``) and run from the state that the steps
before it left; the values it changes are carried into the later text, code and answer (see ``carry``). The continuation
is kept only if every cell runs, every number in it is accounted for, and the answer is verified as wrong.

The first step is always shared, so a solution whose only code is its first step gives no pair. What a continuation can
still get wrong is listed in ``docs/corruptors.md``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from inspect import isawaitable
from typing import Any

from sandbox import AsyncSandbox, Sandbox
from sandbox.formats import normalise_newlines
from sandbox.solution import Solution
from scdpo.corrupt.mutation.chain import corrupt_chain
from scdpo.corrupt.mutation.search import search
from scdpo.corrupt.mutation.search_input import (
    CloseSession,
    Command,
    Corruption,
    ForkSession,
    OpenSession,
    RunCell,
)
from scdpo.corrupt.mutation.syntax import Mutation, mutate

ATTEMPTS = 40


def mutation_candidates(solution: Solution, branch_step: int, seed: int) -> Iterator[Mutation]:
    """Yield the mutations of the cell that follows step ``branch_step``, in an order that the seed decides.

    A step that is text has none. Nothing is run.

    Raises:
        IndexError: if there is no step ``branch_step`` or none after it.
    """
    steps = solution.steps
    if not 0 <= branch_step < len(steps) - 1:
        raise IndexError(f"no step follows step {branch_step} of a solution with {len(steps)} steps")
    cells = [normalise_newlines(step.code) for step in steps[: branch_step + 2] if step.code is not None]
    if steps[branch_step + 1].is_code:
        yield from mutate(cells[-1], seed, cells[:-1])


def corrupt_by_mutation(
    solution: Solution,
    gold: str,
    box: Sandbox,
    *,
    question: str = "",
    branch_steps: Sequence[int] | None = None,
    attempts: int = ATTEMPTS,
    seed: int = 0,
    dropped: Counter[str] | None = None,
) -> list[Corruption]:
    """Return wrong continuations of a correct solution, at most one a branch step.

    Args:
        solution: ends in the gold answer; its recorded outputs must come out again when it is run here. A chain of
            thought, which has no code, is changed in the equations that it states.
        gold: the right answer.
        box: where the cells run.
        question: the problem; numbers that it states are then known to be given.
        branch_steps: the steps (from 0) to branch after; all where code follows by default.
        attempts: how many mutations to run at a step at most.
        seed: decides the order of the mutations; the same seed gives the same corruptions.
        dropped: counts, by reason, what was left out; added to.
    """
    reasons = Counter[str]() if dropped is None else dropped
    if not _has_code(solution):
        return corrupt_chain(solution, gold, question, branch_steps, attempts, seed, reasons)
    driving = _drive(search(solution, gold, question, branch_steps, attempts, seed, reasons), box)
    try:
        driving.send(None)  # a blocking sandbox never lets it wait
    except StopIteration as end:
        found: list[Corruption] = end.value
        return found
    raise AssertionError("a blocking sandbox answered with something to wait for")


async def acorrupt_by_mutation(
    solution: Solution,
    gold: str,
    box: AsyncSandbox,
    *,
    question: str = "",
    branch_steps: Sequence[int] | None = None,
    attempts: int = ATTEMPTS,
    seed: int = 0,
    dropped: Counter[str] | None = None,
) -> list[Corruption]:
    """Do what ``corrupt_by_mutation`` does, without blocking the event loop while cells run."""
    reasons = Counter[str]() if dropped is None else dropped
    if not _has_code(solution):
        chain = (solution, gold, question, branch_steps, attempts, seed, reasons)
        return await asyncio.to_thread(corrupt_chain, *chain)
    return await _drive(search(solution, gold, question, branch_steps, attempts, seed, reasons), box)


def _has_code(solution: Solution) -> bool:
    return any(block.type == "code" for block in solution.blocks)


async def _drive(
    commands: Generator[Command, Any, list[Corruption]], box: Sandbox | AsyncSandbox
) -> list[Corruption]:
    """Carry out the commands of a search in a sandbox of either kind, and return what it found."""
    opened: list[Any] = []
    answer: object = None
    try:
        while True:
            command = commands.send(answer)
            match command:
                case OpenSession():
                    answer = await _ready(box.session())
                case RunCell(session, code):
                    answer = await _ready(session.run(code))
                case ForkSession(session):
                    answer = await _ready(session.fork())
                case CloseSession(session):
                    answer = await _ready(session.close())
            _keep_account(opened, command, answer)
    except StopIteration as end:
        found: list[Corruption] = end.value
        return found
    finally:
        for session in opened:
            await _ready(session.close())


async def _ready(answer: Any) -> Any:
    """Return what a sandbox answered, once it is there."""
    return await answer if isawaitable(answer) else answer


def _keep_account(opened: list[Any], command: Command, answer: object) -> None:
    """Keep the list of the sessions that are open after a command."""
    match command:
        case OpenSession() | ForkSession():
            opened.append(answer)
        case CloseSession(session):
            opened.remove(session)
