r"""What the text before a cell, and the comments in it, say the cell will do.

A mutation *contradicts* the text if the text quotes the changed number or reckons the result out in numbers
(``20 \times 12``). It *departs from the plan* if the text names the changed operation in words or in a formula of names
(``\text{total} = \text{boys} + \text{girls}``). Models do write code that does not follow their plan, so such slips are
used, but only where nothing better is found, and they are marked.

Not covered: plans in other languages than English and formulas; what the question itself states.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from typing import Final

from scdpo.corrupt.mutation.syntax import Mutation
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions, split_fractions
from scdpo.corrupt.rewriting.stated_arithmetic import find_expressions

# How a text states the operator of the code beside it. For "4 - 3"; leaves the sign of "(-3" alone.
_IN_FORMULA: Final = {
    "+": re.compile(r"\+"),
    "-": re.compile(r"(?<=[\w)}\]])\s*-\s*(?=[\w(\\{$])"),
    "*": re.compile(r"\\times|\\cdot|\u00d7|\*"),
    "/": re.compile(r"\\[dt]?frac|\\div|\u00f7|/"),
    "//": re.compile(r"\\lfloor|\\[dt]?frac|\\div|/"),
    "%": re.compile(r"\\[bp]?mod|%"),
    "**": re.compile(r"\^"),
}
# The same in words. For "adding both"; leaves "their addresses" and "in summer" alone.
_IN_WORDS: Final = {
    "+": r"\badd(?:s|ed|ing|ition\w*)?\b|\bsum(?:s|med|ming)?\b|\bplus\b|\btotal\b|\bcombin\w*|\btogether\b"
    r"|\bmore than\b|\bincreas\w*",
    "-": r"\bsubtract\w*|\bminus\b|\bdifference\b|\bless\b|\bremain\w*|\bleft\b|\bdecreas\w*|\bdeduct\w*|\bfewer\b",
    "*": r"\bmultipl\w*|\btimes\b|\bproduct\b|\btwice\b|\bdoubl\w*|\btripl\w*|\beach\b|\bper\b|\bevery\b",
    "/": r"\bdivid\w*|\bratio\b|\bper\b|\baverage\b|\bhalf\b|\bfraction\b|\bquotient\b|\bmean\b|\beach\b",
    "//": r"\bdivid\w*|\bquotient\b|\bfloor\b",
    "%": r"\bremainder\b|\bmod(?:ulo|ulus)?\b",
    "**": r"\bsquare\w*|\bpower\b|\bcube\w*|\bexponent\w*",
}
_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(?=\()")
_FUNCTION_WORDS: Final = {
    "sum": r"\bsum(?:s|med|ming)?\b|\badd(?:s|ed|ing|ition\w*)?\b|\btotal\b",
    "max": r"\bmax\w*|\blargest\b|\bgreatest\b|\bhighest\b",
    "min": r"\bmin\w*|\bsmallest\b|\bleast\b|\blowest\b",
    "lcm": r"\blcm\b|least common",
    "gcd": r"\bgcd\b|greatest common",
    "comb": r"\bcombination|\\binom|\bchoose\b",
    "binomial": r"\bcombination|\\binom|\bchoose\b",
    "combinations": r"\bcombination|\\binom|\bchoose\b",
    "perm": r"\bpermutation|\barrange",
    "permutations": r"\bpermutation|\barrange",
    "floor": r"\bfloor\b|\\lfloor|\bround\w* down",
    "ceil": r"\bceil\w*|\\lceil|\bround\w* up",
    "sqrt": r"square root|\\sqrt",
    "factorial": r"factorial|!",
    "sin": r"\\?sine?\b",
    "cos": r"\\?cos\w*\b",
    "tan": r"\\?tan\w*\b",
}


def contradiction(mutation: Mutation, plan: str) -> str | None:
    """Return why a mutation cannot stand after the text of its plan, or None.

    Returns:
        ``stated_in_text``, ``stated_in_comment`` or ``stated_in_name`` (of a variable): the number, or the operation
        as a formula, is written there.
    """
    if mutation.literal:
        old = Fraction(mutation.before)
        said = split_fractions(m for m in find_mentions(plan) if m.role == "value")
        if any(abs(m.value) in (old, 100 * old) for m in said):  # 0.2 for 20 %
            return "stated_in_text"
        if re.search(rf"[A-Za-z]_?{re.escape(mutation.before)}(?![\d.])", mutation.code):
            return "stated_in_name"  # factorial_11 = factorial(10)
    if any(
        _IN_FORMULA[operator].search(comment)
        for operator in mutation.operators
        for comment in _comments(mutation)
    ):
        return "stated_in_comment"
    return None


def states_result(plan: str, code: str, changed: Collection[Fraction]) -> bool:
    """Return whether the text before a cell, or a comment in it, reckons out in numbers what the mutation changed.

    Args:
        plan: the text before the cell.
        code: the mutated cell.
        changed: the old values of what came out differently.
    """
    said = "\n".join([plan, *(line.partition("#")[2] for line in code.split("\n"))])
    for expression in find_expressions(said):
        value = expression.value(lambda mention: mention.value)
        if value is not None and any(abs(value - old) <= abs(old) / 10**9 for old in changed):
            return True
    return False


def _comments(mutation: Mutation) -> list[str]:
    """Return the comments on the changed line and on the line before it."""
    lines = mutation.code.split("\n")[max(0, mutation.line - 1) : mutation.line + 1]
    return [line.partition("#")[2].strip(" #-*=") for line in lines if "#" in line]


def departs_from_plan(mutation: Mutation, plan: str) -> bool:
    """Return whether the text before the cell, or a comment beside the change, names the operation that was changed."""
    said = "\n".join([plan, *_comments(mutation)])
    for operator in mutation.operators:
        if re.search(_IN_WORDS[operator], said, re.IGNORECASE):
            return True
        if "=" in plan and _IN_FORMULA[operator].search(plan):
            return True
    changed = set(_FUNCTION.findall(mutation.before)) - set(_FUNCTION.findall(mutation.after))
    return any(re.search(_FUNCTION_WORDS[f], said, re.IGNORECASE) for f in changed if f in _FUNCTION_WORDS)
