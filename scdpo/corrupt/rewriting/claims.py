r"""Claims of a text that a change of values would belie and that no single number shows.

A text that told all numbers of an output must tell all of the new one; a result that a text names by a function of
numbers (``8! = 40320``) must be that function's; and what a wrong result is checked by, no text may call confirmed. Not
covered: results named in words ("the factorial of 8 is 5040").
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.changes import values_in
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions
from scdpo.corrupt.rewriting.plausible import Inconsistent

# "which confirms our answer", "verified by"; not "we check each case", which claims nothing yet.
_CONFIRMS: Final = re.compile(
    r"\b(?:confirm\w*|verif(?:y|ies|ied|ication)|as expected|indeed)\b", re.IGNORECASE
)
_NUMBER: Final = r"(\d{1,4})"
_IS: Final = r"[\s\\)\]$]*(?:=|is|equals)[\s\\(\[$]*(\d[\d,]*)"
# "8! = 40320", "\binom{8}{2} = 28", "\gcd(12, 8) = 4"; not "x! = 5", whose number is no number.
_NAMED: Final = (
    (re.compile(rf"(?<![\w.]){_NUMBER}!{_IS}"), math.factorial),
    (re.compile(rf"\\[dt]?binom\s*\{{{_NUMBER}\}}\s*\{{{_NUMBER}\}}{_IS}"), math.comb),
    (re.compile(rf"\\?\bgcd\s*\({_NUMBER},\s*{_NUMBER}\){_IS}", re.IGNORECASE), math.gcd),
    (re.compile(rf"\\?\blcm\s*\({_NUMBER},\s*{_NUMBER}\){_IS}", re.IGNORECASE), math.lcm),
)
MOST_ARGUMENT: Final = 200
"""Larger arguments of a named function are not worked out."""


def check_claims(old: str, new: str, old_output: str, new_output: str) -> None:
    """Pass if a carried text claims nothing that its new values belie.

    Args:
        old: the text of the right solution.
        new: the same with the changed values put in.
        old_output: of the cell before it, as recorded.
        new_output: of that cell, as it is now.

    Raises:
        Inconsistent: ``output_not_told`` (the old text told all numbers of the output, the new one does not),
            ``misnamed_result`` (a function of numbers has another value than is said), ``confirmed`` (a check is said
            to confirm the result).
    """
    if _CONFIRMS.search(new):
        raise Inconsistent("confirmed")
    if _tells(old, old_output) and not _tells(new, new_output):
        raise Inconsistent("output_not_told")
    if any(not holds for holds in _named_results(new)):
        raise Inconsistent("misnamed_result")


def _tells(text: str, output: str) -> bool:
    """Whether an output has two numbers or more, and a text states them all, rounded as it likes."""
    values = set(values_in(output))
    if len(values) < 2:
        return False
    told = [(mention.value, Fraction(1, 10**mention.places)) for mention in find_mentions(text)]
    return all(any(abs(value - said) < step for said, step in told) for value in values)


def _named_results(text: str) -> list[bool]:
    """Return, for each function of numbers whose result a text states, whether it is that."""
    found = []
    for form, function in _NAMED:
        for match in form.finditer(text):
            *arguments, result = (int(group.replace(",", "")) for group in match.groups())
            if max(arguments) <= MOST_ARGUMENT:
                found.append(function(*arguments) == result)  # type: ignore[operator]
    return found
