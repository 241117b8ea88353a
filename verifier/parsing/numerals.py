r"""Read decimals, also those whose digits repeat."""

from __future__ import annotations

from fractions import Fraction

from verifier.patterns import pattern
from verifier.tree import LimitError, Num, ParseError

MAX_CYCLES = 60  # digits in which the cycle of a decimal is looked for


def repeating(text: str, repeated: str) -> Num:
    """Return the decimal ``text`` whose last digits, ``repeated``, go on for ever.

    Raises:
        ParseError: if they are no digits.
    """
    if not repeated.isdecimal():
        raise ParseError("a line or dots over something else than decimals")
    integer, _, places = text.partition(".")
    cycle = Fraction(int(repeated), 10 ** len(places) * (10 ** len(repeated) - 1))
    return Num(Fraction(int(integer + places), 10 ** len(places)) + cycle)


# "0.333...", "0.36\ldots"; "1, 2, ..." is left alone.
_GOES_ON = pattern(r"(?<![\d.])(\d*\.)(\d+) ?(?:\.{3,}|\\[lc]?dots) ?$")
# "333", "1666", "363636"; "314159" is left alone.
_CYCLE = pattern(r"(\d*?)(?:(\d)\2\2+|(\d{2,12}?)\3+)")


def write_cycle(text: str) -> str:
    r"""Write ``0.333...`` as ``0.\overline{3}``; other decimals that go on are marked as cut off."""
    match = _GOES_ON.search(text) if text.endswith((".", "dots", " ")) else None
    if match is None:
        return text
    cycle = _CYCLE.fullmatch(match[2][:MAX_CYCLES])
    if cycle is None:
        return f"{text[: match.end(2)]}\\text{{ truncated}}"
    return f"{text[: match.end(1)]}{cycle[1]}\\overline{{{cycle[2] or cycle[3]}}}"


def decimal(text: str) -> Num:
    """Return the exact number that ``text`` writes in digits.

    Raises:
        LimitError: if it has more than 4,000 digits.
    """
    if len(text) > 4_000:
        raise LimitError("a number of more than 4,000 digits")
    if text.isdecimal():
        return Num(int(text))
    places = len(text) - text.index(".") - 1
    digits = text.replace(".", "")
    value = Fraction(int(digits), 10**places)
    return Num(value if value.denominator > 1 else value.numerator, len(digits.lstrip("0")), places)
