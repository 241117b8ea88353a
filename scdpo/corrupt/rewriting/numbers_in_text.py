r"""Numbers as prose and LaTeX write them: found, read, and written again with another value.

A *mention* is one number in a text: ``1,200``, ``$2.50``, ``25\%``, ``\frac{1}{6}``, ``4\frac{1}{2}``, ``3/4``,
``-7``. What only looks like a number is given the role ``label`` (``Step 2:``, ``x_1``, ``### 3``, ``h2o``) or
``exponent`` (``r^2``) and is never rewritten.

Not covered: numbers in words (see ``carry``), clock times, dates, ``1.5 \times 10^6`` as one number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

Style = Literal["integer", "decimal", "fraction", "slash", "mixed"]
Role = Literal["value", "label", "exponent"]

_PLAIN: Final = r"(?:\d{1,3}(?:(?:,|\{,\})\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w)}\]])\.\d+)"
_FRACTION: Final = (
    r"\\[dt]?frac\s*(?:\{\s*(?P<n>\d{1,12})\s*\}\s*\{\s*(?P<d>\d{1,12})\s*\}|(?P<n1>\d)(?P<d1>\d))"
)
_NUMBER: Final = re.compile(
    rf"(?P<whole>\d{{1,9}})\s*{_FRACTION.replace('P<n', 'P<mn').replace('P<d', 'P<md')}"
    rf"|{_FRACTION}"
    rf"|(?P<sn>(?<![\d./])\d{{1,12}})\s?/\s?(?P<sd>\d{{1,12}})(?![\d./]|,\d)"
    rf"|(?P<plain>{_PLAIN})"
)
# For "Step 2" and "Method 1", which are names; leaves "in 2 steps" alone.
_LABEL_BEFORE: Final = re.compile(
    r"(?:\b(?:step|case|part|equation|eq|method|figure|option|question|example|scenario|problem|stage|phase|round"
    r"|triangle|circle|cell|line|item)s?\s*[#(*]{0,3}|#{1,6}\s*\**|步骤|第)\s*$",
    re.IGNORECASE,
)
# For "1." at the beginning of a line; leaves "It is 1." alone.
_LIST_MARK: Final = re.compile(r"(?:^|\n)[ \t]*(?:[-*>]\s+)?\**\(?$")
# For "12 apples" and "12 \text{ cm}"; leaves "12. Apples" alone, where a sentence ends.
_UNIT: Final = re.compile(r"(?:\\[,;! )\]]|\\(?:text|mathrm)\s*\{|[\s$})\]*-]){0,6}(?P<word>[^\W\d_]+)")
_NO_UNITS: Final = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "be",
        "and",
        "or",
        "the",
        "a",
        "an",
        "to",
        "by",
        "in",
        "of",
        "from",
        "then",
        "into",
        "we",
        "which",
        "as",
        "for",
        "with",
        "each",
        "per",
        "so",
        "that",
        "on",
        "at",
        "if",
        "it",
        "this",
        "times",
        "plus",
        "minus",
        "divided",
        "multiplied",
        "equals",
        "gives",
        "left",
        "right",
        "frac",
        "cdot",
        "sqrt",
        "boxed",
        "quad",
        "text",
    ]
)
_DIGITS_KEPT: Final = 4  # decimals shown for a value that does not end, where the text gives no measure


@dataclass(frozen=True, slots=True)
class Mention:
    """A number in a text: ``text[start:end]``, its sign included where it has one.

    ``places`` counts the decimals shown; ``percent`` says that ``%`` follows (the value is not divided);
    ``parts`` are numerator and denominator where both are written out.
    """

    start: int
    end: int
    source: str
    value: Fraction
    style: Style
    places: int = 0
    percent: bool = False
    role: Role = "value"
    parts: tuple[Mention, ...] = ()


def find_mentions(text: str) -> list[Mention]:
    """Return the numbers of a text from left to right; they do not overlap."""
    return [_read(text, match) for match in _NUMBER.finditer(text)]


def split_fractions(mentions: Iterable[Mention]) -> list[Mention]:
    """Return the mentions with numerator and denominator in place of each fraction that has them."""
    return [part for mention in mentions for part in (mention.parts or (mention,))]


def _read(text: str, match: re.Match[str]) -> Mention:
    start, end = match.span()
    percent = re.match(r"\s?\\?%", text[end:]) is not None
    role = _role(text, start, end)
    style, value, places, parts = _value(match)
    if role == "value" and _signed(text, start):
        start -= 1
        value = -value
    return Mention(start, end, text[start:end], value, style, places, percent, role, parts)


def _value(match: re.Match[str]) -> tuple[Style, Fraction, int, tuple[Mention, ...]]:
    group = match.groupdict()
    if (plain := group["plain"]) is not None:
        digits = plain.replace("{,}", "").replace(",", "")
        places = len(digits.partition(".")[2])
        return ("decimal" if places else "integer"), Fraction(digits), places, ()
    for style, n, d in (
        ("mixed", "mn", "md"),
        ("mixed", "mn1", "md1"),
        ("fraction", "n", "d"),
        ("fraction", "n1", "d1"),
    ):
        if group[n] is not None:
            return _ratio(match, style, n, d)  # type: ignore[arg-type]
    return _ratio(match, "slash", "sn", "sd")


def _ratio(
    match: re.Match[str], style: Style, n: str, d: str
) -> tuple[Style, Fraction, int, tuple[Mention, ...]]:
    above, below = int(match[n]), int(match[d])
    if below == 0:
        return "integer", Fraction(above), 0, ()
    whole = int(match["whole"]) if style == "mixed" else 0
    parts = tuple(
        Mention(match.start(g), match.end(g), match[g], Fraction(match[g]), "integer") for g in (n, d)
    )
    return style, whole + Fraction(above, below), 0, () if style == "mixed" else parts


def _role(text: str, start: int, end: int) -> Role:
    before, after = text[max(0, start - 40) : start], text[end : end + 3]
    if re.search(r"(?:\^\s*\{?\s*-?|[\w)\]]\s?\*\*\s?\(?-?)$", before):
        return "exponent"
    if re.search(r"(?:[A-Za-z_]|_\{[^}]{0,8}|\\[a-zA-Z]+_)$", before) and not re.search(
        r"\\[a-zA-Z]+$", before
    ):
        return "label"
    if re.match(r"D\b", after):
        return "label"  # 2D, 3D; other letters are units, ordinals or factors
    if _LABEL_BEFORE.search(before) or (_LIST_MARK.search(before) and re.match(r"[.)]\**(?:\s|$)", after)):
        return "label"
    return "value"


def _signed(text: str, start: int) -> bool:
    """Whether a minus directly before ``start`` is a sign and not a subtraction or a dash."""
    if start == 0 or text[start - 1] not in "-\u2212":
        return False
    before = text[: start - 1]
    trimmed = before.rstrip()
    if not trimmed or trimmed[-1] in "([{=,:<>&|+*/\u00d7;$":
        return True
    if trimmed.endswith((r"\(", r"\[", r"\times", r"\cdot", r"\approx", r"\leq", r"\geq", r"\pm")):
        return True
    return before != trimmed and trimmed[-1].isalpha()  # "is -5", but not "x-5" or "3 -5"


def unit_after(text: str, mention: Mention) -> str:
    r"""Return the word after a number (``km`` in ``\(5\) km``), in lower case and singular, or an empty string."""
    match = _UNIT.match(text, mention.end)
    word = match["word"].lower() if match else ""
    return "" if word in _NO_UNITS else word.rstrip("s")


def is_whole(value: Fraction) -> bool:
    """Whether a value is an integer up to the noise of floating point (1e-9)."""
    return abs(value - round(value)) < Fraction(1, 10**9)


def write_like(mention: Mention, value: Fraction, rounded: bool) -> str | None:
    """Return the value in the style of the mention, or None if that style cannot hold it.

    Args:
        mention: the number whose place the value takes.
        value: the new value, in the mention's unit (a percentage is given as such).
        rounded: whether the mention was a rounded form of the old value, so that its number of decimals is kept.
    """
    sign = "-" if value < 0 else ""
    size = abs(value)
    if mention.style in ("fraction", "slash", "mixed"):
        return _write_fraction(mention, sign, size)
    if rounded:
        return sign + _grouped(_decimal(size, mention.places), mention)
    if is_whole(size) and not mention.places:
        return sign + _grouped(str(round(size)), mention)
    shown = (
        mention.places if mention.places <= 2 else 0
    )  # two decimals are money; more were as many as it took
    places = next((p for p in range(shown, 7) if is_whole(size * 10**p)), None)
    if places is None or places > max(mention.places, _DIGITS_KEPT):
        places = mention.places or 2
    return sign + _grouped(_decimal(size, places), mention)


def _write_fraction(mention: Mention, sign: str, size: Fraction) -> str | None:
    exact = size.limit_denominator(10_000)
    if abs(exact - size) > Fraction(1, 10**9):
        return None
    above, below = exact.numerator, exact.denominator
    if below == 1:
        return f"{sign}{above}"
    if mention.style == "slash":
        return f"{sign}{above}/{below}"
    macro = re.search(r"\\[dt]?frac", mention.source)
    name = macro.group() if macro else r"\frac"
    whole, rest = divmod(above, below)
    if mention.style == "mixed" and whole:
        return f"{sign}{whole}{name}{{{rest}}}{{{below}}}"
    return f"{sign}{name}{{{above}}}{{{below}}}"


def _decimal(size: Fraction, places: int) -> str:
    """Return a value of 0 or more with this number of decimals."""
    digits = str(round(size * 10**places)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _grouped(digits: str, mention: Mention) -> str:
    """Put thousands commas as the mention has them (or as its neighbours would: none below 1,000)."""
    comma = "{,}" if "{,}" in mention.source else "," if "," in mention.source else ""
    if not comma:
        return digits
    whole, point, rest = digits.partition(".")
    return f"{int(whole):,}".replace(",", comma) + point + rest
