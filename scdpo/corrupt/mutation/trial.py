"""One trial: a mutated cell and all that follows it, run and rewritten, or given up for a named reason.

The cells run in a session that already holds the state of the prefix; this module only yields ``RunCell`` commands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from fractions import Fraction
from typing import Any, Final

from sandbox import CellResult
from sandbox.blocks import Block
from sandbox.solution import Solution
from scdpo.corrupt.mutation.search_input import (
    Case,
    Command,
    MutableCell,
    Place,
    Plan,
    RunCell,
    values_before,
)
from scdpo.corrupt.mutation.stated import states_result
from scdpo.corrupt.mutation.syntax import Mutation
from scdpo.corrupt.outputs import same_output
from scdpo.corrupt.rewriting.changes import Known, compare
from scdpo.corrupt.rewriting.claims import check_claims
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions
from scdpo.corrupt.rewriting.plausible import Inconsistent, ValueContext
from scdpo.corrupt.rewriting.programs import carry_code, follow_in_comments, literals
from scdpo.corrupt.rewriting.propagate import carry_text
from scdpo.data.filters import drop_reason
from scdpo.data.records import is_readable
from scdpo.data.second_look import right_in_a_reading
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


def read_variables(session: Any) -> Generator[Command, Any, dict[str, str]]:
    """Return the printed plain variables; none if the session does not say (the probe runs among hostile code)."""
    result: CellResult = yield RunCell(session, _PROBE)
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


def is_clean(result: CellResult) -> bool:
    """Return whether a cell ran to its end without an error, a warning or a value that is no number."""
    return result.status == "ok" and not result.truncated and not _ERROR.search(result.output)


def continue_from(
    place: Place, mutation: Mutation, session: Any, plan: Plan
) -> Generator[Command, Any, tuple[Block, ...]]:
    """Run the mutated cell and all that follows it, carrying the values along; raises Inconsistent."""
    case = place.case
    known = _known_before(place, mutation)
    if plan == "contradicted" and mutation.literal:
        known.misquoted = known.given & {Fraction(mutation.before)}
    expressions: list[tuple[str, str]] = []
    rejected: list[Block] = []
    outputs = ("", "")  # of the last cell, as recorded and as it is now
    for index in range(place.start, len(case.blocks)):
        block = case.blocks[index]
        if block.type == "execution":
            continue  # written with its code
        if block.type == "text":
            lenient = index < place.cell
            text = carry_text(block.content, known, expressions, case.limits, lenient)
            if lenient and text == block.content:
                raise Inconsistent("stated_in_text")
            if index > place.cell:
                check_claims(block.content, text, *outputs)
            rejected.append(Block("text", text))
            continue
        if index == place.cell:
            code = _mutated_code(mutation)
        else:
            code = carry_code(block.content, known, expressions, case.limits)
        result: CellResult = yield RunCell(session, code)
        if not is_clean(result):
            raise Inconsistent("code_failed")
        variables = yield from read_variables(session)
        output = _learn(case, case.cells[index], result.output, variables, known, expressions)
        if index == place.cell:
            _check_plan(place.plan, code, known, plan == "contradicted")
        outputs = (case.cells[index].output, output)
        rejected += [Block("code", code), Block("execution", output)]
    return tuple(rejected)


def _check_plan(plan: str, code: str, known: Known, contradict: bool) -> None:
    """Pass unless the text before the cell states its result, or reckons it out and ``contradict`` is not set."""
    said = {m.value for m in find_mentions(plan) if m.role == "value"} - known.given
    if said & known.changed.keys():
        raise Inconsistent("stated_in_text")
    if not contradict and states_result(plan, code, known.changed.keys()):
        raise Inconsistent("worked_out_in_text")


def _mutated_code(mutation: Mutation) -> str:
    if not mutation.literal:
        return mutation.code
    return follow_in_comments(mutation.code, Fraction(mutation.before), mutation.after, mutation.line)


def _known_before(place: Place, mutation: Mutation) -> Known:
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
    case: Case,
    cell: MutableCell,
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
    return cell.output if same_output(output, cell.output) else output


def _check_signs(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Pass if no variable changed its sign; raises Inconsistent: a negative count absurdly makes the rest so."""
    for name in old.keys() & new.keys():
        for change in compare(old[name], new[name]).changed:
            ValueContext.check_sign(change.old, change.new)


def wrong_answer(place: Place, rejected: tuple[Block, ...]) -> str:
    """Return the answer of a continuation, which must differ and be wrong beyond doubt."""
    if drop_reason(rejected, format=None) is not None:
        raise Inconsistent("garbled")
    case = place.case
    verdict = verify(Solution(case.blocks[: place.start] + rejected), case.gold, require="stated")
    answer = verdict.prediction
    if answer is None or answer == extract_answer(Solution(case.blocks)):
        raise Inconsistent("same_answer")
    if verdict.status != "incorrect" or not is_readable(answer, case.gold):
        raise Inconsistent("still_correct" if verdict.status == "correct" else "unverifiable")
    if right_in_a_reading(rejected, answer, case.gold, case.question):
        raise Inconsistent("right_in_a_reading")
    return answer
