r"""Arithmetic that a text states in numbers: ``10 \times 0.25 = \$2.50``, ``\frac{6}{36} < 1``.

A *statement* is a chain of pure-number expressions joined by ``=``, ``\approx``, ``<`` … It is read into a tree
whose leaves are mentions, so that it can be evaluated again after some mentions took new values.

Not covered: statements with names or words between the numbers, functions other than the square root, matrices,
powers that are not small integers. They are simply not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions, split_fractions

Valuation = Callable[[Mention], Fraction]

_TOKEN: Final = re.compile(
    r"(?P<skip>\s+|\\[,;:! ]|\\(?:left|right|quad|qquad|displaystyle|big|Big)(?![a-zA-Z])|\\?\$|\\?%|&"
    r"|\\(?:text|mathrm|textbf|mbox)\s*\{[^{}]{0,60}\}|\\\(|\\\)|\\\[|\\\]|\*\*|\^\s*\{?\\?(?:circ|degree)\}?)"
    r"|(?P<op>\\times|\\cdot|\\div|[-+*/\u00d7\u00f7\u2212\u00b7^])"
    r"|(?P<rel>=|\\approx|\\leq?|\\geq?|\\lt|\\gt|<=|>=|<|>|\u2248|\\neq?)"
    r"|(?P<frac>\\[dt]?frac)|(?P<root>\\sqrt)|(?P<box>\\boxed)"
    r"|(?P<open>[({\[])|(?P<close>[)}\]])"
)
_OPERATORS: Final = {
    "\\times": "*",
    "\\cdot": "*",
    "\\div": "/",
    "\u00d7": "*",
    "\u00f7": "/",
    "\u2212": "-",
    "\u00b7": "*",
}
_RELATIONS: Final = {
    "\\approx": "~",
    "\u2248": "~",
    "\\le": "<=",
    "\\leq": "<=",
    "\\ge": ">=",
    "\\geq": ">=",
} | {
    "\\lt": "<",
    "\\gt": ">",
    "\\ne": "!",
    "\\neq": "!",
}
_MAX_TOKENS: Final = 200
_MAX_DEPTH: Final = 20
_MAX_POWER: Final = 12


class _NoStatement(Exception):
    """The tokens at this place are no arithmetic."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A tree of operators (``+ - * / ^ neg sqrt``) over mentions."""

    operator: str
    operands: tuple[Expression, ...] = ()
    mention: Mention | None = None

    def value(self, valuation: Valuation) -> Fraction | None:
        """Return the value under a valuation of the mentions, or None (division by zero, odd powers)."""
        if self.mention is not None:
            value = valuation(self.mention)
            return value / 100 if self.mention.percent else value
        values = [operand.value(valuation) for operand in self.operands]
        known = [v for v in values if v is not None]
        return _apply(self.operator, known) if len(known) == len(values) else None

    def mentions(self) -> list[Mention]:
        """Return the leaves from left to right."""
        if self.mention is not None:
            return [self.mention]
        return [m for operand in self.operands for m in operand.mentions()]

    def operators(self) -> set[str]:
        """Return the operators used."""
        own = {self.operator} if self.operands else set()
        return own.union(*(operand.operators() for operand in self.operands))


def _apply(operator: str, values: list[Fraction]) -> Fraction | None:
    first, last = values[0], values[-1]
    if operator == "neg":
        return -first
    if operator == "sqrt":
        return Fraction(float(first) ** 0.5).limit_denominator(10**12) if 0 <= first < 10**30 else None
    if operator == "/":
        return first / last if last else None
    if operator == "^":
        fits = (
            last.denominator == 1 and abs(last) <= _MAX_POWER and abs(first) < 10**6 and (first or last > 0)
        )
        return first ** int(last) if fits else None
    return {"+": first + last, "-": first - last, "*": first * last}[operator]


@dataclass(frozen=True, slots=True)
class Statement:
    """``sides[0] relations[0] sides[1] …``, in at least two sides."""

    sides: tuple[Expression, ...]
    relations: tuple[str, ...]

    def holds(self, link: int, valuation: Valuation) -> bool | None:
        """Return whether sides ``link`` and ``link + 1`` stand in their relation; None if unknown."""
        left, right = self.sides[link].value(valuation), self.sides[link + 1].value(valuation)
        if left is None or right is None:
            return None
        relation = self.relations[link]
        if relation in "=~":
            return abs(left - right) <= _tolerance(self.sides[link : link + 2], left, right, relation)
        return {
            "<": left < right,
            ">": left > right,
            "<=": left <= right,
            ">=": left >= right,
            "!": left != right,
        }[relation]


def _tolerance(sides: Sequence[Expression], left: Fraction, right: Fraction, relation: str) -> Fraction:
    """Return the difference that rounding in the text explains."""
    slack = Fraction(1, 10**9)
    for side in sides:
        shown = side.mention
        if shown is not None and shown.style in ("integer", "decimal") and (shown.places or relation == "~"):
            slack = max(slack, Fraction(1, 10**shown.places) / (100 if shown.percent else 1))
    if any(m.places for side in sides if side.operands for m in side.mentions()):
        slack = max(slack, max(abs(left), abs(right)) / 500)  # rounded numbers were reckoned with
    return slack


