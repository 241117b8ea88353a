r"""Carries changed values into a later text, number by number, or says why that cannot be done.

Each number is looked up among the values known to have changed, to have stayed, or to be lost; arithmetic that the
text states in numbers is worked out again. A text is given up (``Inconsistent``) if a number in it cannot be explained,
if an equation or comparison that held no longer does, or if a property claimed in words (even, prime …) may have gone.

Not covered: what words alone imply ("the larger of the two", "more than half"), formulas with names whose operator the
mutation changed, numbers in words above twenty, clock times.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.changes import Known, Match
from scdpo.corrupt.rewriting.formulas import replacements
from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions, is_whole, unit_after, write_like
from scdpo.corrupt.rewriting.plausible import MAX_DENOMINATOR, Inconsistent, ValueContext
from scdpo.corrupt.rewriting.stated_arithmetic import Expression, Statement, find_statements

# What a text may say without having it from anywhere: small counts, units of time and angle, round numbers.
COMMON: Final = frozenset(
    Fraction(n) for n in (0, 1, 2, 3, 4, 7, 10, 12, 24, 30, 52, 60, 90, 100, 180, 360, 365, 1000)
)
_SPELT: Final = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
# For "there are twelve left"; leaves "twenty-one" (one word of two) and "someone" alone.
_WORD: Final = re.compile(rf"(?<![\w-])(?:{'|'.join(_SPELT)})(?![\w-])", re.IGNORECASE)
# For "It is 3. Then …" and the lines of a list; leaves the point of "3.5" alone.
_SENTENCE: Final = re.compile(r"[.!?;](?=\s|$)|\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)")
_PROPERTY: Final = (
    r"(?:even|odd|prime|divisible|(?:a )?multiples? of|(?:a )?perfect (?:square|cube)|palindrom\w*|coprime|acute|obtuse"
    r"|(?:a )?(?:terminating|repeating)|irrational|positive|negative|(?:an? )?(?:integer|whole number))"
)
# For "12 is even"; leaves "12 is the total" alone.
_PROPERTY_AFTER: Final = re.compile(
    rf"[\s\\)\]}}$,]*(?:which |that )?(?:is|are|being)\s+(?:not |also |an? )*{_PROPERTY}\b", re.IGNORECASE
)
# For "the prime number 7"; leaves "an even split of 8" alone.
_PROPERTY_BEFORE: Final = re.compile(
    rf"\b{_PROPERTY}\s+(?:(?:number|integer|value|root|solution|factor|divisor)s?\b)?\s*(?:is|are|of|,|:)?[\s\\(\[{{$]*$",
    re.IGNORECASE,
)
# For "12 is greater than 9", which a changed number may make false; leaves "12 and 9" alone.
_ORDER: Final = re.compile(
    r"\b(?:greater|larger|smaller|less|fewer|more|exceeds?|at least|at most|closer|closest|nearest|between)\b",
    re.IGNORECASE,
)
# For "she has 12" and "x = 12"; leaves "the 12 boys" alone, which is no result.
_RESULT_BEFORE: Final = re.compile(
    r"(?:=|\\approx|\b(?:is|are|was|were|be|equals|equal to|get|gives?|find|approximately|about|total of|has|have"
    r"|takes?|costs?|earns?|made|makes?|pays?|paid|needs?|saves?|spends?|spent|sold|sells?)|:)[\s:$\\(\[*{]*$"
)
# For "12 + 3", where 12 is an operand; leaves "12 apples" alone.
_OPERATOR_AFTER: Final = re.compile(r"\s*(?:[-+*/^]|\\times|\\cdot|\\div|\u00d7)")
# For "\boxed{12", still open; leaves "\boxed{7} and 12" alone.
_BOX_BEFORE: Final = re.compile(r"\\boxed\s*\{[^{}]*$")
# For "\(2 + 12", still open; leaves "\(x\) is 12" alone.
_FORMULA_BEFORE: Final = re.compile(r"\\[(\[](?:(?!\\[)\]]).)*$|\\boxed\s*\{[^{}]*$", re.DOTALL)
_MAX_UNDECIDED: Final = 5
_MAX_IN_SENTENCE: Final = 8


def carry_text(
    text: str,
    known: Known,
    expressions: Sequence[tuple[str, str]],
    limits: ValueContext,
    lenient: bool = False,
) -> str:
    """Return the text with the changed values put in; ``known`` learns what the text itself works out.

    Args:
        text: prose and LaTeX of the correct solution.
        known: what is known of the values that it may speak of.
        expressions: printed formulas before and after, from the outputs so far.
        limits: which new values are plausible in place of old ones.
        lenient: leave numbers that cannot be explained (for the comments of a program, which restate the problem).

    Raises:
        Inconsistent: if the text would not read on from the changed values.
    """
    return _Carrier(text, known, expressions, limits, lenient).run()


class _Carrier:
    """One text on its way from the old values to the new ones."""

    def __init__(
        self,
        text: str,
        known: Known,
        expressions: Sequence[tuple[str, str]],
        limits: ValueContext,
        lenient: bool,
    ) -> None:
        self._text = text
        self._known = known
        self._limits = limits
        self._lenient = lenient
        self._edits: list[tuple[int, int, str]] = []
        self._replace_formulas(expressions)
        self._mentions = self._find()
        self._values = [m for m in self._mentions if m.role == "value"]
        self._new: dict[Mention, Fraction] = {m: m.value for m in self._mentions if m.role != "value"}
        self._undecided: dict[Mention, Match] = {}
        self._rounded: set[Mention] = set()

    def run(self) -> str:
        """Carry the values: look each number up, work out what is stated, check what was said, write."""
        self._look_up()
        statements = find_statements(self._text, self._mentions)
        for statement in statements:
            self._work_out(statement)
        self._decide()
        self._check_statements(statements)
        self._check_sentences()
        for mention in self._values:
            self._write(mention)
        self._carry_words()
        return edited(self._text, self._edits)

    def _replace_formulas(self, expressions: Sequence[tuple[str, str]]) -> None:
        for old, new in expressions:
            for form, replacement in replacements(old, new):
                for match in form.finditer(self._text):
                    if not self._replaced(*match.span()):
                        self._edits.append((*match.span(), replacement))

    def _replaced(self, start: int, end: int) -> bool:
        return any(start < stop and begin < end for begin, stop, _ in self._edits)

    def _find(self) -> list[Mention]:
        """Return the numbers; a fraction counts as its two numbers unless it is known as a whole."""
        found: list[Mention] = []
        for mention in find_mentions(self._text):
            if self._replaced(mention.start, mention.end) or mention.role == "label":
                continue
            reduced = len(mention.parts) == 2 and mention.parts[1].value == mention.value.denominator
            whole = self._known.match(mention).kind in ("changed", "kept", "both")
            if mention.parts and not (whole and (reduced or not self._knows_parts(mention))):
                found.extend(mention.parts)
            else:
                found.append(mention)
        return found

    def _knows_parts(self, mention: Mention) -> bool:
        return all(self._known.match(part).kind in ("changed", "kept") for part in mention.parts)

    def _look_up(self) -> None:
        for mention in self._values:
            match = self._known.match(mention)
            if match.kind == "changed" and match.new is not None:
                self._new[mention] = match.new
            elif match.kind == "kept":
                self._new[mention] = mention.value
            else:
                self._undecided[mention] = match
            if match.rounded:
                self._rounded.add(mention)

    def _work_out(self, statement: Statement) -> None:
        """Settle what a stated equation determines: its result, or which of two readings holds."""
        for link, relation in enumerate(statement.relations):
            if relation not in "=~" or not statement.holds(link, _old):
                continue
            left, right = statement.sides[link], statement.sides[link + 1]
            if not (self._solve(right, left, relation) or self._solve(left, right, relation)):
                self._choose(statement, link)

    def _solve(self, unknown: Expression, other: Expression, relation: str) -> bool:
        mention = unknown.mention
        if mention is None or mention not in self._undecided:
            return False
        if any(m in self._undecided and not self._is_common(m) for m in other.mentions()):
            return False
        value = other.value(self._provisional)
        if value is None:
            return False
        self._settle(mention, value * (100 if mention.percent else 1))
        if relation == "~" or (mention.places and not is_whole(value * 10**mention.places)):
            self._rounded.add(mention)
        return True

    def _choose(self, statement: Statement, link: int) -> None:
        """Try the readings (changed or not) of what is undecided; settle it if only one makes the equation hold."""
        sides = statement.sides[link : link + 2]
        undecided = [m for side in sides for m in side.mentions() if m in self._undecided]
        if not 1 <= len(undecided) <= _MAX_UNDECIDED:
            return
        readings = [
            (m.value,) if (new := self._undecided[m].new) is None else (m.value, new) for m in undecided
        ]
        fitting = []
        for values in itertools.product(*readings):
            trial = dict(zip(undecided, values, strict=True))
            if statement.holds(link, lambda m, trial=trial: trial.get(m, self._new.get(m, m.value))):  # type: ignore[misc]
                fitting.append(trial)
        if len(fitting) == 1:
            for mention, value in fitting[0].items():
                self._settle(mention, value)

    def _settle(self, mention: Mention, value: Fraction) -> None:
        del self._undecided[mention]
        self._new[mention] = value
        self._known.learn(mention.value, value)

    def _is_common(self, mention: Mention) -> bool:
        return self._undecided[mention].kind == "unknown" and mention.value in COMMON

    def _provisional(self, mention: Mention) -> Fraction:
        return self._new.get(mention, mention.value)

    def _decide(self) -> None:
        """Settle the rest by the place where it stands, or give up."""
        # Settled here; a value that the problem does not give means the same throughout.
        results: set[Fraction] = set()
        for mention in list(self._undecided):
            match = self._known.match(mention)  # again: equations have taught new values since
            repeated = mention.value in results and not _OPERATOR_AFTER.match(self._text, mention.end)
            misquoted = mention.value in self._known.misquoted - self._known.results
            unneeded = match.kind == "unknown" and (self._lenient or mention.value in COMMON)
            if match.kind == "changed" and match.new is not None:
                self._settle(mention, match.new)
            elif (
                match.kind == "both"
                and not misquoted
                and match.new is not None
                and (repeated or self._is_result(mention))
            ):
                self._settle(mention, match.new)
                results |= {mention.value} - self._known.given
            elif match.kind == "kept" or misquoted or unneeded:
                self._settle(mention, mention.value)
            else:
                names = {"both": "ambiguous_value", "lost": "lost_value"}
                raise Inconsistent(names.get(match.kind, "unexplained_number"))

    def _is_result(self, mention: Mention) -> bool:
        """Whether the place tells that the number is what the last cell gave."""
        before = self._text[: mention.start]
        if _BOX_BEFORE.search(before[-200:]):
            return mention.value in self._known.results
        if mention.value not in self._known.recent or _OPERATOR_AFTER.match(self._text, mention.end):
            return False
        unit = unit_after(self._text, mention)
        other_unit = bool(unit) and unit not in self._known.units.get(mention.value, set())
        return other_unit or _RESULT_BEFORE.search(before[-40:]) is not None

    def _check_statements(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            for link in range(len(statement.relations)):
                if statement.holds(link, _old) and not statement.holds(link, self._provisional):
                    raise Inconsistent("broken_equation")

    def _check_sentences(self) -> None:
        start = 0
        ends = [m.end() for m in _SENTENCE.finditer(self._text)] + [len(self._text)]
        for end in ends:
            inside = [m for m in self._values if start <= m.start < end]
            if any(self._new[m] != m.value for m in inside):
                self._check_sentence(self._text[start:end], inside)
            start = end

    def _check_sentence(self, sentence: str, inside: Sequence[Mention]) -> None:
        for mention in inside:
            new = self._new[mention]
            asked = "fraction" in sentence and is_whole(new) and not is_whole(mention.value)
            if new != mention.value and (asked or self._has_property(mention)):
                raise Inconsistent("claimed_property")
        if _ORDER.search(sentence):
            for a, b in itertools.combinations(inside, 2):
                if (a.value > b.value) != (self._new[a] > self._new[b]) and a.value != b.value:
                    raise Inconsistent("comparison")
        if len(inside) <= _MAX_IN_SENTENCE:
            for a, b, c in itertools.permutations(inside, 3):
                self._check_triple(a, b, c)

    def _has_property(self, mention: Mention) -> bool:
        """Whether the text says of a number what may not be true of another."""
        before = self._text[max(0, mention.start - 60) : mention.start]
        return bool(_PROPERTY_AFTER.match(self._text, mention.end) or _PROPERTY_BEFORE.search(before))

    def _check_triple(self, a: Mention, b: Mention, c: Mention) -> None:
        """If ``c`` was the sum, difference, product or quotient of ``a`` and ``b``, it must still be."""
        old, new = (a.value, b.value, c.value), (self._new[a], self._new[b], self._new[c])
        if old == new or old[0] == old[2] or old[1] == old[2]:
            return
        for holds in (_is_sum, _is_product):
            if holds(*old) and not holds(*new):
                raise Inconsistent("sentence_arithmetic")

    def _write(self, mention: Mention) -> None:
        new = self._new[mention]
        if new == mention.value:
            return
        self._limits.check(mention.value, new)
        if not _RESULT_BEFORE.search(self._text[max(0, mention.start - 40) : mention.start]):
            self._limits.check_sign(mention.value, new)  # "x + -3"
        self._limits.check_unit(mention.value, new, unit_after(self._text, mention))
        written = self._as_fraction(mention, new) or write_like(mention, new, mention in self._rounded)
        if written is None:
            raise Inconsistent("no_form")
        before = self._text[: mention.start]
        if before.endswith("$") and re.fullmatch(r"[\d,]+\.\d", written):
            written += "0"  # cents
        article = re.search(r"\b(an?) (?:\\\()?$", before[-8:], re.IGNORECASE)
        if article and (article[1].lower() == "an") != (re.match(r"8|1[18](?!\d)", written) is not None):
            raise Inconsistent("article")
        plural = re.match(r"(?:\\?\)|\$|\s|\})*\s[a-z]{2,}s\b", self._text[mention.end : mention.end + 30])
        if written == "1" and plural:
            raise Inconsistent("plural")
        self._edits.append((mention.start, mention.end, written))

    def _as_fraction(self, mention: Mention, new: Fraction) -> str | None:
        r"""Write an exact fraction as one where a whole number stood: ``n = 10`` becomes ``n = \frac{20}{3}``."""
        exact = new.denominator <= MAX_DENOMINATOR and not is_whole(new * 100)
        if mention.style != "integer" or mention in self._rounded or not exact or mention.percent:
            return None
        sign, above = ("-", -new.numerator) if new < 0 else ("", new.numerator)
        in_formula = _FORMULA_BEFORE.search(self._text[: mention.start]) is not None
        return (
            rf"{sign}\frac{{{above}}}{{{new.denominator}}}"
            if in_formula
            else f"{new.numerator}/{new.denominator}"
        )

    def _carry_words(self) -> None:
        for match in _WORD.finditer(self._text):
            value = Fraction(_SPELT.index(match.group().lower()) + 2)
            new = self._known.changed.get(value)
            if new is None or self._replaced(*match.span()):
                continue
            if value in self._known.kept or not is_whole(new) or not 2 <= new <= 20:
                raise Inconsistent("number_word")
            word = _SPELT[round(new) - 2]
            self._edits.append((*match.span(), word.capitalize() if match.group()[0].isupper() else word))


def _old(mention: Mention) -> Fraction:
    return mention.value


def _is_sum(a: Fraction, b: Fraction, c: Fraction) -> bool:
    return abs(a + b - c) <= abs(c) / 1000


def _is_product(a: Fraction, b: Fraction, c: Fraction) -> bool:
    return abs(a * b - c) <= abs(c) / 1000


def edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """Return the text with the spans ``(start, end, replacement)``, which must not overlap, replaced."""
    pieces: list[str] = []
    position = 0
    for start, end, replacement in sorted(edits):
        pieces += [text[position:start], replacement]
        position = end
    return "".join([*pieces, text[position:]])
