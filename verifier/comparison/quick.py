"""Compare plain numbers, and answers written the same: what takes no tree, and so decides half of all pairs at once."""

from __future__ import annotations

from verifier.outcome import Comparison, correct, incorrect
from verifier.parsing.notation import plain
from verifier.parsing.plain_numbers import Plain, read_number
from verifier.patterns import pattern
from verifier.verdict import Rounding


def compare_quickly(a: str, b: str, rounding: Rounding) -> Comparison | None:
    """Compare two plain numbers, or two answers written the same; None for all else. Linear time."""
    x, y = read_number(a), read_number(b)
    if x is not None and y is not None:
        return compare_numbers(x, y, rounding)
    return compare_written(a, b)


def compare_written(a: str, b: str) -> Comparison | None:
    """Compare two answers that are not both plain numbers, as they are written; None where that differs."""
    return correct("written the same") if _squeezed(a) == _squeezed(b) else None


_PARTING = pattern(r"(?<=\d)\s+(?=\d)|(?<=\d,)\s+(?=\d)")


def _squeezed(text: str) -> str:
    """Take the spaces out, but for those that part two numbers."""
    words = plain(text).split()
    return "".join(_PARTING.sub("~", plain(text)).split()) if len(words) > 1 else "".join(words)


# --- plain numbers


def compare_numbers(a: Plain, b: Plain, rounding: Rounding) -> Comparison:
    """Compare two plain numbers exactly; a percent sign on one side only may stand or be left out."""
    # The common denominator is left out on both sides.
    x, y = a.top * b.bottom, b.top * a.bottom
    if x == y:
        return correct(f"both are {a}")
    if a.percent != b.percent and (x == 100 * y if a.percent else 100 * x == y):
        percent, other = (a, b) if a.percent else (b, a)
        return correct(f"{percent}% is {other}")
    if _printed_float(a, b):
        return correct(f"{a} and {b} agree as printed floats")
    if rounding == "sigfigs" and (_rounds(a, b) or _rounds(b, a)):
        return correct(f"{a} and {b} agree to the digits written")
    return incorrect(f"{a} is not {b}")


def _printed_float(a: Plain, b: Plain) -> bool:
    """Whether the larger is at most a unit in the last of up to 15 digits from the other."""
    if a.digits < 12 and b.digits < 12:
        return False
    digits = [n.digits for n in (a, b) if n.digits >= 12 and n.decimals]
    if not digits:
        return False
    x, y = a.top * b.bottom, b.top * a.bottom
    return bool(abs(x - y) * 10 ** (min(15, *digits) - 1) <= max(abs(x), abs(y)))


def _rounds(rounded: Plain, exact: Plain) -> bool:
    """Whether one is at most half a unit in its last decimal from the other."""
    if rounded.decimals is None or rounded.digits < 3:
        return False
    gap = abs(rounded.top * exact.bottom - exact.top * rounded.bottom)
    return bool(gap * 2 * 10**rounded.decimals <= rounded.bottom * exact.bottom)
