r"""What a sentence states: the one value that it comes to, or nothing.

The value counts only as the whole expression that it stands in. Two quantities are no one answer, unless a
conclusion, a verb or a preposition says which is meant: "In 7 days he runs 70 miles" states 70 miles, "Ann has 3
apples and Bob has 5" nothing. What is doubted, denied, compared or changed is not stated.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from verifier.extraction.doubt import (
    denied_before,
    is_another,
    leaves_open,
)
from verifier.extraction.suppositions import is_counterfactual, is_mentioned, is_supposed, is_withdrawn
from verifier.extraction.values import Value, in_words, values_in
from verifier.parsing.notation import chinese_words, has_chinese
from verifier.patterns import pattern

MAX_SENTENCE = 2_000  # characters of one that are read, from its end
MAX_WORDS_BEFORE = 40  # characters before a value in which a preposition stands


class Stated(NamedTuple):
    """What a sentence states: the answer, or None with what prevents it; ``None, ""`` where there is no value."""

    answer: str | None
    why: str = ""


NOTHING = Stated(None)
OPEN = Stated(None, "the answer is left open or denied")
SUPPOSED = Stated(None, "the answer is only compared, supposed, mentioned or taken back")
SEVERAL = Stated(None, "several quantities, and no one answer")


def stated_in(sentence: str) -> Stated:
    """Return what a sentence states."""
    sentence = marked_currency(sentence[-MAX_SENTENCE:])
    if has_chinese(sentence):
        sentence = chinese_words(sentence)
    plain, bold = without_emphasis(sentence)
    plain = _without_place(plain)
    if plain.rstrip().endswith("?"):
        return OPEN
    if bracketed := _BRACKETED.findall(plain):
        return Stated(bracketed[-1].strip())
    if exact := _EXACTLY.search(plain):
        return Stated(exact[1].strip())
    groups = _grouped(plain, _totals(plain, _not_restated(plain, values_in(plain))))
    groups = groups or in_words(plain)
    if not groups:
        return NOTHING
    if leaves_open(plain):
        return OPEN
    emphasised = [g for g in groups if any(b <= g.start and g.end <= e + 2 for b, e in bold)]
    group = _chosen(plain, emphasised or groups)
    if group is None or not group.text:
        return SEVERAL
    if is_another(plain, group.start, group.end) or is_mentioned(plain, group.start, group.end):
        return SUPPOSED
    if is_supposed(plain, group.start) or is_withdrawn(plain, group.end) or is_counterfactual(plain):
        return SUPPOSED
    return Stated(group.text.replace("\\$", "$") if group.text.count("\\$") == 1 else group.text)


# "The maximum is 9, which occurs when x = 3", 最大值为9，当且仅当x=3时取到: where it is attained comes off; "it occurs
# 3 times" and 当x=3时，最大值为9 are left alone.
_PLACE = pattern(
    r"(?<=[\d)}$])[,;]?\s*(?:\(|which\s+|and\s+(?:it\s+|this\s+)?|this\s+)?(?:is\s+|are\s+)?"
    r"(?:occurs?|occurring|attained|achieved|reached|happens?)\s+(?:only\s+)?(?:when|at|for|if)\b.*\Z"
    r"|(?<=[\d)}$])\s*[,，]\s*(?:当且仅当|此时|等号).*\Z",
    re.IGNORECASE | re.DOTALL,
)


def _without_place(sentence: str) -> str:
    return _PLACE.sub("", sentence)


# "The answer is [45]." as some prompts ask for; an interval [3, 4] and an index a[5] are none
_BRACKETED = pattern(r"(?<![\w)*^/+\-=∈\\])\[\s*(?=[^\[\]\n]*\d)([^\[\],\n]{1,60})\](?=[\s.,!]|$)")

# "about 0.14 (exactly $5/36$)"; "12 (exactly half)" is left alone.
_EXACTLY = pattern(r"\((?:or\s+)?exactly,?\s+(?=[^()]{0,4}[\d\\])([^()]{1,80})\)", re.IGNORECASE)

# --- dollars and emphasis

# "$5 and $7" is money; "$5$ and $7$" are formulas.
_DOLLARS = pattern(r"(?<![\\$])\$(?!\$)(?:(?P<formula>[^$\n]*[^$\s]\$(?![\d$]))|(?=-?[\d.]))")


def marked_currency(text: str) -> str:
    r"""Write dollars that are money as ``\$``.

    They stand before a number and close no formula: in ``13 * $2 = $26 per day`` the second is followed by a digit;
    ``$5$ and $7$`` are formulas.
    """
    if "$" not in text:
        return text
    return _DOLLARS.sub(lambda m: m[0] if m["formula"] else "\\$", text)


# **5**, __Answer__, *5*; 2**3, 2*3*4 and x_1 are no emphasis
_EMPHASIS = pattern(r"(?<![\w*)\]])(\*{1,3}|__?)(?=[^\s*_])((?:(?!\1)[^\n]){1,200}?)(?<=[^\s*_])\1(?![\w*])")


# <b>12</b>; a<b and <answer> are left alone.
_TAGS = pattern(r"</?(?:b|strong|i|em|u|mark|span|p|center|h[1-6])(?:\s[^<>]{0,60})?>")


def without_emphasis(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without the marks of emphasis, and where what they emphasised now stands."""
    if "</" in text:
        text = _TAGS.sub("", text)
    if "*" not in text and "_" not in text:
        return text, []
    parts, places, length, begin = [], [], 0, 0
    for match in _EMPHASIS.finditer(text):
        parts += [text[begin : match.start()], match[2]]
        length += match.start() - begin
        places.append((length, length + len(match[2])))
        length += len(match[2])
        begin = match.end()
    return "".join((*parts, text[begin:])), places


