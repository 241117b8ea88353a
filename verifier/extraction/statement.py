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
    denied_after,
    denied_before,
    is_another,
    leaves_open,
)
from verifier.extraction.mentions import is_mentioned
from verifier.extraction.phrases import with_decimal_points
from verifier.extraction.suppositions import is_counterfactual, is_supposed, is_withdrawn
from verifier.extraction.values import Value, in_words, values_in
from verifier.parsing.notation import chinese_words, has_chinese
from verifier.patterns import pattern

MAX_SENTENCE = 2_000  # characters of one that are read, from its end
MAX_WORDS_BEFORE = 40  # characters before a value in which a preposition stands


class Stated(NamedTuple):
    """What a sentence states: the answer, or None with what prevents it; ``None, ""`` where there is no value.

    ``beside`` are the other values of the sentence, which were not taken for the answer.
    """

    answer: str | None
    why: str = ""
    beside: tuple[str, ...] = ()


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
    plain = with_decimal_points(_without_place(plain))
    if "=" in plain and (computed := _COMPUTED.search(plain)):
        plain = computed["last"]
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
    if _EITHER.search(plain, 0, group.start) and " or " not in group.text:
        return SEVERAL
    if is_another(plain, group.start, group.end) or is_mentioned(plain, group.start, group.end):
        return SUPPOSED
    if is_supposed(plain, group.start) or is_withdrawn(plain, group.end) or is_counterfactual(plain):
        return SUPPOSED
    if (value := _after_formula(group.text)) is not None:
        return Stated(value)
    answer = group.text.replace("\\$", "$") if group.text.count("\\$") == 1 else group.text
    return Stated(answer, beside=tuple(g.text for g in groups if g is not group))


# "The maximum is 9, which occurs when x = 3", 最大值为9，当且仅当x=3时取到: where it is attained comes off; "it occurs
# 3 times" and 当x=3时，最大值为9 are left alone.
_PLACE = pattern(
    r"(?<=[\d)}$])[,;]?\s*(?:\(|which\s+|and\s+(?:it\s+|this\s+)?|this\s+)?(?:is\s+|are\s+)?"
    r"(?:occurs?|occurring|attained|achieved|reached|happens?)\s+(?:only\s+)?(?:when|at|for|if|iff|exactly\s+when)\b.*\Z"
    r"|(?<=[\d)}$])\s*[,，]\s*(?:当且仅当|此时|等号).*\Z",
    re.IGNORECASE | re.DOTALL,
)


def _without_place(sentence: str) -> str:
    return _PLACE.sub("", sentence)


# "F = ma = 2 kg × 3.5 = 7 N", "1500 W = 1.5 kW", of which the last side counts; "y = 2x + 3" and "x = 3 or x = 7" are
# left alone.
_SIDE = r"(?:(?!\b(?:or|and|but|so|if|when|then)\b)[^$\\=<>≤≥≠,;])"
_COMPUTED = pattern(
    rf"\A[^$\\=<>≤≥≠]*(?:(?:={_SIDE}+)+|(?<![\w.)])\d[^$\\=<>≤≥≠,;A-Za-z]*[A-Za-z]+[\d²³]?\s*)="
    rf"(?P<last>{_SIDE}*\d{_SIDE}*)\Z"
)
# "100\ \text{J}", "3\times10^8\,\text{m/s}"; "2x\text{ J}" is left alone.
_WITH_UNIT = pattern(
    r"\s*(?:[^A-Za-z\\]|\\(?:times|cdot|[dt]?frac|sqrt|pi|[ ,;!]))+\\(?:text|mathrm)\{[^{}]*\}[^A-Za-z]*"
)
_LETTER = pattern(r"[A-Za-z]")


def _after_formula(text: str) -> str | None:
    r"""Return ``100\ \text{J}`` of ``mv^2 = 100\ \text{J}``; None where a name or no formula is equal to it."""
    left, sign, right = text.rpartition("=")
    if not sign or "{" not in right or len(_LETTER.findall(left)) < 2 or _WITH_UNIT.fullmatch(right) is None:
        return None
    return right.strip()


# "either 23 or its negative", of which the other is not read; "one of 7, 23"; "either way, 23" is left alone.
_EITHER = pattern(r"\b(?:either|one\s+of)\s+[$(\\]*\Z|\bone\s+of\s+[$(\\]*[-\d\\][^.;]*\Z", re.IGNORECASE)
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
# "120 dollars in 2 weeks": after a unit these are prepositions; "1 in 4" is left alone.
_AFTER_UNIT = frozenset(["in", "of", "over", "per", "out of"])
_ENDS_IN_UNIT = pattern(r"(?:[A-Za-z]{2}|\})\Z|\A\\?[$€£¥₹]")


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
    kept += [
        v
        for u, v in pairwise(values)
        if not (v.text.startswith("≈") or _RESTATED.fullmatch(sentence, u.end, v.start))
    ]
    return kept


_OPERATIONS = {"times": "\\times", "plus": "+", "minus": "-", "over": "/"}


