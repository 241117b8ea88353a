"""Whether a text can be an answer by itself: a formula or a few words, not a sentence."""

from __future__ import annotations

from verifier.functions_table import SPELLINGS
from verifier.parsing.markup import MATH
from verifier.parsing.notation import TEXT_COMMAND, has_chinese
from verifier.parsing.units import unit_of
from verifier.patterns import pattern

MAX_BARE = 400  # characters of an answer by itself that has spaces

_LETTERS = pattern(r"[A-Za-z]+")
_MATHEMATICAL = pattern(r"[\d$\\=]")
# "total"; "\alpha" and "ab" are left alone.
_PROSE_WORD = pattern(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
# "\text{cm}", "\begin{cases}"; "\frac{1}{2}" is left alone.
_TEXT_COMMAND = pattern(rf"(?:{TEXT_COMMAND}|\\(?:begin|end))\s*\{{[^{{}}]*\}}")
_FAMILIAR = (
    "and or frac cdot times degrees degree percent pct yes true false even odd"
    " none undefined infinity inf dollars cents meters metres feet inches hours minutes seconds days weeks years"
    " units miles pounds grams per square cubic hundred thousand million billion dozen negative minus"
    " january february march april may june july august september october november december"
)
_CONCLUDES = pattern(r"[,;]\s*(?:so|hence|thus|therefore)\b")  # 3 fails, so x = 7
_KNOWN_WORDS = frozenset({*_FAMILIAR.split(), *map(str.lower, SPELLINGS)})


def is_bare(text: str) -> bool:
    """Whether ``text`` can be an answer by itself: a formula or a few words, not a sentence."""
    if len(text) > MAX_BARE:
        return "\n" not in text and " " not in text[:MAX_BARE]
    if has_chinese(text):
        return _CJK_SENTENCE.search(text) is None and not _CJK_CLAUSE.match(text)
    if _MATHEMATICAL.search(text) and (
        _CONCLUDES.search(text) or _OTHER_LETTERS.search(text) or not _begins_with_value(text)
    ):
        return False
    if MATH.search(text):
        outside = MATH.sub(" ", text)
        return all(map(_is_known, _LETTERS.findall(_TEXT_COMMAND.sub(" ", outside))))
    words = _PROSE_WORD.findall(_TEXT_COMMAND.sub(" ", text))
    return sum(not _is_known(w) for w in words) <= (1 if _MATHEMATICAL.search(text) else 3)


def _is_known(word: str) -> bool:
    return word.lower() in _KNOWN_WORDS or (len(word) > 1 and unit_of(word) is not None)


_NAME = pattern(
    r"(?:[A-Za-z]|[A-Za-z][A-Za-z ]*[A-Za-z]{2})\s*[=:]"
)  # Total area = 12; We get x = 12 is none
# Letters that an operator follows are a product: xy + 5, pi/2
_LATIN_WORD = pattern(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z]|\s*[({^_+*/]|\s*-\s)")
_OTHER_LETTERS = pattern(
    r"[À-ÖØ-öø-ɏЀ-ӿ֐-ۿऀ-ॿ฀-๿ぁ-ヿ가-힣]"
)  # 42 яблока, 12 élèves: with words of a language
_APPROXIMATELY = frozenset(["about", "approximately", "roughly", "around"])


def _begins_with_value(text: str) -> bool:
    """Whether no word of prose stands before the first number: "x equals 5" and "Janet has 5" are sentences."""
    text = _TEXT_COMMAND.sub(" ", text)
    name = _NAME.match(text)
    first = _MATHEMATICAL.search(text, name.end() if name else 0)
    before = text[name.end() if name else 0 : first.start() if first else 0]
    return all(_is_known(w) or w.lower() in _APPROXIMATELY for w in _LATIN_WORD.findall(before))


# 一共花了12.5元; 每份应该是3吨, 甲=3, 共有12 and 五分之三 are names and values
_CJK_CLAUSE = pattern(r"(?!共有?\d)[\u3400-\u9fff]{2,}(?<![是为第约负号又之分])\d(?!.*[是为=])")
# 所以答案, a comma, seven characters in a row; 五分之三 is left alone.
_CJK_SENTENCE = pattern("[，。：；]|所以|因此|因为|可以|我们|得到|题目|不是|[\u3400-\u9fff]{7}")
