"""Compare answers as they are written: digits in a base, words."""

from __future__ import annotations

import re

from verifier.outcome import Outcome, correct, incorrect, unverifiable
from verifier.parsing.numerals import decimal
from verifier.tree import Based, Node, Words
from verifier.verdict import Rounding


def compare_based(a: Node, b: Node, rounding: Rounding) -> Outcome | None:
    """Compare digits in a base; None where neither answer has any."""
    if isinstance(a, Based) and isinstance(b, Based):
        if a.base == b.base:
            same = a.digits.lstrip("0") == b.digits.lstrip("0")
            return (
                correct("the same digits")
                if same
                else incorrect(f"{a.digits} is not {b.digits} in base {a.base}")
            )
        return incorrect("numbers in different bases")
    if isinstance(a, Based) or isinstance(b, Based):
        based, other = (a, b) if isinstance(a, Based) else (b, a)
        assert isinstance(based, Based)
        if based.digits.isdecimal() and other == decimal(based.digits):
            return correct(f"the same digits (base {based.base} is written on one side only)")
        return incorrect(f"not the digits {based.digits} of base {based.base}")
    return None


_ARTICLE = re.compile(r"^(?:an?|the) (?=\w)")


def compare_texts(a: Node, b: Node, rounding: Rounding) -> Outcome | None:
    """Compare words; None where neither answer is words."""
    if isinstance(a, Words) and isinstance(b, Words):
        if _ARTICLE.sub("", a.words) == _ARTICLE.sub("", b.words) != "":
            return correct("the same words")
        if a.formula and b.formula:
            return unverifiable("formulas with operators whose rules are not known here")
        return incorrect(f"{a.words[:60]!r} is not {b.words[:60]!r}")
    if isinstance(a, Words) or isinstance(b, Words):
        return incorrect("words and a mathematical answer")
    return None
