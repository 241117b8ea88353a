"""Compare two final answers: read both, then compare them by their kinds. Symmetric and reflexive."""

from __future__ import annotations

import re
from functools import lru_cache

from verifier.notation import plain
from verifier.outcome import Outcome, best, correct, incorrect, unverifiable
from verifier.plain_numbers import Plain, read_number
from verifier.read import MAX_ANSWER, readings, words_of
from verifier.shapes import same_answer
from verifier.syntax import LimitError
from verifier.verdict import Rounding

MAX_KNOWN = 16_384
MAX_FORMS = 16  # of one answer, parted by ##

_known: dict[tuple[str, str, Rounding], Outcome] = {}


def compare_answers(prediction: str, gold: str, rounding: Rounding = "exact") -> Outcome:
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
    if max(len(forms), len(wanted)) > MAX_FORMS:
        return unverifiable(f"an answer in more than {MAX_FORMS} forms")
    for other in forms[1:]:
        outcome = _compare(forms[0], other, rounding)
        if not outcome.correct:
            return incorrect("several answers are given") if outcome.status == "incorrect" else outcome
    return best([_compare(forms[0], form, rounding) for form in wanted])


_ALTERNATIVES = re.compile(r"\\?#\s*\\?#")


def _forms(answer: str) -> list[str]:
    """Return the forms that ``##`` parts, each once."""
    if "#" not in answer:
        return [answer]
    return list(dict.fromkeys(filter(None, map(str.strip, _ALTERNATIVES.split(answer))))) or [answer]


def compare_quickly(a: str, b: str, rounding: Rounding) -> Outcome | None:
    """Compare two plain numbers, or two answers written the same; None for all else. Linear time."""
    x, y = read_number(a), read_number(b)
    if x is not None and y is not None:
        return compare_numbers(x, y, rounding)
    return correct("written the same") if _squeezed(a) == _squeezed(b) else None


_PARTING = re.compile(r"(?<=\d)\s+(?=\d)|(?<=\d,)\s+(?=\d)")


def _squeezed(text: str) -> str:
    """Take the spaces out, but for those that part two numbers."""
    return "".join(_PARTING.sub("~", plain(text)).split())


def _compare(a: str, b: str, rounding: Rounding) -> Outcome:
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


def _compared(a: str, b: str, rounding: Rounding) -> Outcome:
    if (quick := compare_quickly(a, b, rounding)) is not None:  # a form of several
        return quick
    for compare in (_times, _choices):
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


def compare_numbers(a: Plain, b: Plain, rounding: Rounding) -> Outcome:
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


# --- times of day

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([ap])\.?\s*m\.?)?", re.IGNORECASE)
_HALF_DAY = re.compile(r"(\d{1,2})(?:\s*o'?clock)?\s*([ap])\.?\s*m\.?", re.IGNORECASE)


def _time(text: str) -> tuple[int, bool] | None:
    """Return seconds since midnight, and whether a.m. or p.m. was said."""
    words = words_of(plain(text)).replace("\\", "").strip(" .")
    match = _TIME.fullmatch(words)
    if match:
        hour, minute, second = (int(g or 0) for g in match.groups()[:3])
        half = match[4]
    else:
        match = _HALF_DAY.fullmatch(words)
        if match is None:
            return None
        hour, minute, second, half = int(match[1]), 0, 0, match[2]
    if hour > 24 or minute > 59 or second > 59 or (half and not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return hour * 3600 + minute * 60 + second, bool(half)


def _times(a: str, b: str) -> Outcome | None:
    if ":" not in a and ":" not in b:
        return None
    x, y = _time(a), _time(b)
    if x is None or y is None:
        return None
    if x[0] == y[0]:
        return correct("the same time of day")
    if x[1] or y[1] or a.count(":") + b.count(":") > 2:
        if x[1] != y[1] and abs(x[0] - y[0]) == 12 * 3600:
            return unverifiable("a time of day without a.m. or p.m.")
        return incorrect("another time of day")
    return None


# --- choices

_CHOICE = re.compile(r"[(\[]?\s*([A-J])\s*[)\]]?\s*[.:,]?")
_CHOICE_WITH_TEXT = re.compile(
    r"(?:[(\[]\s*([A-J])\s*[)\]]|([A-J])\s*[.:、)]|([A-J])(?=\s+[A-Za-z\u3400-\u9fff]{2}))\s*\S.*", re.DOTALL
)
_LETTER_MARKUP = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*|[{}$*]|\\[()\[\]]")


def _letter(text: str) -> tuple[str, bool] | None:
    """Return the letter of a choice, and whether nothing else is said."""
    bare = _LETTER_MARKUP.sub("", plain(text)).strip()
    match = _CHOICE.fullmatch(bare)
    if match:
        return match[1], True
    match = _CHOICE_WITH_TEXT.fullmatch(bare)
    return (match[1] or match[2] or match[3], False) if match else None


def _choices(a: str, b: str) -> Outcome | None:
    x, y = _letter(a), _letter(b)
    if x is None or y is None or not (x[1] or y[1]):
        return None
    return correct(f"both choose {x[0]}") if x[0] == y[0] else incorrect(f"{x[0]} is not {y[0]}")


@lru_cache(maxsize=4096)
def is_choice(gold: str) -> bool:
    """Whether a gold answer is the letter of a choice, so that a letter is to be looked for in prose."""
    found = _letter(gold)
    return found is not None
