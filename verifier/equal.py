"""Compare two final answers: the rules that make them equal, tried from the cheapest to the dearest."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from verifier.notation import plain
from verifier.numbers import Plain, read_number, show
from verifier.verdict import Rounding, Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status and the reason for it."""

    status: Status
    reason: str


def compare_answers(prediction: str, gold: str, rounding: Rounding = "exact") -> Outcome:
    """Compare two bare answers. Symmetric: the order of the two does not matter."""
    a, b = read_number(prediction), read_number(gold)
    if a is not None and b is not None:
        return compare_numbers(a, b, rounding)
    if "".join(plain(prediction).split()) == "".join(plain(gold).split()):
        return Outcome("correct", "written the same")
    return Outcome("unverifiable", "not two plain numbers")


def compare_numbers(a: Plain, b: Plain, rounding: Rounding) -> Outcome:
    """Compare two plain numbers exactly; a percent sign on one side only may stand or be left out."""
    if a.value == b.value:
        return Outcome("correct", f"both are {show(a.value)}")
    if a.percent != b.percent:
        percent, other = (a, b) if a.percent else (b, a)
        if Fraction(percent.value, 100) == other.value:
            return Outcome("correct", f"{show(percent.value)}% is {show(other.value)}")
    if rounding == "sigfigs" and rounds_to(a, b):
        return Outcome("correct", f"{show(a.value)} and {show(b.value)} agree to the digits written")
    return Outcome("incorrect", f"{show(a.value)} is not {show(b.value)}")


def rounds_to(a: Plain, b: Plain) -> bool:
    """Whether one number, rounded to the decimals the other is written with (three digits at least), is it."""
    return _is_rounding_of(a, b) or _is_rounding_of(b, a)


def _is_rounding_of(rounded: Plain, exact: Plain) -> bool:
    if rounded.decimals is None or rounded.decimals == 0 or rounded.digits < 3:
        return False
    return abs(rounded.value - exact.value) * 2 * 10**rounded.decimals <= 1
