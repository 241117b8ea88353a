"""Compare two final answers: read both, then compare them by their kinds. Symmetric and reflexive."""

from __future__ import annotations

import re

from verifier.comparison.choices import compare_choices
from verifier.comparison.kinds import same_answer
from verifier.comparison.times import compare_times
from verifier.outcome import Comparison, best, correct, incorrect, unverifiable
from verifier.parsing.notation import plain
from verifier.parsing.plain_numbers import Plain, read_number
from verifier.parsing.readings import MAX_ANSWER, readings
from verifier.tree import LimitError
from verifier.verdict import Rounding

MAX_KNOWN = 16_384
MAX_FORMS = 16  # of one answer, parted by ##

_known: dict[tuple[str, str, Rounding], Comparison] = {}


def compare_answers(prediction: str, gold: str, rounding: Rounding = "exact") -> Comparison:
    """Compare two bare answers; no text raises.

    Their order matters only for ``0.3 ## 3/10``: a gold answer may state several forms, any of which will do, while
    a prediction that does so must mean the same by all of them.
    """
    quick = compare_quickly(prediction, gold, rounding)
    if quick is not None:
        return quick
    if max(len(prediction), len(gold)) > MAX_ANSWER:
        return unverifiable(f"an answer of more than {MAX_ANSWER} characters")
    forms, wanted = _forms(prediction), _forms(gold)
    for other in forms[1:MAX_FORMS]:
        outcome = _compare(forms[0], other, rounding)
        if not outcome.correct:
            return incorrect("several answers are given") if outcome.status == "incorrect" else outcome
    if max(len(forms), len(wanted)) > MAX_FORMS:
        return unverifiable(f"an answer in more than {MAX_FORMS} forms")
    return best([_compare(forms[0], form, rounding) for form in wanted])


_ALTERNATIVES = re.compile(r"\\?#\s*\\?#")


def _forms(answer: str) -> list[str]:
    """Return the forms that ``##`` parts, each once."""
    if "#" not in answer:
        return [answer]
    return list(dict.fromkeys(filter(None, map(str.strip, _ALTERNATIVES.split(answer))))) or [answer]


def compare_quickly(a: str, b: str, rounding: Rounding) -> Comparison | None:
    """Compare two plain numbers, or two answers written the same; None for all else. Linear time."""
    x, y = read_number(a), read_number(b)
    if x is not None and y is not None:
        return compare_numbers(x, y, rounding)
    return correct("written the same") if _squeezed(a) == _squeezed(b) else None


_PARTING = re.compile(r"(?<=\d)\s+(?=\d)|(?<=\d,)\s+(?=\d)")


def _squeezed(text: str) -> str:
    """Take the spaces out, but for those that part two numbers."""
    return "".join(_PARTING.sub("~", plain(text)).split())


def _compare(a: str, b: str, rounding: Rounding) -> Comparison:
    """Compare with a memory: groups of samples repeat the same answers. What ran out of time is not kept."""
    a, b = sorted((a, b))
    key = (a, b, rounding)
    known = _known.get(key)
    if known is None:
        known = _compared(a, b, rounding)
        if "computer algebra" not in known.reason:
            if len(_known) >= MAX_KNOWN:
                _known.clear()
            _known[key] = known
    return known


def _compared(a: str, b: str, rounding: Rounding) -> Comparison:
    if (quick := compare_quickly(a, b, rounding)) is not None:  # a form of several
        return quick
    for compare in (compare_times, compare_choices):
        outcome = compare(a, b)
        if outcome is not None:
            return outcome
    try:
        return best([same_answer(x, y, rounding) for x in readings(a) for y in readings(b)])
    except LimitError as error:
        return unverifiable(str(error))
    except RecursionError:  # what is nested without brackets, such as a thousand factorials
        return unverifiable("an answer is nested too deeply")


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
