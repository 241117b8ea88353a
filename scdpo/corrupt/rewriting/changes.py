"""Which values a mutation changed: outputs and variables before and after, laid side by side.

Two outputs are *aligned* if they differ in numbers only; then each old number has its new one. Where they differ in
more than numbers, every number of the old output is *lost*: what the text says about it cannot be carried on.

Kernel output is read as text and with ``ast`` in bounded size; it is never evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions, unit_after

_MAX_DIGITS: Final = 40
# A printed number, in whatever wrapper. For "np.float64(0.5)"; leaves the 2 of "x2" and of "v1.2" alone.
_ATOM: Final = re.compile(
    r"Fraction\((?P<n>-?\d+), (?P<d>\d+)\)"
    r"|(?:np\.float64|np\.int64|Decimal)\('?(?P<wrapped>-?[\d.]+(?:e[+-]?\d+)?)'?\)"
    r"|(?<![\w.)])(?P<rn>\d+)/(?P<rd>\d+)(?![\w.(*])"
    r"|(?<![\w.])(?P<plain>\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)(?![\w])"
)
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_MAX_EXPRESSION: Final = 400
# Printed by sympy for numbers that are no decimals; anything else with names is a formula.
_CONSTANTS: Final = frozenset(["sqrt", "pi", "I", "E", "exp", "log"])


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after."""

    old: Fraction
    new: Fraction


@dataclass(frozen=True, slots=True)
class Difference:
    """What one output (or variable) tells: changed and kept values, lost ones, and whole expressions."""

    changed: tuple[Change, ...] = ()
    kept: frozenset[Fraction] = frozenset()
    lost: frozenset[Fraction] = frozenset()
    expressions: tuple[tuple[str, str], ...] = ()
    words_differ: bool = False


def read_atoms(output: str) -> list[tuple[int, int, Fraction]]:
    """Return ``(start, end, value)`` for each number of a kernel output; fractions count as one number."""
    atoms: list[tuple[int, int, Fraction]] = []
    for match in _ATOM.finditer(output):
        value = _atom_value(match)
        if value is None:
            continue
        start = match.start()
        if match.lastgroup in ("rd", "plain") and _is_sign(output, start):
            start, value = start - 1, -value
        atoms.append((start, match.end(), value))
    return atoms


def _is_sign(output: str, start: int) -> bool:
    if start == 0 or output[start - 1] != "-":
        return False
    before = output[: start - 1].rstrip()
    return not before or not (before[-1].isalnum() or before[-1] in ")]_")


def _atom_value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > _MAX_DIGITS:
        return None
    for above, below in (("n", "d"), ("rn", "rd")):
        if match[above] is not None:
            return Fraction(int(match[above]), int(match[below])) if int(match[below]) else None
    digits = (match["wrapped"] or match["plain"]).replace("_", "")
    exponent = re.search(r"[eE]([+-]?\d+)$", digits)
    return Fraction(digits) if exponent is None or abs(int(exponent[1])) <= _MAX_DIGITS else None


def values_in(output: str) -> list[Fraction]:
    """Return the numbers of a kernel output from left to right."""
    return [value for _, _, value in read_atoms(output)]


def compare(old: str, new: str) -> Difference:
    """Lay an old and a new output side by side."""
    if old == new:
        return Difference(kept=frozenset(values_in(old)))
    before, after = read_atoms(old), read_atoms(new)
    frame_before, frame_after = _frame(old, before), _frame(new, after)
    if len(before) != len(after) or frame_before != frame_after:
        words = sorted(_NAME.findall(" ".join(frame_before))) != sorted(_NAME.findall(" ".join(frame_after)))
        lost = frozenset(v for _, _, v in before)
        pairs = _expression_pairs(old, new)
        return Difference(lost=lost, expressions=pairs or (), words_differ=words and not pairs)
    pairs = _expression_pairs(old, new) if _NAME.search(" ".join(frame_before)) else None
    if pairs:
        return _expressions_differ(before, after, pairs)
    changed = tuple(Change(a, b) for (_, _, a), (_, _, b) in zip(before, after, strict=True) if a != b)
    kept = frozenset(a for (_, _, a), (_, _, b) in zip(before, after, strict=True) if a == b)
    return Difference(changed, kept)


def _expressions_differ(
    before: list[tuple[int, int, Fraction]],
    after: list[tuple[int, int, Fraction]],
    pairs: tuple[tuple[str, str], ...],
) -> Difference:
    """Numbers inside a formula cannot be carried one by one; plain numbers beside it can."""
    inside = frozenset(value for old, _ in pairs for value in values_in(old))
    differing = [(a, b) for (_, _, a), (_, _, b) in zip(before, after, strict=True) if a != b]
    changed = tuple(Change(a, b) for a, b in differing if a not in inside)
    kept = frozenset(a for (_, _, a), (_, _, b) in zip(before, after, strict=True) if a == b)
    return Difference(changed, kept - inside, inside, pairs)


def _frame(output: str, atoms: Iterable[tuple[int, int, Fraction]]) -> list[str]:
    """Return what stands between the numbers, with white space and the sign of a sum evened out."""
    pieces: list[str] = []
    position = 0
    for start, end, _ in atoms:
        pieces.append(output[position:start])
        position = end
    pieces.append(output[position:])
    return [re.sub(r"\s+", " ", piece) for piece in pieces]


