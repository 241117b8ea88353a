"""Compare two final answers: read both, then compare them by their kinds. Symmetric and reflexive."""

from __future__ import annotations

from verifier.comparison.choices import compare_choices, under_another_letter
from verifier.comparison.kinds import same_answer
from verifier.comparison.quick import compare_quickly
from verifier.comparison.times import compare_dates, compare_times
from verifier.outcome import Comparison, best, incorrect, unverifiable
from verifier.parsing.readings import MAX_ANSWER, readings
from verifier.patterns import pattern
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
    forms, wanted = _forms(prediction), _forms(gold)
    too_long = max(len(prediction), len(gold)) > MAX_ANSWER
    if too_long or len(forms) > 1:  # a form alone is compared so below
        quick = compare_quickly(prediction, gold, rounding)
        if quick is not None:
            return quick
    if too_long:
        return unverifiable(f"an answer of more than {MAX_ANSWER} characters")
    for other in forms[1:MAX_FORMS]:
        outcome = _compare(forms[0], other, rounding)
        if not outcome.correct:
            return incorrect("several answers are given") if outcome.status == "incorrect" else outcome
    if max(len(forms), len(wanted)) > MAX_FORMS:
        return unverifiable(f"an answer in more than {MAX_FORMS} forms")
    return best([_compare(forms[0], form, rounding) for form in wanted])


_ALTERNATIVES = pattern(r"\\?#\s*\\?#")


def _forms(answer: str) -> list[str]:
    """Return the forms that ``##`` parts, each once."""
    if "#" not in answer:
        return [answer]
    return list(dict.fromkeys(filter(None, map(str.strip, _ALTERNATIVES.split(answer))))) or [answer]


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
    if (quick := compare_quickly(a, b, rounding)) is not None:
        return quick
    for compare in (compare_times, compare_dates, compare_choices):
        outcome = compare(a, b)
        if outcome is not None:
            return outcome
    try:
        outcome = best([same_answer(x, y, rounding) for x in readings(a) for y in readings(b)])
    except LimitError as error:
        return unverifiable(str(error))
    except RecursionError:  # what is nested without brackets, such as a thousand factorials
        return unverifiable("an answer is nested too deeply")
    if outcome.status == "correct" and under_another_letter(a, b):
        return unverifiable("the same text under another letter")
    if outcome.status == "incorrect" and (_lists_groups(a, b) or _lists_groups(b, a)):
        return unverifiable("one number, or a list of its groups of digits")
    return outcome


# 60,120; 1,2 and 1,2345 are left alone.
_GROUPED = pattern(r"[1-9]\d{0,2}(?:,\d{3})+")


def _lists_groups(number: str, answer: str) -> bool:
    """Whether ``answer`` lists what ``60,120`` is where it is a list too."""
    if _GROUPED.fullmatch(number.strip()) is None:
        return False
    (listed,) = readings(number.strip().replace(",", ", "))
    return any(same_answer(listed, node).correct for node in readings(answer))
