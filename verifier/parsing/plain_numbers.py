r"""Read a plain number exactly: ``-1,234.50``, ``3/4``, ``\frac{3}{4}``, ``\$5``, ``25\%``.

This is the fast path: half of all answers are plain numbers, and they are decided here as fractions of
integers, never as floats. Anything else gives None and goes to the parser.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from verifier.patterns import pattern

MAX_DIGITS = 200_000  # a longer run of digits is compared as text, digit by digit, never converted
MAX_CONVERTED = 4_000  # digits of a number whose value is computed

# "-1,234.50", "\$5", "25\%", "1e5"; "1,23" and "5 m" are left alone.
_PLAIN = pattern(
    r"([-+]?)(?:\\?\$)?([-+]?)([1-9]\d{0,2}(?:,\d{3})+|\d*)(\.\d*)?(?:[eE]([-+]?\d{1,3}))?(\\?%)?\.?"
)
# "3/4", "(3/4)", "\frac{3}{4}", "\frac34"; "\frac{x}{4}" is left alone.
_FRACTION = pattern(
    r"([-+]?)(?:\\[dt]?frac\{([-+]?\d+)\}\{([-+]?\d+)\}|\(?([-+]?\d+)/(\d+)\)?|\\[dt]?frac(\d)(\d))"
)
_SPACING = pattern(r"\\[!,;: ]|\{,\}|\s")
# Every character of the three above: a text with another one is no number, and most are seen at once to be none.
_ALPHABET = pattern(r"[\s\d+\-$\\.,%(){}/!;:eEdtfrac]*")
_SPACE = r"(?:\s|\\[,;: ])+"
# Spaces that part: 7 8, 7\ 8, 3, 4, 1 \frac12; 1 000, 1\,000 and 11,\! 111 are left alone.
_PARTED = pattern(rf",{_SPACE}\d|\d{_SPACE}\d(?!\d\d(?!\d))|\d{_SPACE}\\[dt]?frac|[.]{_SPACE}\d")


class Plain(NamedTuple):
    """A plain number: its exact value, and how it was written where that matters.

    The value is a ratio of integers that is not reduced: two ratios are compared by their cross products, which
    takes a fraction of the time that reducing them would.

    Attributes:
        top: numerator of the exact value; with ``percent``, of the number before the percent sign.
        bottom: its denominator, positive.
        percent: whether a percent sign followed.
        decimals: digits after the decimal point, or None where it was written as an integer or a fraction.
        digits: significant digits written.
    """

    top: int
    bottom: int = 1
    percent: bool = False
    decimals: int | None = None
    digits: int = 0

    def __str__(self) -> str:
        """Return the value for a person: an integer, a decimal, or a reduced fraction."""
        if self.bottom == 1:
            return show(self.top)
        places = self.decimals or 0
        if self.digits > 120 or self.bottom != 10**places:
            return show(Fraction(self.top, self.bottom))
        digits = str(abs(self.top)).rjust(places + 1, "0")
        return f"{'-' if self.top < 0 else ''}{digits[:-places]}.{digits[-places:].rstrip('0')}"


def read_number(text: str) -> Plain | None:
    """Return the plain number that the whole of ``text`` writes, or None. Exact."""
    if len(text) < MAX_CONVERTED and text.isascii() and text.isdecimal():
        return Plain(int(text))
    if len(text) > MAX_DIGITS or _ALPHABET.fullmatch(text) is None:
        return None
    if len(text) > 1 and text[0] == "$":
        text = text.strip("$")
    found = _written(text)
    if found is None and ("\\" in text or " " in text or "{" in text) and _joinable(text):
        found = _written(_SPACING.sub(lambda m: "," if m[0] == "{,}" else "", text))
    return found


def _written(text: str) -> Plain | None:
    """Return the number that ``text`` writes without spaces."""
    if match := _PLAIN.fullmatch(text):
        return _decimal(*match.groups())
    if match := _FRACTION.fullmatch(text):
        return _fraction(*match.groups())
    return None


def _joinable(text: str) -> bool:
    """Whether the spaces in ``text`` only group digits or stand around signs, so that they may go."""
    return _PARTED.search(text) is None


def _decimal(
    sign: str, inner_sign: str, integer: str, decimals: str | None, exponent: str | None, percent: str | None
) -> Plain | None:
    places = decimals[1:] if decimals else ""
    if not (integer or places) or len(integer) + len(places) > MAX_CONVERTED:
        return None
    integer = integer.replace(",", "")
    top, bottom = int(integer + places), 1
    if exponent:
        shift = int(exponent) - len(places)
        top, bottom = (top * 10**shift, 1) if shift >= 0 else (top, 10**-shift)
    elif places.strip("0"):
        bottom = 10 ** len(places)
    elif places:
        top = int(integer or "0")
    if (sign + inner_sign).count("-") == 1:
        top = -top
    written = (integer + places).lstrip("0")
    after_point = len(places) if decimals is not None or exponent else None
    return Plain(top, bottom, percent is not None, after_point, len(written))


def _fraction(
    sign: str, a: str | None, b: str | None, c: str | None, d: str | None, e: str | None, f: str | None
) -> Plain | None:
    top, bottom = a or c or e or "", b or d or f or ""
    if len(top) + len(bottom) > MAX_CONVERTED or (denominator := int(bottom)) == 0:
        return None
    numerator = -int(top) if (sign == "-") != (denominator < 0) else int(top)
    return Plain(numerator, abs(denominator))


def show(value: int | Fraction) -> str:
    """Write an exact value for a person; long ones are cut in the middle."""
    if type(value) is int and -(10**18) < value < 10**18:
        return str(value)
    if value.denominator == 1:
        value = value.numerator
    if max(abs(value.numerator), value.denominator).bit_length() > 400:
        return "a number of more than 120 digits"
    return str(value)
