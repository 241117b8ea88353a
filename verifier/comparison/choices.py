"""Compare two answers of multiple choice by their letters."""

from __future__ import annotations

from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.choices import Letters, letters_of
from verifier.patterns import pattern

_LIKELY = frozenset("ABCDE")
_VERTICES = pattern(r"[A-Z]{3}")  # the angle DCA is ACD; "ABCD" and words are left alone
_LETTER_IN_BRACKETS = pattern(r"\( ?[A-J] ?\)")
_JOINED = pattern(r"[A-J]{2,}")


def compare_choices(a: str, b: str) -> Comparison | None:
    """Compare two answers of which at least one is a choice; None where they are no choices."""
    if (circled := _compare_circled(a, b)) is not None:
        return circled
    if _VERTICES.fullmatch(a) and _VERTICES.fullmatch(b) and sorted(a) == sorted(b):
        if a in (b, b[::-1]):
            return correct("the same letters")
        return unverifiable("the same letters in another order")
    x, y = letters_of(a), letters_of(b)
    if x is None or y is None:
        if a != b and a.upper() == b.upper() and a.upper() in _LIKELY:
            if a.upper() == "E":
                return unverifiable("a choice, or the base of the natural logarithm")
            return correct(f"both choose {a.upper()}")
        return _compare_joined(a, b, x, y)
    if len(x[0]) == len(y[0]) == 1:
        if not (x[1] or y[1]):
            return None
        return correct(f"both choose {_shown(x[0])}") if x[0] == y[0] else incorrect(_differ(x[0], y[0]))
    if len(x[0]) > 1 and len(y[0]) > 1:  # in brackets around them all they may be a tuple, whose order counts
        listed = x[1] and y[1] and "(" not in _LETTER_IN_BRACKETS.sub("", a + b)
        return correct(f"both choose {_shown(x[0])}") if listed and x[0] == y[0] else None
    return incorrect(_differ(x[0], y[0])) if x[1] or y[1] else None


def under_another_letter(a: str, b: str) -> bool:
    """Whether both name an option beside its text, and not the same one: ``(C) 24`` and ``(D) 24``."""
    x, y = letters_of(a), letters_of(b)
    return x is not None and y is not None and not (x[1] or y[1]) and x[0] != y[0]


def _compare_joined(
    a: str, b: str, x: tuple[Letters, bool] | None, y: tuple[Letters, bool] | None
) -> Comparison | None:
    """``BCD`` is ``B, C, D``."""
    listed, joined = (x, b) if x is not None else (y, a)
    if listed is None or len(listed[0]) < 2 or not listed[1] or not _JOINED.fullmatch(joined.strip()):
        return None
    same = frozenset(joined.strip()) == listed[0] and len(joined.strip()) == len(listed[0])
    return correct(f"both choose {_shown(listed[0])}") if same else None


_CIRCLED = pattern("[①-⑳]")
_ALL_CIRCLED = pattern("[①-⑳](?:[ ,，、;；]|和|与)*")


def _compare_circled(a: str, b: str) -> Comparison | None:
    """``①③`` is ``①、③``; in another order it is the same choice, but another sequence."""
    if _CIRCLED.match(a.strip()) is None or _CIRCLED.match(b.strip()) is None:
        return None
    if _ALL_CIRCLED.sub("", a.strip()) or _ALL_CIRCLED.sub("", b.strip()):
        return None
    x, y = _CIRCLED.findall(a), _CIRCLED.findall(b)
    if x == y:
        return correct("the same statements")
    return (
        unverifiable("the same statements in another order")
        if sorted(x) == sorted(y)
        else incorrect("other statements")
    )


def _shown(letters: Letters) -> str:
    return ", ".join(sorted(letters))


def _differ(x: Letters, y: Letters) -> str:
    return f"{_shown(x)} is not {_shown(y)}"