def _grouped(sentence: str, values: list[Value]) -> list[Value]:
    """Return the values, with those that make one expression or one list joined."""
    groups: list[Value] = []
    for value in values:
        last = groups[-1] if groups else None
        gap = sentence[last.end : value.start] if last else ""
        leads = last is not None and gap.strip() == "," and _stands_after(_PREPOSITION, sentence, last)
        leads = leads or (
            last is not None and gap.strip() in _AFTER_UNIT and _ENDS_IN_UNIT.search(last.text) is not None
        )
        leads = leads or (last is not None and "and" in gap and ("%" in last.text) != ("%" in value.text))
        if last is None or leads or _JOINT.fullmatch(gap) is None:  # In 1984, 12 countries
            groups.append(value)
            continue
        joint = f" {_OPERATIONS.get(gap.strip(), gap.strip())} " if gap.strip() else " "
        if gap.strip() in ("", ","):
            joint = gap if gap else " "
        groups[-1] = Value(last.start, value.end, f"{last.text}{joint}{value.text}")
    return groups


# "is 5", "ends up with 5", 等于5; "to make 5", "3:5" and "his 5" are left alone.
_PREDICATE = pattern(
    r"\b(?:is|are|was|were|be(?!\s+able)|equals?|(?<!\bto )(?:makes?|gives?|gets?)|becomes?|yields?|leaves?|totals?"
    r"|ends?\s+up\s+with|left\s+with|(?:comes?|amounts?)\s+to|results?\s+in"
    r"|est|ist|es|è|é)\b|(?<![\d<>=])[:：]|[是为]|等于|得到|共有?",
)
# "so 5", "for a total of 5", "add them to get 5", 所以5; "also 5", "so that 5" and "discs that cost 5" are not.
_CONCLUSION = pattern(
    r"\b(?:so(?!\s+that\b)|thus|hence|then|therefore|which|(?:means?|find|sees?|shows?|know|conclude|follows|implies|get|says?|us|note)\s+that"
    r"|that(?=['’]s|\s+(?:is|was|are|makes?|gives?|leaves?|means)\b)|for\s+a\s+total|total(?:l?ing)?"
    r"|giving|making|leaving|namely|i\.e"
    r"|(?:add|subtract|multiply|divide|combine|simplify|solve|substitute|plug)\b[^.]{0,80}\bto\s+(?:get|obtain|find|give))\b"
    r"|所以|因此|故|则|那么|即|总共|一共|共|得",
    re.IGNORECASE,
)
# "and", "while", a comma; "or", which makes one list, is left alone.
_COORDINATION = pattern(r"\b(?:and|while|whereas|but)\b|[,;，；]")
# "in 7", "out of the first 7", "to paint 7"; "to be 7" and "needs to paint 7" are not.
_PREPOSITION = pattern(
    r"\b(?:in|for|(?<!up )(?<!left )with|from|of|at|on|by|within|over|per|after|before|every|each|than|during|into"
    r"|among|out\s+of|when|if"
    r"|(?<!needs )(?<!need )(?<!has )(?<!have )(?<!had )(?<!able )(?<!wants )(?<!going )"
    r"to\s+(?!be\b)[a-z]{3,})\s+"
    r"(?:(?:the|a|an|all|these|those|first|last|next|other|another|only|original|initial|total|remaining|\$?[a-zA-Z]\s*=)\s*)*[(\s]*\Z",
    re.IGNORECASE,
)
# "to make 4 beds and 3 masks", of which the 3 belongs to the purpose as the 4 does; "at $4 each and 3" is left alone.
_PURPOSE = pattern(r"\bto\s+(?!be\b)[a-z]{3,}\s+(?:the|a|an|all|these|those|another|\s)*[$(\\]*\Z")
_SHARES = pattern(r"[^,;.]{0,60}\band\s+(?:the\s+|an?\s+)?[$(\\]*\Z")
_SAID_OF = pattern(r"[)\\$]*\s*(?:[a-z]+\s+){0,2}(?:is|are|was|were|remains?|left|stay)\b")
_WHICH_IS = pattern(r"[A-Za-z]\s+of\s+\$?\Z")  # a remainder of 2; of 80 in "25% of 80" is none
# ", and since there are 28 oranges,": such a clause in the middle of a sentence
_LEADING_LATER = pattern(r"[,;]\s*(?:and|but)\s+(?:since|because|as|if|when)\b[^,;]*,", re.IGNORECASE)
# "Since there are 3 boxes of 4, ...", "In 7 days, ...": a clause or phrase that only leads to what is said
_LEADING = pattern(
    r"^\W*(?:since|if|because|when|after|before|as|given|with|in|for|of|once|while|by|from|at|on|out|adding|multiplying|dividing"
    r"|subtracting|solving|substituting|using|plugging|由于|因为|当|若|如果|将|把)",
    re.IGNORECASE,
)


