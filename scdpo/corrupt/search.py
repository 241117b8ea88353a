"""The search for a mutation that leads a correct solution to a wrong answer, free of any input or output.

``search`` is a generator of commands (``Open``, ``Run``, ``Fork``, ``Close``) that is sent their results; ``mutation``
drives it with a sandbox, blocking or not. One session runs the whole solution to learn its values; a second one runs the
prefix and is forked for each trial.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from sandbox import CellResult
from sandbox.formats import normalise_newlines
from sandbox.solution import Block, Solution
from scdpo.corrupt.carry import carry_text
from scdpo.corrupt.changes import Known, compare, values_in
from scdpo.corrupt.mentions import find_mentions, split_fractions
from scdpo.corrupt.plausible import Inconsistent, Limits
from scdpo.corrupt.programs import carry_code, follow_in_comments, literals
from scdpo.corrupt.stated import contradiction, departs_from_plan, states_result
from scdpo.corrupt.syntax import Mutation, mutate
from scdpo.filters import drop_reason
from verifier import extract_answer, verify

_ERROR: Final = re.compile(
    r"Traceback \(most recent call last\)|\w*Error\b|Warning\b|\bnan\b|\binf\b|\bzoo\b|\boo\b"
)
# Prints the plain values of the session as one JSON object. Runs inside the sandbox, after a cell.
_PROBE: Final = """
def _probe(scope, json=__import__("json"), b=__import__("builtins")):
    def plain(value, depth=0):
        kind = b.type(value)
        home = b.str(kind.__module__).split(".")[0]
        if kind in (b.int, b.float) or home in ("fractions", "decimal", "numpy", "sympy"):
            return True
        if kind in (b.list, b.tuple, b.set) and depth < 2 and b.len(value) <= 50:
            return b.all(plain(item, depth + 1) for item in value)
        return False
    shown = {}
    for name, value in b.list(scope.items()):
        try:
            if not name.startswith("_") and name not in ("In", "Out") and plain(value):
                source = b.str(value) if b.hasattr(value, "dtype") else b.repr(value)
                if b.len(source) <= 300:
                    shown[name] = source
        except b.Exception:
            continue
    b.print(json.dumps(shown))
_probe(globals())
del _probe
"""
Plan = Literal["kept", "departed", "contradicted"]


@dataclass(frozen=True, slots=True)
class Open:
    """Start a session; answered with it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run a cell; answered with its ``CellResult``."""

    session: Any
    code: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Branch a session; answered with the new one."""

    session: Any


@dataclass(frozen=True, slots=True)
class Close:
    """End a session; answered with None."""

    session: Any


Command = Open | Run | Fork | Close


