r"""Read a gold answer: what a data set states, not what a model says.

A gold is an answer as it stands, bare (``2\sqrt{3}``) or between formula marks. A worked solution counts only where
a box, ``####`` or an answer tag says which of its numbers is meant. Qualifiers come off (``$12$ (attained at $x=7$)``
is 12); a definition is put in (``$2^n-1$ where $n=3$`` is ``2^n-1`` or ``2^3-1``). What holds several formulas or
several counted things besides is no one answer, and a word such as "proof" or "None" none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from verifier.extraction.boxes import boxed_answer
from verifier.extraction.fields import tagged
from verifier.extraction.phrases import last_phrase
from verifier.extraction.prose import is_bare
from verifier.extraction.statement import marked_currency
from verifier.extraction.values import values_in
from verifier.parsing.choices import is_choice
from verifier.parsing.markup import MATH, strip_markup, unwrap
from verifier.parsing.notation import TEXT_COMMAND, has_chinese, words_of
from verifier.parsing.plain_numbers import Plain, read_number
from verifier.parsing.vocabulary import AGREEING
from verifier.patterns import pattern

ALTERNATIVES = " ## "  # parts several forms of a gold, any of which will do


class Gold(NamedTuple):
    """A gold answer as it is compared.

    Attributes:
        answer: the bare answer, its alternatives parted by ``##``; None where there is nothing to compare with.
        number: its value where it is a plain number.
        choice: whether it is the letter of a choice.
        agreement: whether it is "yes", "no" or another word for one of them.
        why: what is missing where there is no answer.
    """

    answer: str | None
    number: Plain | None = None
    choice: bool = False
    agreement: bool = False
    why: str = ""


MISSING = Gold(None, why="the gold answer is empty")


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Gold:
    """Return what a gold answer states."""
    number = read_number(gold)
    if number is not None:
        return Gold(gold, number)
    forms: list[str] = []
    why = MISSING.why
    for part in _PARTED.split(gold) if "##" in gold else (gold,):
        read, why = _read(part.strip())
        forms += read
    if not forms:
        return Gold(None, why=why)
    if len(forms) == 1:
        agrees = AGREEING.get(words_of(forms[0])) in ("yes", "no")
        return Gold(forms[0], read_number(forms[0]), is_choice(forms[0]), agrees)
    return Gold(ALTERNATIVES.join(dict.fromkeys(forms)), choice=all(map(is_choice, forms)))


_PARTED = pattern(r"(?<!#)\\?#\s*\\?#(?!#)(?!\s*\\?#)")
# "None", "n/a", "see solution"; "none of these" is left alone.
_SENTINEL = pattern(
    r"\$?(?:none|null|nan|n/?a|proof|(?:see|as)\s+(?:the\s+)?(?:proof|solution|above)|not\s*found|unknown|no\s+answer|missing|todo|tbd"
    r"|problem\s+not\s+solved|-+|\?+)\.?\$?",
    re.IGNORECASE,
)


def _read(gold: str) -> tuple[list[str], str]:
    """Return the forms of one gold answer, or none and the reason."""
    if not gold:
        return [], MISSING.why
    if _SENTINEL.fullmatch(gold):
        return [], f"the gold answer is no answer: {gold!r}"
    named = _named(gold)
    if named is not None:
        return ([strip_markup(named)], "") if named.strip() else ([], MISSING.why)
    gold = _INTRODUCED.sub("", gold)
    if read_number(gold) is not None:
        return [gold], ""
    return _unqualified(gold)


# "The answer is 5", "Ans: 5", "option B"; "option 5 dollars" is left alone.
_INTRODUCED = pattern(
    r"^\s*[*_]*(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|ans)[*_]*\s*(?:is|:|=)[*_:]*\s*|^\s*(?:【答案】|答案?)\s*(?:是|为|[:：])?\s*"
    r"|^\s*(?:option|choice)\s+(?=[\dA-J]\W*$)",
    re.IGNORECASE,
)


def _named(gold: str) -> str | None:
    """Return what a box, ``####`` or an answer tag names as the answer of a worked solution; None where none does."""
    boxed = boxed_answer(gold)
    if boxed is not None:
        return boxed.answer
    if "####" in gold:
        return gold.rpartition("####")[2].split("\n", 1)[0] if gold.rpartition("####")[2].strip() else ""
    field = tagged(gold)
    if field is None and (phrase := last_phrase(gold)) is not None:
        return gold[phrase.end() :]
    return field


# --- qualifiers

