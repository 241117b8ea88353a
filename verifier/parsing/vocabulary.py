"""Names with a fixed meaning: constants, Greek letters, separators, and words that agree.

Functions stand in ``verifier.functions_table``.
"""

from __future__ import annotations

from verifier.functions_table import GLUED, SPELLINGS
from verifier.patterns import pattern
from verifier.tree import INFINITY, Const

CONSTANTS = {"pi": Const("pi"), "infinity": INFINITY, "inf": INFINITY, "infty": INFINITY, "oo": INFINITY}
_GREEK_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron rho sigma tau upsilon phi chi psi"
    " omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar"
)
GREEK = frozenset(_GREEK_LETTERS.split())
_GLUED_GREEK = ("theta", "alpha", "beta", "gamma", "delta", "lambda", "omega", "sigma", "phi", "pi")
# "sinx", "2pi"; "children" is kept whole by its other letters.
_GLUED = pattern(f"({'|'.join((*GLUED, *_GLUED_GREEK))})")
# "asinx", which may be arcsin; "arcsin" is left alone.
_INVERSE = pattern("(?<!rc)(?:asin|acos|atan)")
_ARGUMENTS = frozenset("abcnrtuvwxyz")


def glued_names(word: str) -> list[str]:
    """Part functions and Greek letters typed without spaces, such as ``sinxcosx``; other words stay whole."""
    if (
        len(word) == 1 or word in SPELLINGS or word in CONSTANTS or word in GREEK or _INVERSE.search(word)
    ):  # asinx: a sin x, or arcsin
        return [word]
    parts = _GLUED.split(word)
    if len(parts) == 1 or any(len(part) > 2 for part in parts[::2]):
        return [word]
    return [part for part in parts if part]


def is_typed(word: str) -> bool:
    """Whether a word is functions or Greek letters as typed: ``theta``, ``sinx``, but not ``children``."""
    if word in SPELLINGS or word in GREEK or word in CONSTANTS:
        return True
    names = glued_names(word)
    return len(names) > 1 and all(
        n in SPELLINGS or n in _ARGUMENTS or (len(n) == 1 and n.isupper()) for n in names
    )


RELATION_COMMANDS = {"le": "<=", "ge": ">=", "ne": "!=", "approx": "~", "equiv": "=", "in": "in", "sim": "~"}
# Commands that stand between two things and are no sign of multiplication between them.
_BETWEEN = (
    "cup cap setminus cdot times pm mp choose bmod pmod mod \\ and or to Rightarrow Leftrightarrow circ not qquad"
    " quad forall exists perp parallel subset subseteq notin propto"
)
NO_FACTORS = frozenset((*_BETWEEN.split(), *RELATION_COMMANDS))
_LETTER_LIKE = (
    "nabla aleph imath jmath wp hslash blacksquare square Box checkmark star heartsuit diamondsuit clubsuit spadesuit"
    " bigstar dagger diamond triangledown bigcirc odot"
)
LETTER_LIKE = frozenset(_LETTER_LIKE.split())

SEPARATOR_WORDS = {
    "and": "and",
    "or": "or",
    "和": "and",
    "或": "or",
    "与": "and",
    "及": "and",
    "且": "and",
    "或者": "or",
}
SEPARATOR_WORDS |= {"and/or": "or", "以及": "and", "but": "and"}

# Words of prose that would be products of letters: "the sum of 3 and x"; e^{it}, at^2 and "or" are left alone.
_ENGLISH = "of so to we the are was for not but has had sum all any if gives get"
ENGLISH_WORDS = frozenset(_ENGLISH.split())

AGREEING = {
    "yes": "yes", "true": "yes", "correct": "yes", "对": "yes", "是": "yes", "是的": "yes",
    "不对": "no", "不正确": "no",
    "正确": "yes", "√": "yes", "no": "no",
    "false": "no", "incorrect": "no", "错": "no", "不是": "no", "错误": "no", "否": "no", "none": "no solution",
    "no solutions": "no solution", "no real solution": "no solution", "no real solutions": "no solution",
    "无解": "no solution",
    "does not exist": "undefined", "dne": "undefined", "not defined": "undefined", "undefined": "undefined",
    "不存在": "undefined",
    "all real numbers": "reals", "all reals": "reals", "全体实数": "reals", "任意实数": "reals", "infinity": "infinity",
    "infinitely many": "infinity", "infinite": "infinity", "无穷大": "infinity", "不能确定": "cannot be determined",
    "无法确定": "cannot be determined",
    "none of these": "none of the above", "none of them": "none of the above",
    "none of the options": "none of the above",
}  # fmt: skip