# --- several values

# "3 and 4", "3, 4", "x = 3 or x = 5" are one list; "3 to 4", "3 in 4", "12 minus 7", "3 x 4" one expression.
_JOINT = pattern(
    r"\s*(?:[,;、，]?\s*(?:and|or|&|和|或者|或|与|及)|[,;、]|to|by|in|of|out\s+of|x|times|minus|plus|over|per|mod|:|,\s*\(?mod)?\s*"
)


# "12 apples in total", "12 altogether"; "12 in a box" is left alone.
_TOTAL = pattern(r"\s*(?:[A-Za-z]+\s+)?(?:in\s+total|total|altogether|in\s+all|all\s+together)\b")


def _totals(sentence: str, values: list[Value]) -> list[Value]:
    """Return the last value alone where it is called the total, else all."""
    last = values[-1:]
    return last if last and _TOTAL.match(sentence, last[0].end) else values


# "1/6, or about 16.7%", "2.5 hours (or approximately 3)"; "5, or 6" is left alone.
_RESTATED = pattern(
    r"[\s,(]*(?:or|i\.e\.|that\s+is|which\s+is),?\s+(?:about|approximately|roughly|around)\s+"
)


def _not_restated(sentence: str, values: list[Value]) -> list[Value]:
    """Return the values without those that only say the one before them once more, rounded."""
    kept = values[:1]
    kept += [v for u, v in pairwise(values) if not _RESTATED.fullmatch(sentence, u.end, v.start)]
    return kept


_OPERATIONS = {"times": "\\times", "plus": "+", "minus": "-", "over": "/"}


def _grouped(sentence: str, values: list[Value]) -> list[Value]:
    """Return the values, with those that make one expression or one list joined."""
    groups: list[Value] = []
    for value in values:
        last = groups[-1] if groups else None
        gap = sentence[last.end : value.start] if last else ""
        leads = last is not None and gap.strip() == "," and _stands_after(_PREPOSITION, sentence, last)
        if last is None or leads or _JOINT.fullmatch(gap) is None:  # In 1984, 12 countries
            groups.append(value)
            continue
        joint = f" {_OPERATIONS.get(gap.strip(), gap.strip())} " if gap.strip() else " "
        if gap.strip() in ("", ","):
            joint = gap if gap else " "
        groups[-1] = Value(last.start, value.end, f"{last.text}{joint}{value.text}")
    return groups


