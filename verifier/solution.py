"""Check a whole solution: its answer, whether it is clean, and whether its code gives the recorded outputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

from sandbox.solution import Solution
from verifier.check import verify
from verifier.extraction.extract import extract
from verifier.given import GivenGold
from verifier.patterns import pattern
from verifier.verdict import Rounding, SolutionVerdict, Strength


class CodeResult(Protocol):
    """What running one code block gave; ``sandbox.CellResult`` is one."""

    @property
    def output(self) -> str: ...  # noqa: D102


class CodeRunner(Protocol):
    """Runs the code of a solution; ``sandbox.Sandbox`` is one."""

    def run_solution(self, solution: Solution, /) -> Sequence[CodeResult]: ...  # noqa: D102


def verify_solution(
    solution: Solution | str,
    gold: GivenGold,
    *,
    sandbox: CodeRunner | None = None,
    rounding: Rounding = "exact",
    require: Strength = "weak",
    question: str = "",
) -> SolutionVerdict:
    """Check a whole solution.

    Args:
        solution: a ``Solution``, or text in the MathCoder or Markdown format.
        gold: as for ``verify``.
        sandbox: where given, the code is run again and compared with the recorded outputs.
        rounding: as for ``verify``.
        require: as for ``verify``.
        question: the problem, whose own words are no repair (see ``uncleanness``).
    """
    start = perf_counter()
    if isinstance(solution, str):
        solution = Solution.parse(solution, format="mathcoder" if "<|" in solution else "markdown")
    verdict = verify(solution, gold, rounding=rounding, require=require)
    found = extract(solution)
    unclean = uncleanness(solution, question)
    difference = first_difference(solution, sandbox.run_solution(solution)) if sandbox else None
    return SolutionVerdict(
        verdict.status,
        verdict.reason,
        verdict.prediction,
        verdict.gold,
        perf_counter() - start,
        verdict.strength,
        clean=unclean is None,
        clean_reason=unclean or "",
        reproduces=difference is None if sandbox else None,
        first_difference=difference,
        source=found.source if found.answer is not None else "none",
    )


# --- clean

_EXECUTION_ERROR = pattern(
    r"Traceback \(most recent call last\)|^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|TimeOut)\b\s*(?::|$)"
    r"|\bTimeoutError\b|\bTimed Out\b|^\s*timeout\b",
    re.MULTILINE,
)
_REPAIR = pattern(
    r"\bapolog(?:y|ies|i[sz]e)|\b(?:i'?m|we'?re|i am|so) sorry\b|^sorry\b|\boops\b|\bmistakes?\b|\bmistaken(?:ly)?\b"
    r"|\b(?:my|the|this|that|it|an?|any|some|syntax|execution|computation|calculation|code|type|value|name) errors?\b"
    r"|\berrors? (?:in|with|occurred|message)\b|\bbug\b|\bdebug|\blet'?s (?:fix|correct|retry|try (?:it )?again)\b"
    r"|\b(?:fix|rectify|correct) (?:the|this|that|it|my)\b (?!answer|option|choice|value|order|number)"
    r"|\bthat (?:is|was|'s) (?:not right|wrong|incorrect)\b|\bconfusion\b"
    r"|抱歉|对不起|更正|纠正|修正|计算错误|出错|出现了?错误|弄错|算错|搞错",
    re.IGNORECASE | re.MULTILINE,
)
_INNOCENT = pattern(
    r"\b(?:margin of|standard|percent(?:age)?|relative|absolute|squared?|measurement|rounding|mean|trial and|type I+"
    r"|the (?:margin of|maximum|minimum|largest|greatest) )\s*errors?\b|\berror (?:bound|term|margin|function|rate)\b",
    re.IGNORECASE,
)


# Before a word of repair that the problem uses too, this makes it the solution's own: "I made a mistake",
# "there was an error". Not: "She made 4 mistakes", "we add the errors that she made".
_OWN: Final = re.compile(r"\b(?:my|our|I|I've)(?: \w+){0,3} $|\bthere (?:is|was)(?: an?)? $", re.IGNORECASE)
# In such words the solution can only speak of itself: "I'm sorry", "let's fix". Not: "the mistakes".
_OF_ITSELF: Final = re.compile(r"(?:i'?m|i am|we'?re|so sorry|let'?s|my)\b", re.IGNORECASE)
_SMALL: Final = frozenset(
    ["a", "an", "any", "in", "is", "it", "s", "some", "that", "the", "this", "was", "with"]
)


def uncleanness(solution: Solution, question: str = "") -> str | None:
    """Return what makes the solution unclean (an execution error, an apology, a repair), or None.

    Args:
        solution: its texts and outputs are looked at.
        question: the problem. Words of repair that it uses itself are its subject ("The bug travels 3 m", "She made 4
            mistakes", "fix the kitchen"), unless the solution says them of itself ("I made a mistake").
    """
    asked = " ".join(question.lower().split())
    for step in solution.steps:
        for block in step.blocks:
            if block.type == "execution" and (match := _EXECUTION_ERROR.search(block.content)):
                return f"step {step.index}: the execution shows {match[0].strip()!r}"
            if block.type == "text" and (said := _repair(_INNOCENT.sub(" ", block.content), asked)):
                return f"step {step.index}: the text says {said!r}"
    return None


def _repair(text: str, asked: str) -> str | None:
    """Return the first words of a text that repair or apologise, and are not the problem's own."""
    for match in _REPAIR.finditer(text):
        said = match[0].strip()
        words = [word for word in re.findall(r"\w+", said.lower()) if word not in _SMALL]
        borrowed = all(re.search(rf"\b{re.escape(word.removesuffix('s'))}", asked) for word in words)
        own = _OWN.search(text[max(0, match.start() - 40) : match.start()]) or _OF_ITSELF.match(said)
        if own or not borrowed:
            return said
    return None


# --- reproduces

_ADDRESS = pattern(r"\b0x[0-9a-fA-F]{6,}\b")
_EXCEPTION = pattern(r"(?:^|\s)(?:[\w.]+\.)?([A-Z]\w*(?:Error|Exception|Exit|Interrupt|Iteration))\b")
_EMPTY = frozenset({"", "<empty_execution>", "None"})


def first_difference(solution: Solution, results: Sequence[CodeResult]) -> int | None:
    """Return the index of the first code step whose recorded output is not what ``results`` hold, or None.

    White space, CRLF and memory addresses do not count; of an error only the exception's type does.
    """
    code_steps = [step for step in solution.steps if step.is_code]
    for number, step in enumerate(code_steps):
        if number >= len(results):
            return step.index
        recorded = step.outputs[0] if step.outputs else None
        if recorded is not None and _comparable(recorded) != _comparable(results[number].output):
            return step.index
    return None


def _comparable(output: str) -> str:
    names = _EXCEPTION.findall(output)
    if names and ("Traceback" in output or "Error" in output):
        return f"exception {names[-1]}"
    text = "".join(_ADDRESS.sub("0x", output).split())
    return "" if text in _EMPTY else text
