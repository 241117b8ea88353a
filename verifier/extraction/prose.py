"""Whether a text can be an answer by itself: a formula or a few words, not a sentence."""

from __future__ import annotations

import re

from verifier.functions_table import SPELLINGS
from verifier.parsing.markup import MATH
from verifier.parsing.notation import TEXT_COMMAND, has_chinese
from verifier.parsing.units import unit_of

_LETTERS = re.compile(r"[A-Za-z]+")
_MATHEMATICAL = re.compile(r"[\d$\\=]")
_PROSE_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_TEXT_COMMAND = re.compile(rf"(?:{TEXT_COMMAND}|\\(?:begin|end))\s*\{{[^{{}}]*\}}")
_FAMILIAR = (
    "and or frac cdot times degrees degree percent pct yes true false even odd"
    " none undefined infinity inf dollars cents meters metres feet inches hours minutes seconds days weeks years"
    " units miles pounds grams per square cubic hundred thousand million billion dozen negative minus"
    " january february march april may june july august september october november december"
)
_KNOWN_WORDS = frozenset({*_FAMILIAR.split(), *map(str.lower, SPELLINGS)})


def is_bare(text: str) -> bool:
    """Whether ``text`` can be an answer by itself: a formula or a few words, not a sentence."""
    if len(text) > 400:
        return "\n" not in text and " " not in text[:400]
    if has_chinese(text):
        return _CJK_SENTENCE.search(text) is None and not _CJK_CLAUSE.match(text)
    if _MATHEMATICAL.search(text) and (first := _FIRST_WORD.match(text)) and not _is_known(first[0]):
        return False
    if MATH.search(text):
        outside = MATH.sub(" ", text)
        return all(map(_is_known, _LETTERS.findall(_TEXT_COMMAND.sub(" ", outside))))
    words = _PROSE_WORD.findall(_TEXT_COMMAND.sub(" ", text))
    return sum(not _is_known(w) for w in words) <= (1 if _MATHEMATICAL.search(text) else 3)


def _is_known(word: str) -> bool:
    return word.lower() in _KNOWN_WORDS or (len(word) > 1 and unit_of(word) is not None)


# "It equals 5", "Janet has 5"; "Area = 12" and "January 5" are names
_FIRST_WORD = re.compile(r"(?!(?:about|approximately|roughly|around)\b)[A-Za-z]{2,}(?!\w|\s*[=:({\\^_]|-)")
# 一共花了12.5元; 每份应该是3吨, 甲=3 and 五分之三 are names and values
_CJK_CLAUSE = re.compile(r"[\u3400-\u9fff]{2,}(?<![是为第约有共负号又之分])\d(?!.*[是为=])")
_CJK_SENTENCE = re.compile("[，。：；]|所以|因此|因为|可以|我们|得到|题目|不是|[\u3400-\u9fff]{7}")