# "is 5", "makes 5", 等于5; "3:5" and "his 5" are left alone.
_PREDICATE = pattern(
    r"\b(?:is|are|was|were|be|equals?|makes?|gives?|becomes?|yields?|leaves?|totals?|gets?|est|ist|es|è|é)\b|(?<![\d<>=])[:：]|[是为]|等于|得到|共有?",
)
# "so 5", "for a total of 5", 所以5; "also 5" is left alone.
_CONCLUSION = pattern(
    r"\b(?:so|thus|hence|then|therefore|which|that|for\s+a\s+total|total(?:l?ing)?|giving|making|leaving)\b"
    r"|所以|因此|故|则|那么|即|总共|一共|共|得",
    re.IGNORECASE,
)
# "and", "while", a comma; "or", which makes one list, is left alone.
_COORDINATION = pattern(r"\b(?:and|while|whereas|but)\b|[,;，；]")
# "in 7", "out of the first 7", "to paint 7"; "to be 7" is left alone.
_PREPOSITION = pattern(
    r"\b(?:in|for|with|from|of|at|on|by|within|over|per|after|before|every|each|than|during|into|among|out\s+of|when|if"
    r"|to\s+(?!be\b)[a-z]{3,})\s+"
    r"(?:(?:the|a|an|all|these|those|first|last|next|other|another|only|\$?[a-zA-Z]\s*=)\s*)*[(\s]*\Z",
    re.IGNORECASE,
)
_WHICH_IS = pattern(r"[A-Za-z]\s+of\s+\$?\Z")  # a remainder of 2; of 80 in "25% of 80" is none
# "Since there are 3 boxes of 4, ...", "In 7 days, ...": a clause or phrase that only leads to what is said
_LEADING = pattern(
    r"^\W*(?:since|if|because|when|after|before|as|given|with|in|for|of|once|while|by|from|at|on|out|adding|multiplying|dividing"
    r"|subtracting|solving|substituting|using|plugging|由于|因为|当|若|如果|将|把)",
    re.IGNORECASE,
)


def _chosen(sentence: str, groups: list[Value]) -> Value | None:
    """Return the group that the sentence comes to, or None where several would do."""
    groups = [g for g in groups if not denied_before(sentence, g.start)] or groups  # not 12, but 13
    if len(groups) == 1:
        return groups[0]
    concluded = _concluded(sentence, groups)
    if len(concluded) == 1:
        return concluded[0]
    said = _predicated(sentence, concluded)
    for candidates in (said, concluded):
        main = [g for g in candidates if not _stands_after(_PREPOSITION, sentence, g)]
        main = main or [g for g in candidates if _stands_after(_WHICH_IS, sentence, g)]
        if main:
            return main[0] if len(main) == 1 else None
    return said[0] if len(said) == 1 else None


def _stands_after(words: re.Pattern[str], sentence: str, group: Value) -> bool:
    return words.search(sentence, max(0, group.start - MAX_WORDS_BEFORE), group.start) is not None


def _concluded(sentence: str, groups: list[Value]) -> list[Value]:
    """Return the groups after the last conclusion or leading clause; all where there is none."""
    for cut in reversed([m.end() for m in _CONCLUSION.finditer(sentence)]):
        after = [g for g in groups if g.start >= cut]
        if after:
            return after
    if _LEADING.match(sentence):
        for match in reversed(list(_COORDINATION.finditer(sentence))):
            after = [g for g in groups if g.start >= match.end()]
            if after:
                return after
    return groups


def _predicated(sentence: str, groups: list[Value]) -> list[Value]:
    """Return the groups after the last predicate, unless another clause says as much beside it."""
    begin = groups[0].start
    predicates = [m.end() for m in _PREDICATE.finditer(sentence) if m.end() <= groups[-1].start]
    if not predicates:
        return groups
    cut = predicates[-1]
    before = [g for g in groups if g.end <= cut]
    after = [g for g in groups if g.start >= cut]
    told = [g for g in before if any(p <= g.start for p in predicates)]
    if told and _COORDINATION.search(sentence, max(begin, told[-1].end), cut):
        return groups
    return after or groups