def _chosen(sentence: str, groups: list[Value]) -> Value | None:
    """Return the group that the sentence comes to, or None where several would do."""
    denied = [g for g in groups if denied_before(sentence, g.start) or denied_after(sentence, g.end)]
    groups = [g for g in groups if g not in denied] or groups  # not 12, but 13
    groups = [g for g in groups if not _is_given(sentence, g)] or groups
    groups = [g for g in groups if not _COMPARED.match(sentence, g.end)] or groups
    groups = _of_main_clause(sentence, groups)
    if len(groups) == 1:
        return groups[0]
    concluded = _concluded(sentence, groups)
    if len(concluded) == 1:
        return concluded[0]
    said = _predicated(sentence, concluded)
    for candidates in (said, concluded):
        main = _not_aside(sentence, candidates)
        main = main or [g for g in candidates if _stands_after(_WHICH_IS, sentence, g)]
        if main:
            return main[0] if len(main) == 1 else None
    return said[0] if len(said) == 1 else None


# "$4 more than before" beside another value; "4 more" is left alone.
_COMPARED = pattern(r"[)\\$]*\s*(?:[a-z]+\s+){0,2}(?:more|less|fewer|older|younger|higher|lower)\s+than\b")
# "The 12 bottles last 2 days", "A 42 kg bag lasts 3 weeks", of which the first is given; "is the 12" is left alone.
_GIVEN = pattern(
    r"(?:\A|[,;.]\s|\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore)\s)\W{0,3}(?:[Tt]he|[Aa]n?|[Aa]ll|[Tt]hese|[Tt]hose)\s+[$(\\]*\Z"
)
_NOUN_AFTER = pattern(r"[)\\$]*\s*[a-z]{2,}")


def _is_given(sentence: str, group: Value) -> bool:
    """Whether a value only tells which things the sentence speaks of: "the 12 bottles"."""
    return _stands_after(_GIVEN, sentence, group) and _NOUN_AFTER.match(sentence, group.end) is not None


# "2.5 hours before they are 285 miles apart", "$7 to reach $60", where the clause ends the sentence; "when 3 left, 2
# remain", "the cost after noon is 7" and "5 and 7 to get 12" are left alone.
_SUBORDINATE = pattern(
    r"(?:,\s*(?:because|since)\b|\b(?:before|until|after|when|if|unless|because)\s+(?:they|he|she|it|we|you|I|there|someone)\b|\bso\s+that\b|\bin\s+order\s+(?:to|that|for)\b"
    r"|\b(?:(?:before|after|when|while)\s+[a-z]+ing|to\s+(?:reach|meet|hit|save|satisfy|fill|cover|buy|pay|earn|complete|finish|achieve|afford|feed"
    r"|produce|raise|maintain|be\s+able|have\s+\w+ed))\b(?![^,;:=]*\b(?:is|are|was|were|will\s+be)\b))[^,;:=]*\Z"
)
# "4 discs that cost $5 and 6 discs": the sentence goes on beside the clause
_GOES_ON = pattern(r"\band\s+(?:the\s+)?[$(\\\s]*\d")
# "10 stations that seat 2 students"; "so we see that 2" and "10, which makes 2" are left alone.
_RELATIVE = pattern(
    r"[)\\$]*\s*(?:[a-z-]+\s+){1,3}(?:that|who)\s+(?!is\b|are\b|was\b|were\b|makes?\b|gives?\b|means?\b)[a-z]+[^,;:=]*\Z"
)


def _of_main_clause(sentence: str, groups: list[Value]) -> list[Value]:
    """Return the groups before a clause that ends the sentence and only says when or what for; all without one."""
    match = _RELATIVE.match(sentence, groups[0].end) or _SUBORDINATE.search(sentence, groups[0].end)
    if match is None or _GOES_ON.search(sentence, match.start()):
        return groups
    return [g for g in groups if g.end <= match.start()] or groups[:1]


def _not_aside(sentence: str, groups: list[Value]) -> list[Value]:
    """Return the groups without those after a preposition, also where "and" lets two share one purpose."""
    kept: list[Value] = []
    last: Value | None = None
    for group in groups:
        shares = (
            last is not None
            and _stands_after(_PURPOSE, sentence, last)
            and _SHARES.fullmatch(sentence, last.end, group.start)
            and not _PREDICATE.search(sentence, last.end, group.start)
            and not _SAID_OF.match(sentence, group.end)
        )
        if shares or _stands_after(_PREPOSITION, sentence, group):
            last = group
        else:
            kept.append(group)
            last = None
    return kept


def _stands_after(words: re.Pattern[str], sentence: str, group: Value) -> bool:
    return words.search(sentence, max(0, group.start - MAX_WORDS_BEFORE), group.start) is not None


def _concluded(sentence: str, groups: list[Value]) -> list[Value]:
    """Return the groups after the last conclusion or leading clause; all where there is none."""
    for cut in reversed([m.end() for m in _CONCLUSION.finditer(sentence)]):
        after = [g for g in groups if g.start >= cut]
        if after:
            return after
    for match in reversed(list(_LEADING_LATER.finditer(sentence))):
        after = [g for g in groups if g.start >= match.end()]
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