@dataclass(frozen=True, slots=True)
class Corruption:
    """A wrong continuation after step ``branch_step`` (from 0) of a correct solution.

    Attributes:
        branch_step: the last step of the shared prefix.
        rejected: the continuation: the mutated cell, its output, and the later blocks with the changed values.
        final_answer: the wrong answer that it states.
        kind: the kind of the mutation (``operator``, ``constant``, …).
        description: what was changed, for a reader.
        plan: how the mutation stands to the text before the cell: ``kept`` (nothing there speaks against it),
            ``departed`` (the text names, in words or a formula, an operation that the cell no longer does) or
            ``contradicted`` (the text writes out in numbers what the cell should reckon, though not its result).
        attempts: how many mutations were tried at this step, this one included.
    """

    branch_step: int
    rejected: tuple[Block, ...]
    final_answer: str
    kind: str
    description: str
    plan: Plan
    attempts: int


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of the correct solution as it runs here: its output and the variables after it."""

    output: str
    variables: dict[str, str]


@dataclass(slots=True)
class _Case:
    """A correct solution with all that is known of it."""

    blocks: tuple[Block, ...]
    steps: tuple[int, ...]  # where each step starts in blocks
    cells: dict[int, _Cell]  # by index of the code block
    question: str
    gold: str
    limits: Limits


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
    if drop_reason(blocks) is not None or not branches:
        dropped["no_branch_point" if not branches else "garbled_solution"] += 1
        return []
    cells = yield from _run_solution(blocks)
    if cells is None:
        dropped["not_reproduced"] += 1
        return []
    text = "\n".join(b.content for b in blocks if b.type == "text")
    case = _Case(blocks, starts, cells, question, gold, Limits.of(question, text))
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


def _run_solution(blocks: Sequence[Block]) -> Generator[Command, Any, dict[int, _Cell] | None]:
    """Run every cell once; None if an output is not the recorded one or a cell fails."""
    session = yield Open()
    cells: dict[int, _Cell] = {}
    for index, block in enumerate(blocks):
        if block.type != "code":
            continue
        result: CellResult = yield Run(session, block.content)
        recorded = blocks[index + 1] if index + 1 < len(blocks) else None
        if recorded is None or not _is_clean(result) or _even(result.output) != _even(recorded.content):
            yield Close(session)
            return None
        variables = yield from _variables(session)
        cells[index] = _Cell(recorded.content, variables)
    yield Close(session)
    return cells


def _variables(session: Any) -> Generator[Command, Any, dict[str, str]]:
    """Return the printed plain variables; none if the session does not say (the probe runs among hostile code)."""
    result: CellResult = yield Run(session, _PROBE)
    lines = result.output.strip().splitlines()
    if result.status != "ok" or not lines:
        return {}
    try:
        shown = json.loads(lines[-1])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(shown, dict):
        return {}
    return {str(k): v for k, v in shown.items() if isinstance(v, str) and len(v) <= 300}


def _is_clean(result: CellResult) -> bool:
    return result.status == "ok" and not result.truncated and not _ERROR.search(result.output)


def _even(output: str) -> str:
    """Return an output without its white space; recorders wrap differently, and write an empty output as a word."""
    return re.sub(r"\s+", "", output.replace("<empty_execution>", ""))


def _search_branches(
    case: _Case, branches: set[int], attempts: int, seed: int, dropped: Counter[str]
) -> Generator[Command, Any, list[Corruption]]:
    found: list[Corruption] = []
    session = yield Open()
    for index, block in enumerate(case.blocks):
        if block.type != "code":
            continue
        step = case.steps.index(index) - 1
        places = [_Place(case, step, index)]
        if case.blocks[index - 1].type == "text":
            places.insert(0, _Place(case, step - 1, index))
        for place in places:
            if place.step in branches:
                corruption = yield from _search_place(place, session, attempts, seed, dropped)
                if corruption is not None:
                    found.append(corruption)
        if step >= max(branches):
            break
        yield Run(session, block.content)
    yield Close(session)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell to be mutated, ``case.blocks[cell]``, in a continuation that starts after ``step``.

    The continuation starts with the cell, or with the text before it; then a number is misread in both.
    """

    case: _Case
    step: int
    cell: int

    @property
    def start(self) -> int:
        """The first block of the continuation."""
        return self.case.steps[self.step + 1]

    @property
    def with_text(self) -> bool:
        """Whether the text before the cell belongs to the continuation."""
        return self.start < self.cell

    @property
    def plan(self) -> str:
        """The text before the cell, if the prefix ends with it."""
        before = self.case.blocks[self.cell - 1]
        return before.content if before.type == "text" and not self.with_text else ""


def _search_place(
    place: _Place, session: Any, attempts: int, seed: int, dropped: Counter[str]
) -> Generator[Command, Any, Corruption | None]:
    """Try mutations of one cell until one holds, those that are least at odds with the stated plan first."""
    contradicting: list[Mutation] = []
    queue = _candidates(place, seed, dropped)
    for tried in range(1, attempts + 1):
        candidate = next(queue, None)
        if candidate is None and not contradicting:
            break
        plan, mutation = candidate or ("contradicted", contradicting.pop())
        trial = yield Fork(session)
        try:
            rejected = yield from _continue(place, mutation, trial, plan == "contradicted")
            answer = _wrong_answer(place, rejected)
        except Inconsistent as given_up:
            if given_up.reason == "worked_out_in_text":
                contradicting.insert(0, mutation)
            dropped[given_up.reason] += 1
            yield Close(trial)
            continue
        yield Close(trial)
        return Corruption(place.step, rejected, answer, mutation.kind, mutation.description, plan, tried)
    return None


def _candidates(place: _Place, seed: int, dropped: Counter[str]) -> Iterator[tuple[Plan, Mutation]]:
    """Yield the mutations of a cell that may be tried, and whether they keep to the plan as far as its form tells."""
    blocks = place.case.blocks
    earlier = [b.content for b in blocks[: place.cell] if b.type == "code"]
    mutations = mutate(blocks[place.cell].content, seed, earlier)
    if place.with_text:
        used = values_before(blocks[: place.start])
        readable = {abs(m.value) for m in find_mentions(place.case.question)} & {
            abs(m.value) for m in split_fractions(find_mentions(blocks[place.start].content))
        }
        for (
            mutation
        ) in mutations:  # only what the problem gives, and no step before has used, can be misread here
            if mutation.literal and Fraction(mutation.before) in readable - used:
                yield "kept", mutation
        return
    departing: list[Mutation] = []
    for mutation in mutations:
        if (reason := contradiction(mutation, place.plan)) is not None:
            dropped[reason] += 1
        elif departs_from_plan(mutation, place.plan):
            departing.append(mutation)
        else:
            yield "kept", mutation
    for mutation in departing:
        yield "departed", mutation