def find_statements(text: str, mentions: Sequence[Mention] | None = None) -> list[Statement]:
    """Return the statements of a text, from left to right. Time is linear in the text for a bounded chain length."""
    found: list[Statement] = []
    for run in _runs(text, find_mentions(text) if mentions is None else mentions):
        if any(token == ("rel", "!") or token[0] == "rel" for token in run):
            found.extend(_statements(run))
    return found


def find_expressions(text: str) -> list[Expression]:
    """Return the expressions with at least one operator that a text states in numbers, in a chain or not."""
    found: list[Expression] = []
    for run in _runs(text, split_fractions(find_mentions(text))):
        found.extend(side for side in _sides(run) if side.operands)
    return found


_Token = tuple[str, str | Mention]


def _runs(text: str, mentions: Sequence[Mention]) -> list[list[_Token]]:
    """Cut a text into runs of arithmetic tokens; anything else ends a run."""
    runs: list[list[_Token]] = [[]]
    position = 0
    queue = [m for m in mentions if m.role != "label"]
    index = 0
    while position < len(text):
        while index < len(queue) and queue[index].start < position:
            index += 1
        if index < len(queue) and queue[index].start == position:
            runs[-1].append(("number", queue[index]))
            position = queue[index].end
            continue
        match = _TOKEN.match(text, position)
        if match is None or len(runs[-1]) >= _MAX_TOKENS:
            if runs[-1]:
                runs.append([])
            position += 1
            continue
        kind = match.lastgroup or "skip"
        if kind == "skip":
            if match.group().count("\n") > 1:
                runs.append([])
        elif kind == "rel":
            runs[-1].append(("rel", _RELATIONS.get(match.group(), match.group())))
        elif kind == "op":
            runs[-1].append(("op", _OPERATORS.get(match.group(), match.group())))
        else:
            runs[-1].append((kind, match.group()))
        position = match.end()
    return [run for run in runs if run]


def _statements(run: list[_Token]) -> list[Statement]:
    found: list[Statement] = []
    position = 0
    while position < len(run):
        try:
            reader = _Reader(run, position)
            sides, relations = [reader.sum(0)], []
            while reader.kind() == "rel":
                relation = str(reader.take()[1])
                try:
                    sides.append(reader.sum(0))
                except _NoStatement:
                    break
                relations.append(relation)
            if relations:
                found.append(Statement(tuple(sides), tuple(relations)))
            position = max(reader.position, position + 1)
        except _NoStatement:
            position += 1
    return found


def _sides(run: list[_Token]) -> list[Expression]:
    found: list[Expression] = []
    position = 0
    while position < len(run):
        try:
            reader = _Reader(run, position)
            found.append(reader.sum(0))
            position = max(reader.position, position + 1)
        except _NoStatement:
            position += 1
    return found


@dataclass(slots=True)
class _Reader:
    """Recursive descent over the tokens of a run, with bounded depth."""

    run: list[_Token]
    position: int
    _end: _Token = field(default=("end", ""))

    def kind(self) -> str:
        return self._peek()[0]

    def take(self) -> _Token:
        token = self._peek()
        self.position += 1
        return token

    def _peek(self) -> _Token:
        return self.run[self.position] if self.position < len(self.run) else self._end

    def sum(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _NoStatement
        left = self._product(depth)
        while self._peek() in (("op", "+"), ("op", "-")):
            mark = self.position
            operator = str(self.take()[1])
            try:
                left = Expression(operator, (left, self._product(depth)))
            except _NoStatement:
                self.position = mark
                break
        return left

    def _product(self, depth: int) -> Expression:
        left = self._power(depth)
        while True:
            mark = self.position
            operator = "*"
            if self._peek() in (("op", "*"), ("op", "/")):
                operator = str(self.take()[1])
            elif not self._factor_follows():
                return left
            try:
                left = Expression(operator, (left, self._power(depth)))
            except _NoStatement:
                self.position = mark
                return left

    def _factor_follows(self) -> bool:
        return self._peek()[0] in ("frac", "root") or self._peek() == ("open", "(")

    def _power(self, depth: int) -> Expression:
        base = self._atom(depth)
        if self._peek() == ("op", "^"):
            mark = self.position
            self.take()
            try:
                return Expression("^", (base, self._atom(depth)))
            except _NoStatement:
                self.position = mark
        return base

    def _atom(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _NoStatement
        kind, content = self.take()
        if kind == "number" and isinstance(content, Mention):
            return Expression("value", mention=content)
        if kind == "op" and content == "-":
            return Expression("neg", (self._power(depth + 1),))
        if kind == "frac":
            return Expression("/", (self._group(depth), self._group(depth)))
        if kind == "root":
            return Expression("sqrt", (self._group(depth),))
        if kind == "box":
            return self._group(depth)
        if kind == "open":
            self.position -= 1
            return self._group(depth)
        raise _NoStatement

    def _group(self, depth: int) -> Expression:
        if self.take()[0] != "open":
            raise _NoStatement
        inner = self.sum(depth + 1)
        if self.take()[0] != "close":
            raise _NoStatement
        return inner
