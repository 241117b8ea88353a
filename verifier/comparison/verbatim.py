"""Compare answers as they are written: digits in a base, words."""

from __future__ import annotations

from fractions import Fraction

from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.number_words import NUMBER_WORDS
from verifier.parsing.numerals import decimal
from verifier.patterns import pattern
from verifier.tree import Based, Node, Num, Sym, Words
from verifier.verdict import Rounding


def compare_based(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Compare digits in a base; None where neither answer has any."""
    if isinstance(a, Based) and isinstance(b, Based):
        if a.base == b.base or 0 in (a.base, b.base):  # a base of 0 is one that is not written
            same = a.digits.lstrip("0") == b.digits.lstrip("0")
            return (
                correct("the same digits")
                if same
                else incorrect(f"{a.digits} is not {b.digits} in base {a.base}")
            )
        return _by_value(a, b, "numbers in different bases")
    if isinstance(a, Based) or isinstance(b, Based):
        based, other = (a, b) if isinstance(a, Based) else (b, a)
        assert isinstance(based, Based)
        if based.digits.isdecimal() and other == decimal(based.digits):
            return correct(f"the same digits (base {based.base} is written on one side only)")
        return _by_value(based, other, f"not the digits {based.digits} of base {based.base}")
    return None


def _by_value(a: Node, b: Node, difference: str) -> Comparison:
    """Leave open whether the same number in another base answers the question; other numbers differ."""
    values = [_value_in_base(node) for node in (a, b)]
    if None not in values and values[0] == values[1]:
        return unverifiable("the same number in another base")
    return incorrect(difference)


def _value_in_base(node: Node) -> int | Fraction | None:
    if isinstance(node, Num):
        return node.value
    if not isinstance(node, Based) or not 2 <= node.base <= 36:
        return None
    try:
        return int(node.digits, node.base)
    except ValueError:  # a digit that the base has not, or places after a point
        return None


_ARTICLE = pattern(r"^(?:an?|the) (?=\w)")


# "the tallest is marcus", "there are none"; "the tallest is not marcus", "it is false that it is" are left alone.
_SAID_OF = pattern(
    r"(?:(?:so|thus|hence|therefore),? )?(?:the|it|that|this|he|she"
    r"|triangle|quadrilateral|polygon|series|sequence|function)\b"
    r"(?:(?! (?:that|not|never|no|false|wrong|who|if|is|was)\b)[ a-z])*"
    r" (?:is|was|must be) (?:therefore |thus )?(?:the |an? )?|there (?:is|are|exists?) "
)


def _says_of(sentence: Words, words: Words) -> bool:
    """Whether a sentence in words says of one thing what ``words`` are: "the tallest is marcus" and "marcus"."""
    match = _SAID_OF.match(sentence.words)
    return match is not None and sentence.words[match.end() :] == _ARTICLE.sub("", words.words) != ""


# "red, blue", "mary and john"
_LISTED = pattern(r", (?:and )?| and ")
MAX_WORDS = 4  # of an answer in words that differs from another one for certain
_HOLDS_NUMBER = pattern(r"[\d\\=^√π]")


def _may_hold_number(node: Node) -> bool:
    """Whether words may be mathematics that was not read: with digits, signs, commands or number words."""
    if not isinstance(node, Words):
        return False
    if node.formula or _HOLDS_NUMBER.search(node.words) or not NUMBER_WORDS.isdisjoint(node.words.split()):
        return True
    return _CHINESE_NUMBER.search(node.words) is not None


_CHINESE_NUMBER = pattern("[零一二两三四五六七八九十百千万亿]")


def compare_unread(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Leave open what words with numbers or formulas in them say beside mathematics; None for anything else."""
    words, other = (a, b) if isinstance(a, Words) else (b, a)
    if isinstance(other, Words) or not _may_hold_number(words):
        return None
    return unverifiable("an answer that cannot be read beside a mathematical one")


def compare_words(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Compare words; None where neither answer is words."""
    if isinstance(a, Words) and isinstance(b, Words):
        if _ARTICLE.sub("", a.words) == _ARTICLE.sub("", b.words) != "" or _says_of(a, b) or _says_of(b, a):
            return correct("the same words")
        parts = [sorted(_LISTED.split(node.words)) for node in (a, b)]
        if len(parts[0]) > 1 and parts[0] == parts[1]:
            return correct("the same words, listed")
        if _may_hold_number(a) or _may_hold_number(b):
            return unverifiable("words or formulas that cannot be read")
        if max(len(node.words.split()) for node in (a, b)) > MAX_WORDS:
            return unverifiable("other words, which may mean the same")
        if _says_more(a.words.split(), b.words.split()):
            return unverifiable("one answer says more than the other")
        return incorrect(f"{a.words[:60]!r} is not {b.words[:60]!r}")
    if isinstance(a, Words) or isinstance(b, Words):
        words, other = (a, b) if isinstance(a, Words) else (b, a)
        assert isinstance(words, Words)
        if isinstance(other, Sym) and _ANSWERS.get(other.name) == words.words:
            return correct(f"a letter for {words.words!r}")
        if isinstance(other, Sym) and other.name.lower() in words.words.split():
            return unverifiable("a letter, and words that name it")
        return incorrect("words and a mathematical answer")
    return None


def _says_more(a: list[str], b: list[str]) -> bool:
    """Whether all words of one stand in the other: "isosceles" and "an isosceles triangle"; "not even" is left out."""
    extra = set(a) ^ set(b)
    return (set(a) <= set(b) or set(b) <= set(a)) and extra.isdisjoint(("not", "no", "never", "non"))


_ANSWERS = {"Y": "yes", "N": "no", "T": "yes", "F": "no"}