# "12 (attained at x=7)", "2x for all real x", "12, attained at x=7", "7 if n is odd" keeps its condition as a remark
_QUALIFIER = pattern(
    rf"\s*[,;.]?\s*(?:{TEXT_COMMAND}\{{)?\s*\(?\s*\b(?:for\s+(?:all|any|every|each|some|real|positive|integers?|constants?|[$\\]?[a-zA-Z]\b)"
    r"|since|because|where|attained|achieved|reached|obtained|when|whenever|as\s+long\s+as|such\s+that|with\s+equality|equality|assuming|provided)\b"
)
# "x=3 (the other root is extraneous)", "x=3 is the only solution", "42 (approximately)"; "5 (apples)", "3 (or 4)"
# are left alone.
_REMARK = pattern(
    r"\s*\((?=(?:[^()\d$\\]*\s){2})[^()\d$\\]*\b(?:is|are|was|were|be|has|have)\b[^()\d$\\]*\)\s*\.?\Z"
    r"|\s+(?:only|(?:is|are)\s+the\s+only\s+(?:solutions?|answers?|values?))\.?\Z|\s*\((?:approximately|approx\.?|about|rounded\b[^()]*|to\s+the\s+nearest\b[^()]*)\)\s*\.?\Z"
)
# "1/2 (or 0.5)", "1/2 (i.e. 0.5)"
_OTHERWISE = pattern(r"(?<=\S)\s*\(\s*(?:or|i\.?e\.?,?|that\s+is,?|=)\s*([^()]+)\)\s*\.?\Z")
# "where $n = 3$"; "where n is odd" is left alone.
_DEFINITION = pattern(r"\bwhere\s+[$(\\]*((?:\\[A-Za-z]+|[A-Za-z])(?:_\{?\w+\}?)?)\s*=\s*")


def _unqualified(gold: str) -> tuple[list[str], str]:
    """Return a gold answer without what qualifies it; with a definition put in, where it has one."""
    if "(" in gold or "only" in gold:
        gold = _REMARK.sub("", gold)
    gold = marked_currency(gold)
    if "(" in gold and (other := _OTHERWISE.search(gold)):
        before, why = _unqualified(gold[: other.start()])
        return [*before, *_unqualified(other[1])[0]], why
    match = _QUALIFIER.search(gold)
    head = gold[: match.start()] if match else gold
    if match and (not head.strip(" $({") or _is_open(head) or not values_in(head)):
        match, head = None, gold
    main = _one_formula(head)
    if main is None:
        return [], "the gold answer holds several formulas or quantities, and does not say which is meant"
    forms = [main]
    if match and (definition := _DEFINITION.search(gold, match.start())):
        forms.append(_defined(main, definition, gold))
    return list(dict.fromkeys(filter(None, forms))), ""


def _is_open(head: str) -> bool:
    """Whether a text ends within a formula or brackets."""
    bare = head.replace("\\$", "")
    return (
        bare.count("$") % 2 == 1
        or any(bare.count(a) != bare.count(b) for a, b in (("{", "}"), ("\\(", "\\)"), ("\\[", "\\]")))
        or bare.count("(") > bare.count(")") + bare.count("]")
    )


def _defined(main: str, definition: re.Match[str], gold: str) -> str:
    """Return the answer with a name in it replaced by what it is defined to be; "" where it is not in it."""
    value = gold[definition.end() :].split("$")[0].strip(" .,;)").removesuffix("\\")
    name = definition[1]
    letters = re.compile(
        rf"{re.escape(name)}(?![A-Za-z_])"
        if name[0] == "\\"
        else rf"(?<![A-Za-z\\_]){re.escape(name)}(?![A-Za-z_])"
    )
    if not value or not letters.search(main):
        return ""
    return letters.sub(lambda _: f"({value})", main)


# "$3$ and $4$", "$3$, $4$"; "$3$ but $4$" is left alone.
_BETWEEN = pattern(r"(?:\s|[,;、和或与.]|\band\b|\bor\b|\\[,; ]|&)*")
# "Ann has 3", "so it is"; "3 apples" and the product in "Ae^x + Be^{2x}" are left alone.
_SENTENCE = pattern(
    r"\b(?:is|are|has|have|was|were|be|must|and|thus|so|we|get|that)\b(?!\s*\^)", re.IGNORECASE
)


def _one_formula(text: str) -> str | None:
    """Return a gold answer without its formula marks; None where it holds several things besides one another."""
    bare = strip_markup(text)
    formulas = list(MATH.finditer(bare))
    if len(formulas) == 1 and not bare.replace(formulas[0][0], "").strip(" .,;:"):
        return unwrap(formulas[0][0])
    if not formulas:
        return None if _is_told(bare) else bare
    if len(formulas) > 1:
        gaps = [bare[a.end() : b.start()] for a, b in pairwise(formulas)]
        outside = bare[: formulas[0].start()] + bare[formulas[-1].end() :]
        if not all(map(_BETWEEN.fullmatch, gaps)) or outside.strip(" .,;"):
            return None
        return MATH.sub(lambda m: unwrap(m[0]), bare)
    return bare if is_bare(bare) else None


def _is_told(text: str) -> bool:
    """Whether a text without formulas is a sentence about numbers: "John: 3, Mary: 5", "Ann has 3 and Bob 5"."""
    if has_chinese(text) or "\\" in text:
        return False
    number = re.search(r"\d", text)
    if number and _SENTENCE.search(text, 0, number.start()):
        return True
    words = re.findall(r"[A-Za-z]{3,}", text)
    if not words or len(values_in(text)) < 2:
        return False
    return len(re.findall(r"[A-Za-z]\s*:", text)) > 1 or (
        len(words) > 3 and _SENTENCE.search(text) is not None
    )
