r"""Read a plain number exactly: ``-1,234.50``, ``3/4``, ``\frac{3}{4}``, ``\$5``, ``25\%``.

This is the fast path: half of all answers are plain numbers, and they are decided here as fractions of
integers, never as floats. Anything else gives None and goes to the parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 200_000  # a longer run of digits is compared as text, digit by digit, never converted

_PLAIN = re.compile(
    r"([-+]?)(?:\\?\$)?([-+]?)([1-9]\d{0,2}(?:,\d{3})+|\d*)(\.\d*)?(?:[eE]([-+]?\d{1,3}))?(\\?%)?\.?"
)
_FRACTION = re.compile(
    r"([-+]?)(?:\\[dt]?frac\{([-+]?\d+)\}\{([-+]?\d+)\}|\(?([-+]?\d+)/(\d+)\)?|\\[dt]?frac(\d)(\d))"
)
_SPACING = re.compile(r"\\[!,;: ]|\{,\}|\s|(?<=\d)\\ (?=\d)")
_LEADING = re.compile(r"^(?:\\displaystyle|\$)+|\$+$")


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain number: its exact value, and how it was written where that matters.

    Attributes:
        value: the exact value; with ``percent``, the number before the percent sign.
        percent: whether a percent sign followed.
        decimals: digits after the decimal point, or None where it was written as an integer or a fraction.
        digits: significant digits written.
    """

    value: int | Fraction
    percent: bool = False
    decimals: int | None = None
    digits: int = 0


def read_number(text: str) -> Plain | None:
    """Return the plain number that the whole of ``text`` writes, or None. Exact."""
    if len(text) < 4000 and text.isascii() and text.isdecimal():
        return Plain(int(text))
    if len(text) > MAX_DIGITS:
        return None
    if len(text) > 1 and text[0] == "$":
        text = text.strip("$")
    match = _PLAIN.fullmatch(text)
    if match is None:
        if "\\" in text or " " in text or "{" in text:
            text = _SPACING.sub(lambda m: "," if m[0] == "{,}" else "", text) if _joinable(text) else text
            match = _PLAIN.fullmatch(text)
        if match is None:
            return _read_fraction(text)
    sign, inner_sign, integer, decimals, exponent, percent = match.groups()
    if not integer and (decimals is None or len(decimals) < 2):
        return None
    return _plain(sign + inner_sign, integer.replace(",", ""), decimals, exponent, percent is not None)


def _joinable(text: str) -> bool:
    """Whether the spaces in ``text`` only group digits or stand around signs, so that they may go."""
    return re.search(r",\s+\d|\d\s+\d(?!\d\d(?!\d))|\d\s+\\[dt]?frac|[.]\s+\d", text) is None


def _plain(
    sign: str, integer: str, decimals: str | None, exponent: str | None, percent: bool
) -> Plain | None:
    if len(integer) + len(decimals or "") > 4000:
        return None
    negative = sign.count("-") % 2 == 1
    places = decimals[1:] if decimals else ""
    value: int | Fraction = int((integer + places) or "0")
    if exponent:
        shift = int(exponent) - len(places)
        value = Fraction(value * 10**shift) if shift >= 0 else Fraction(value, 10**-shift)
    elif places.strip("0"):
        value = Fraction(value, 10 ** len(places))
    elif places:
        value = int(integer or "0")
    if negative:
        value = -value
    written = (integer + places).lstrip("0")
    return Plain(value, percent, len(places) if decimals is not None or exponent else None, len(written))


def _read_fraction(text: str) -> Plain | None:
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    sign, a, b, c, d, e, f = match.groups()
    numerator, denominator = int(a or c or e), int(b or d or f)
    if denominator == 0:
        return None
    value = Fraction(numerator, denominator)
    return Plain(-value if sign == "-" else value)


def show(value: int | Fraction) -> str:
    """Write an exact value for a person; long ones are cut in the middle."""
    if type(value) is int and -(10**18) < value < 10**18:
        return str(value)
    if value.denominator == 1:
        value = value.numerator
    if max(abs(value.numerator), value.denominator).bit_length() > 400:
        return "a number of more than 120 digits"
    return str(value)