def _expression_pairs(old: str, new: str) -> tuple[tuple[str, str], ...] | None:
    """Return the differing leaves, where both outputs are the same containers and some leaf is an expression."""
    before, after = _leaves(old), _leaves(new)
    if before is None or after is None or len(before) != len(after):
        return None
    differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    if any(set(_NAME.findall(a)) - _CONSTANTS != set(_NAME.findall(b)) - _CONSTANTS for a, b in differing):
        return None
    pairs = tuple((a, b) for a, b in differing if _NAME.search(a) and "Fraction" not in a and "np." not in a)
    return pairs or None


def _leaves(output: str) -> list[str] | None:
    """Return the sources of the leaves of a printed container, or None if it is no Python expression."""
    text = output.strip()
    if not text or len(text) > _MAX_EXPRESSION or "\n" in text:
        return None
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    leaves: list[str] = []
    stack: list[ast.expr] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            stack.extend(reversed(node.elts))
        elif isinstance(node, ast.Dict):
            stack.extend(item for pair in zip(node.keys, node.values, strict=True) for item in pair if item)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Eq", "FiniteSet")
        ):
            stack.extend(reversed(node.args))
        else:
            leaves.append(ast.get_source_segment(text, node) or "")
    return leaves


@dataclass(frozen=True, slots=True)
class Match:
    """What is known of a mention's old value: ``changed`` (to ``new``), ``kept``, ``both``, ``lost`` or ``unknown``.

    ``both``: the same number is also a value that did not change. ``rounded``: the mention shows fewer decimals.
    """

    kind: str
    new: Fraction | None = None
    rounded: bool = False


@dataclass(slots=True)
class Known:
    """All that is known of old values at one point of the continuation; later knowledge goes first."""

    given: set[Fraction] = field(default_factory=set)  # by the problem
    units: dict[Fraction, set[str]] = field(
        default_factory=dict
    )  # the words after them in the problem and the prefix
    misquoted: set[Fraction] = field(default_factory=set)  # given, and written down wrongly in one cell alone
    kept: set[Fraction] = field(default_factory=set)
    lost: set[Fraction] = field(default_factory=set)
    changed: dict[Fraction, Fraction] = field(default_factory=dict)
    disputed: set[Fraction] = field(default_factory=set)
    results: set[Fraction] = field(default_factory=set)  # old values of outputs that changed
    recent: dict[Fraction, Fraction] = field(default_factory=dict)

    def keep(self, values: Iterable[Fraction]) -> None:
        """Note values that the mutation left alone."""
        self.kept.update(values)

    def read(self, text: str) -> None:
        """Note the numbers of a text that stands, with their units."""
        for mention in find_mentions(text):
            if mention.role == "value":
                self.kept.add(mention.value)
                self.units.setdefault(mention.value, set()).add(unit_after(text, mention))

    def learn_variables(self, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Note the variables after a cell, by name: printed values before and after the mutation."""
        for name, before in old.items():
            if name not in new:
                self.lost.update(values_in(before))
                continue
            difference = compare(before, new[name])
            self.kept.update(difference.kept)
            self.lost.update(difference.lost)
            for change in difference.changed:
                self._note(change)

    def learn_output(self, difference: Difference) -> None:
        """Note the output of a cell; the text after it speaks of this output first."""
        self.kept.update(difference.kept)
        self.lost.update(difference.lost)
        self.recent = {}
        disputed: set[Fraction] = set()
        for change in difference.changed:
            if self.recent.setdefault(change.old, change.new) != change.new:
                disputed.add(change.old)
            self.changed[change.old] = change.new
            self.results.add(change.old)
            self.disputed.discard(change.old)
        self.disputed |= disputed

    def learn(self, old: Fraction, new: Fraction) -> None:
        """Note a value that the text itself works out."""
        if old == new:
            self.kept.add(old)
        else:
            self._note(Change(old, new))

    def _note(self, change: Change) -> None:
        if self.recent.get(change.old, change.new) != change.new:
            return  # the text speaks of the output
        if self.changed.setdefault(change.old, change.new) != change.new:
            self.disputed.add(change.old)

    def match(self, mention: Mention) -> Match:
        """Return what is known of a mention, exact values before rounded ones."""
        value = mention.value
        scaled = value / 100 if mention.percent else None
        for unit, candidate in ((Fraction(1), value), (Fraction(100), scaled)):
            if candidate is not None and (found := self._exact(candidate)) is not None:
                return Match(found.kind, found.new * unit if found.new is not None else None)
        rounded = self._rounded(mention, value, Fraction(1))
        if rounded is None and mention.percent:
            rounded = self._rounded(mention, value, Fraction(100))
        return rounded or Match("unknown")

    def _exact(self, value: Fraction) -> Match | None:
        if value in self.disputed or (
            value in self.lost and value not in self.recent and value not in self.kept
        ):
            return Match("lost")
        new = self.recent.get(value, self.changed.get(value))
        if new is not None:
            return Match("both" if value in self.kept else "changed", new)
        if value in self.kept:
            return Match("kept")
        return Match("lost") if value in self.lost else None

    def _rounded(self, mention: Mention, value: Fraction, unit: Fraction) -> Match | None:
        """Find a known value with more decimals of which the mention is a rounded or cut form."""
        if mention.style not in ("integer", "decimal"):
            return None
        step = Fraction(1, 10**mention.places)

        def near(known: Fraction) -> bool:
            distance = abs(known * unit - value)
            if distance <= Fraction(1, 10**9):
                return True
            return distance < step and (mention.places > 0 or abs(value) >= 10) and (known * unit) % step != 0

        for source in (self.recent, self.changed):
            for known in source:
                if near(known):
                    return Match("lost" if known in self.disputed else "changed", source[known] * unit, True)
        if any(near(known) for known in self.kept):
            return Match("kept")
        return Match("lost") if any(near(known) for known in self.lost) else None
