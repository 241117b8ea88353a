"""The search for a mutation that leads a correct solution to a wrong answer, free of any input or output.

``search`` is a generator of commands (``OpenSession``, ``RunCell``, ``ForkSession``, ``CloseSession``) that is sent
their results; ``mutation``
drives it with a sandbox, blocking or not. One session runs the whole solution to learn its values; a second one runs
the prefix and is forked for each trial.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

from sandbox import CellResult
from sandbox.blocks import Block
from sandbox.formats import normalise_newlines
from sandbox.solution import Solution
from scdpo.corrupt.mutation.search_input import (
    Case,
    CloseSession,
    Command,
    Corruption,
    ForkSession,
    MutableCell,
    OpenSession,
    Place,
    Plan,
    RunCell,
    values_before,
)
from scdpo.corrupt.mutation.stated import contradiction, departs_from_plan
from scdpo.corrupt.mutation.syntax import Mutation, mutate
from scdpo.corrupt.mutation.trial import continue_from, is_clean, read_variables, wrong_answer
from scdpo.corrupt.outputs import same_output
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions, split_fractions, unit_after
from scdpo.corrupt.rewriting.plausible import Inconsistent, ValueContext
from scdpo.data.filters import drop_reason

_IN_WORDS: Final = {
    Fraction(number): re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for number, words in {
        "2": "two|half|halves|twice|doubled?|pairs?|couple",
        "3": "three|thirds?|thrice|tripled?",
        "4": "four|quarters?|fourths?",
        "5": "five|fifths?",
        "6": "six",
        "7": "seven|weeks?|weekly",
        "12": "twelve|dozens?",
        "0.5": "half|halves",
    }.items()
}
"""Numbers that a question states in words: "half of them" has a 2, "a week" 7."""


def search(
    solution: Solution,
    gold: str,
    question: str,
    branch_steps: Sequence[int] | None,
    attempts: int,
    seed: int,
    dropped: Counter[str],
) -> Generator[Command, Any, list[Corruption]]:
    """Yield the commands of the search; return the corruptions, at most one a branch step, in order of the steps."""
    blocks = tuple(Block(b.type, normalise_newlines(b.content)) for b in solution.blocks)
    starts = _step_starts(Solution(blocks))
    branches = {k for k in _branch_points(blocks, starts) if branch_steps is None or k in branch_steps}
    if drop_reason(blocks, format=None) is not None or not branches:
        dropped["no_branch_point" if not branches else "garbled_solution"] += 1
        return []
    cells = yield from _run_solution(blocks)
    if cells is None:
        dropped["not_reproduced"] += 1
        return []
    text = "\n".join(b.content for b in blocks if b.type == "text")
    case = Case(blocks, starts, cells, question, gold, ValueContext.of(question, text))
    return (yield from _search_branches(case, branches, attempts, seed, dropped))


def _branch_points(blocks: Sequence[Block], starts: Sequence[int]) -> Iterator[int]:
    """Yield the steps after which a cell follows at once, or after one text that can be misread along with it."""
    types = [blocks[start].type for start in starts]
    for k in range(len(types) - 1):
        if types[k + 1] == "code" or types[k + 1 : k + 3] == ["text", "code"]:
            yield k


def _step_starts(solution: Solution) -> tuple[int, ...]:
    starts, position = [], 0
    for step in solution.steps:
        starts.append(position)
        position += len(step.blocks)
    return tuple(starts)


def _run_solution(blocks: Sequence[Block]) -> Generator[Command, Any, dict[int, MutableCell] | None]:
    """Run every cell once; None if an output is not the recorded one or a cell fails."""
    session = yield OpenSession()
    cells: dict[int, MutableCell] = {}
    for index, block in enumerate(blocks):
        if block.type != "code":
            continue
        result: CellResult = yield RunCell(session, block.content)
        recorded = blocks[index + 1] if index + 1 < len(blocks) else None
        if recorded is None or not is_clean(result) or not same_output(result.output, recorded.content):
            yield CloseSession(session)
            return None
        variables = yield from read_variables(session)
        cells[index] = MutableCell(recorded.content, variables)
    yield CloseSession(session)
    return cells


def _search_branches(
    case: Case, branches: set[int], attempts: int, seed: int, dropped: Counter[str]
) -> Generator[Command, Any, list[Corruption]]:
    found: list[Corruption] = []
    session = yield OpenSession()
    for index, block in enumerate(case.blocks):
        if block.type != "code":
            continue
        step = case.steps.index(index) - 1
        places = [Place(case, step, index)]
        if case.blocks[index - 1].type == "text":
            places.insert(0, Place(case, step - 1, index))
        for place in places:
            if place.step in branches:
                corruption = yield from _search_place(place, session, attempts, seed, dropped)
                if corruption is not None:
                    found.append(corruption)
        if step >= max(branches):
            break
        yield RunCell(session, block.content)
    yield CloseSession(session)
    return found


def _search_place(
    place: Place, session: Any, attempts: int, seed: int, dropped: Counter[str]
) -> Generator[Command, Any, Corruption | None]:
    """Try mutations of one cell until one holds, those that are least at odds with the stated plan first."""
    queue = deque(_candidates(place, seed, dropped))
    for tried in range(1, attempts + 1):
        if not queue:
            break
        plan, mutation = queue.popleft()
        trial = yield ForkSession(session)
        try:
            rejected = yield from continue_from(place, mutation, trial, plan)
            answer = wrong_answer(place, rejected)
        except Inconsistent as given_up:
            if given_up.reason == "worked_out_in_text":
                queue.append(("contradicted", mutation))
            dropped[given_up.reason] += 1
            yield CloseSession(trial)
            continue
        yield CloseSession(trial)
        return Corruption(place.step, rejected, answer, mutation.kind, mutation.description, plan, tried)
    return None


def _candidates(place: Place, seed: int, dropped: Counter[str]) -> list[tuple[Plan, Mutation]]:
    """Return the mutations of a cell that may be tried, with how they stand to the plan as far as their form tells."""
    blocks = place.case.blocks
    earlier = [b.content for b in blocks[: place.cell] if b.type == "code"]
    mutations = mutate(blocks[place.cell].content, seed, earlier)
    if place.with_text:
        return [("miscopied", mutation) for mutation in mutations if _misreads_text(place, mutation)]
    by_plan: dict[Plan, list[Mutation]] = {"kept": [], "departed": [], "miscopied": [], "contradicted": []}
    for mutation in mutations:
        reason = contradiction(mutation, place.plan)
        if mutation.exchanged and not _are_alike(place, mutation.exchanged):
            dropped["premises_not_alike"] += 1
        elif reason == "stated_in_text" and mutation.kind == "constant":
            by_plan["contradicted"].append(mutation)
        elif reason is not None:
            dropped[reason] += 1
        elif mutation.exchanged or _is_stated(place, mutation):
            by_plan["miscopied"].append(mutation)
        else:
            by_plan["departed" if departs_from_plan(mutation, place.plan) else "kept"].append(mutation)
    return [(plan, mutation) for plan, some in by_plan.items() for mutation in some]


def _is_stated(place: Place, mutation: Mutation) -> bool:
    """Whether the question states the number that was changed, as it stands or in per cent (0.2 for 20 %)."""
    if not mutation.literal:
        return False
    old = Fraction(mutation.before)
    if old in _IN_WORDS and _IN_WORDS[old].search(place.case.question):
        return True
    stated = split_fractions(find_mentions(place.case.question))
    return any(abs(mention.value) in (old, 100 * old) for mention in stated)


def _are_alike(place: Place, numbers: Sequence[str]) -> bool:
    """Whether two numbers are quantities of one unit in the question, and no text of the solution quotes them."""
    question = place.case.question
    values = [Fraction(number) for number in numbers]
    mentions = [[m for m in find_mentions(question) if m.value == value] for value in values]
    if any(len(found) != 1 for found in mentions):
        return False
    ((one,), (other,)) = mentions
    money = [question[max(0, m.start - 1) : m.start] == "$" for m in (one, other)]
    units = [unit_after(question, m) for m in (one, other)]
    if money[0] != money[1] or (not money[0] and (not units[0] or units[0] != units[1])):
        return False
    texts = [block.content for block in place.case.blocks[place.start - 1 :] if block.type == "text"]
    return not any(mention.value in values for text in texts for mention in find_mentions(text))


def _misreads_text(place: Place, mutation: Mutation) -> bool:
    """Whether the text before the cell may state the changed number: the problem gives it, and no step used it yet."""
    if not mutation.literal:
        return False
    old = Fraction(mutation.before)
    stated = split_fractions(find_mentions(place.case.blocks[place.start].content))
    given = {abs(m.value) for m in find_mentions(place.case.question)} & {abs(m.value) for m in stated}
    return old in given - values_before(place.case.blocks[: place.start])