def values_before(blocks: Sequence[Block]) -> set[Fraction]:
    """Return the values that a prefix states: in its texts, its programs and their outputs."""
    values: set[Fraction] = set()
    for block in blocks:
        if block.type == "text":
            values.update(m.value for m in find_mentions(block.content) if m.role == "value")
        else:
            values.update(values_in(block.content) if block.type == "execution" else literals(block.content))
    return values


def _continue(
    place: _Place, mutation: Mutation, session: Any, contradict: bool
) -> Generator[Command, Any, tuple[Block, ...]]:
    """Run the mutated cell and all that follows it, carrying the values along; raises Inconsistent."""
    case = place.case
    known = _known_before(place, mutation)
    expressions: list[tuple[str, str]] = []
    rejected: list[Block] = []
    for index in range(place.start, len(case.blocks)):
        block = case.blocks[index]
        if block.type == "execution":
            continue  # written with its code
        if block.type == "text":
            lenient = index < place.cell
            text = carry_text(block.content, known, expressions, case.limits, lenient)
            if lenient and text == block.content:
                raise Inconsistent("stated_in_text")
            rejected.append(Block("text", text))
            continue
        if index == place.cell:
            code = _mutated_code(mutation)
        else:
            code = carry_code(block.content, known, expressions, case.limits)
        result: CellResult = yield Run(session, code)
        if not _is_clean(result):
            raise Inconsistent("code_failed")
        variables = yield from _variables(session)
        output = _learn(case, case.cells[index], result.output, variables, known, expressions)
        if index == place.cell:
            _check_plan(place.plan, code, known, contradict)
        rejected += [Block("code", code), Block("execution", output)]
    return tuple(rejected)


def _check_plan(plan: str, code: str, known: Known, contradict: bool) -> None:
    """Pass unless the text before the cell states its result, or reckons it out and ``contradict`` is not set."""
    if any(m.value in known.changed and m.value not in known.given for m in find_mentions(plan)):
        raise Inconsistent("stated_in_text")
    if not contradict and states_result(plan, code, known.changed.keys()):
        raise Inconsistent("worked_out_in_text")


def _mutated_code(mutation: Mutation) -> str:
    if not mutation.literal:
        return mutation.code
    return follow_in_comments(mutation.code, Fraction(mutation.before), mutation.after, mutation.line)


def _known_before(place: _Place, mutation: Mutation) -> Known:
    """Return what is known when the continuation starts: all values so far stand, but the literal that was changed."""
    case, known = place.case, Known()
    known.given = {m.value for m in find_mentions(case.question)}
    known.read(case.question)
    for block in case.blocks[: place.start]:
        if block.type == "text":
            known.read(block.content)
    known.keep(values_before(case.blocks[: place.start]))
    known.keep(literals(mutation.code) & literals(case.blocks[place.cell].content))
    if mutation.literal:
        old, new = Fraction(mutation.before), Fraction(mutation.after)
        if place.with_text:
            known.kept -= {old, -old}  # the text itself will state the new number
            known.learn(-old, -new)
        known.learn(old, new)
    return known


def _learn(
    case: _Case,
    cell: _Cell,
    output: str,
    variables: dict[str, str],
    known: Known,
    expressions: list[tuple[str, str]],
) -> str:
    """Take in what a cell gave; return the output as the solution records it."""
    difference = compare(cell.output, output)
    if difference.words_differ:
        raise Inconsistent("output_in_other_words")
    for change in difference.changed:
        case.limits.check(change.old, change.new)
    if not case.limits.algebra:
        _check_signs(cell.variables, variables)
    known.learn_output(difference)
    known.learn_variables(cell.variables, variables)
    expressions.extend(difference.expressions)
    return cell.output if _even(output) == _even(cell.output) else output


def _check_signs(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Pass if no variable changed its sign; raises Inconsistent: a negative count absurdly makes the rest so."""
    for name in old.keys() & new.keys():
        for change in compare(old[name], new[name]).changed:
            Limits.check_sign(change.old, change.new)


def _wrong_answer(place: _Place, rejected: tuple[Block, ...]) -> str:
    """Return the answer of a continuation, which must differ and be wrong beyond doubt."""
    if drop_reason(rejected) is not None:
        raise Inconsistent("garbled")
    case = place.case
    answer = extract_answer(Solution(case.blocks[: place.start] + rejected))
    if answer is None or answer == extract_answer(Solution(case.blocks)):
        raise Inconsistent("same_answer")
    status = verify(answer, case.gold).status
    if status != "incorrect":
        raise Inconsistent("still_correct" if status == "correct" else "unverifiable")
    return answer
