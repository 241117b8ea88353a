r"""The values that stand in a sentence: each the whole expression with its unit, never a fragment of one.

In "The line is y = 2x + 3." that is ``y = 2x + 3``, in "It takes 1 1/2 hours." ``1 1/2 hours``, in
"甲有2米5厘米。" ``2米5厘米``. Signs and letters belong to the expression that they touch; other words end it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.functions_table import SPELLINGS
from verifier.parsing.markup import MATH, unwrap
from verifier.parsing.notation import TEXT_COMMAND, plain
from verifier.parsing.number_words import NUMBER_WORDS, PART_WORDS, number_in_words
from verifier.parsing.plain_numbers import read_number
from verifier.parsing.units import unit_of
from verifier.parsing.vocabulary import CONSTANTS, GREEK
from verifier.patterns import pattern

MAX_UNIT_WORDS = 5
MAX_SHORT = 4  # characters of a unit that could also be variables, so that it is written as words: 5 m, 3 km


class Value(NamedTuple):
    """A whole expression in a sentence: where it stands with its unit, and its text without formula marks.

    The text is "" where only a part of it can be read.
    """

    start: int
    end: int
    text: str


_NUMBER_WORD = "|".join(sorted(NUMBER_WORDS))
# "two and a half", "one-third"; "three quarters" may be coins, and "one half of 10" is another number
_PART_WORD = rf"(?:{'|'.join(sorted(PART_WORDS - {'quarters'}))})\b(?!\s+of\s+\W*\d)|(?<=-)quarters\b"
# "There are five apples", "she has twenty-one"; the two of "the two lines" is not said of anything
_IN_WORDS = pattern(
    r"\b(?:is|are|was|were|has|have|had|be|equals?|gets?|makes?|(?:takes?|costs?)(?:\s+(?:him|her|them|it|us|me|you))?|needs?|total\s+of)\s+(?:only\s+|exactly\s+|just\s+)?"
    rf"(?P<number>(?:(?:minus|negative)\s+)?(?!one\b(?![\s-]+(?:{_NUMBER_WORD}|and\b|{_PART_WORD})))(?:{_NUMBER_WORD})(?:[\s-]+(?:and\s+)?(?:{_NUMBER_WORD}))*"
    rf"(?:(?:\s+and\s+(?:an?|one|two|three))?[\s-](?:{_PART_WORD}))?)\b",
    re.IGNORECASE,
)


def in_words(sentence: str) -> list[Value]:
    """Return the numbers that a sentence says in words, in digits."""
    found = []
    for match in _IN_WORDS.finditer(sentence):
        number = number_in_words(" ".join(match["number"].lower().split()))
        if number is not None:
            found.append(Value(match.start("number"), match.end(), str(number)))
    return found


# --- tokens

# The kinds: a formula in its marks; a reference or an ordinal adjective, which is no value ("Step 3", "3-digit");
# a number; a symbol; a sign; a bracket; a word; what ends an expression.
_TOKEN = pattern(
    rf"(?P<space>\s+)|(?P<formula>{MATH.pattern})"
    r"|(?P<idle>(?=[SsPpCcQqMmFfEeTtLl第])\b(?:[Ss]teps?|[Pp]arts?|[Cc]ases?|[Qq]uestions?|[Mm]ethods?|[Ff]igures?|[Ee]quations?|[Pp]roblems?|[Tt]ables?"
    r"|[Ll]ines?|[Ee]xamples?|[Ss]ections?|[Pp]ages?|[Cc]hapters?|[Tt]heorems?|[Ll]emmas?|[Ee]xercises?|[Pp]ropositions?|[Cc]orollary)\s+\(?\d+\b\)?|\b\d+-(?!(?:degrees?)\b)[A-Za-z]{2,}|第[\d一二三四五六七八九十]+[步题问种])"
    r"|(?P<tuple><\s*[-\d.]+\s*(?:,\s*[-\d.]+\s*)+>)"
    r"|(?P<number>(?:\d{1,3}(?:(?:[,，]\d{3})+|(?:[ \u00a0\u202f]\d{3})+)(?!\d)|\d+)"
    r"(?:[.,]\d+)?(?:\.{3}|…)?(?:[eE][-+]?\d+(?!\w))?(?:(?:st|nd|rd|th)\b)?"
    r"|(?<![\w.])\.\d+)"
    rf"|(?P<symbol>{TEXT_COMMAND}\{{[^{{}}]*\}}|\\[A-Za-z]+|\\[%$,;!#]|[√∛π∞°℃%％½⅓⅔¼¾⅛⅜⅝⅞∅ℝℤ²³¹⁰⁴-⁹⁺⁻ⁿ₀-₉…′″€£¥₹¢$θα-ω]|(?<=\d)[:：](?=\d))"
    r"|(?P<sign>\*\*|[-+−–*/⁄∕×÷·⋅^=<>≤≥≠≈±∈∪∩!|_~:&'])"
    r"|(?P<bracket>[()\[\]{}])"
    r"|(?P<word>[A-Za-zÀ-ÖØ-öø-ɏ]+(?:['’][a-z]+)?|[\u3400-\u9fff]+|[^\W\d_]+)"
    r"|(?P<stop>.)",
    re.DOTALL,
)
_ALWAYS_NAMES = (frozenset(CONSTANTS) | GREEK | {"sqrt", "cbrt"}) - {"oo", "inf", "mu", "nu", "xi", "eta"}
_SPACED_NAMES = "ln log lg sin cos tan cot sec csc arcsin arccos arctan exp sinh cosh tanh"
_SPACED_FUNCTIONS = frozenset(_SPACED_NAMES.split())  # ln 2, sin 30°
_OPENINGS = "([{"
# "5", "√2", "\pi"; "x" and "\alpha" are left alone.
_VALUED = pattern(
    r"\d|\\[a-z]+\{|[√π∞½⅓⅔¼¾⅛⅜⅝⅞∅ℝℤ]|\\(?:pi|infty|emptyset|mathbb|sqrt|frac)|\bpi\b|\binfinity\b"
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def values_in(sentence: str) -> list[Value]:
    """Return the values in a sentence, in order; names alone, such as ``$x$``, only where there is nothing else."""
    tokens = _classified(
        [_Token(str(m.lastgroup), m[0], m.start(), m.end()) for m in _TOKEN.finditer(sentence)]
    )
    found: list[Value] = []
    names: list[Value] = []
    i = 0
    while i < len(tokens):
        j = _end_of_run(tokens, i)
        if j == i:
            i += 1
            continue
        value, i = _value(sentence, tokens, i, j)
        if value is not None:
            (
                found if not value.text or _VALUED.search(value.text) or _is_related(value.text) else names
            ).append(value)
    return found or [name for name in names if sentence[name.start] in "$\\"][-1:]


# What of a text is no plain letter: "\alpha", "_1", "+"; "ab" is left alone.
_NAMES_ASIDE = pattern(r"\\[A-Za-z]+|_\{?\w+\}?|\W")


def _is_related(text: str) -> bool:
    """Whether an expression in letters alone is more than a name: ``ab``, ``x + y``, but not ``x``."""
    return len(_NAMES_ASIDE.sub("", text)) > 1 or re.search(r"[-+*/=<>]", text) is not None


def _classified(tokens: list[_Token]) -> list[_Token]:
    """Return the tokens, with letters and names that belong to an expression, and remarks between brackets, told."""
    kept = [t for t in tokens if t.kind != "space"]
    kinds = [_kind(kept, i) for i in range(len(kept))]
    openings: list[int] = []
    for i, token in enumerate(kept):
        if token.kind != "bracket":
            continue
        if token.text in _OPENINGS:
            openings.append(i)
        elif openings:
            begin = openings.pop()
            inside = range(begin + 1, i)
            if all(kinds[k] != "word" for k in inside) and i > begin + 1 and not _repeats(kept, begin, i):
                kinds[begin] = "open"
                kinds[i] = "close"
                for k in inside:
                    kinds[k] = "math" if kinds[k] == "stop" and kept[k].text in ",;" else kinds[k]
            else:  # a remark: (that is, 3 groups of 4)
                for k in range(begin, i + 1):
                    kinds[k] = "remark"
    return [_Token(kind, *token[1:]) for kind, token in zip(kinds, kept, strict=True)]


def _repeats(tokens: list[_Token], begin: int, end: int) -> bool:
    """Whether brackets hold one number more after a number, as in "1/4 (25%)"; ``2(3)`` is a product."""
    one = end == begin + 2 or (end == begin + 3 and tokens[end - 1].text in ("%", "°"))
    before = tokens[begin - 1] if begin else None
    return (
        one
        and before is not None
        and before.end < tokens[begin].start
        and before.kind in ("number", "symbol")
    )


def _kind(tokens: list[_Token], i: int) -> str:
    """Say what a token is: ``math``, ``sign``, ``word`` or ``stop``."""
    token = tokens[i]
    if token.kind in ("formula", "number", "symbol", "tuple"):
        return "math"
    if token.kind == "sign":
        return "sign"
    if token.kind == "idle":
        return "word"
    if token.kind != "word":
        return "stop"
    before = tokens[i - 1] if i else None
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    glued_before = before is not None and before.end == token.start
    glued_after = after is not None and after.start == token.end
    if token.text in _ALWAYS_NAMES:
        return "math"
    if (
        token.text in ("mod", "x", "X", "C", "P")
        and before
        and after
        and before.kind == after.kind == "number"
    ):
        return "math"
    if token.text == "mod" and after and after.kind == "number":
        return "math"
    if token.text in _SPACED_FUNCTIONS and after is not None and after.kind in ("number", "symbol"):
        return "math"
    if token.text in SPELLINGS and after is not None and (after.text == "(" and glued_after):
        return "math"
    if len(token.text) > 2 or not token.text.isascii() or _is_hyphenated(tokens, i):
        return "word"
    touches = (
        glued_before and before is not None and before.kind in ("number", "symbol", "sign", "bracket")
    ) or (
        glued_after
        and after is not None
        and (after.kind in ("number", "symbol", "sign") or after.text in "(")
    )
    related = (after is not None and after.kind == "sign" and after.text in "=+*/^<>≤≥×·-−") or (
        before is not None and before.kind == "sign" and before.text in "=+*/^<>≤≥×·-−"
    )
    if len(token.text) == 1 and (touches or related):
        return "math"
    operated = any(t is not None and t.kind == "sign" and t.text in "+*/^×·" for t in (before, after))
    if operated and unit_of(token.text) is None:
        return "math"  # xy + 5
    if glued_before and before is not None and before.kind == "number" and unit_of(token.text) is None:
        return "math"  # 2xy
    return "word"


def _is_hyphenated(tokens: list[_Token], i: int) -> bool:
    """Whether a letter begins a word: ``t-shirts``, ``M&Ms``; ``x-y`` and ``x - sin`` are left alone."""
    touching = tokens[i : i + 3]
    return (
        len(touching) == 3
        and touching[1].text in ("-", "&")
        and touching[2].kind == "word"
        and (len(touching[2].text) > 3 or touching[1].text == "&")
        and touching[0].end == touching[1].start
        and touching[1].end == touching[2].start
    )


def _end_of_run(tokens: list[_Token], begin: int) -> int:
    """Return the index after the expression that begins at ``begin``; ``begin`` where none does."""
    depth = 0
    i = begin
    while i < len(tokens):
        kind = tokens[i].kind
        if kind == "open":
            depth += 1
        elif kind == "close":
            if depth == 0:
                break
            depth -= 1
        elif kind not in ("math", "sign"):
            break
        i += 1
    return i


def _value(sentence: str, tokens: list[_Token], begin: int, end: int) -> tuple[Value | None, int]:
    """Return the value that the tokens from ``begin`` to ``end`` write, with its unit, and where reading goes on."""
    first, last = begin, end
    while last > first and tokens[last - 1].kind == "sign" and tokens[last - 1].text not in ("!", "|", "'"):
        last -= 1
    cut_off = False
    fragment = False
    while first < last and tokens[first].kind == "sign" and not _may_lead(sentence, tokens, first):
        fragment = fragment or tokens[first].text in _OPERATIONS
        first += 1
        cut_off = True
    if first == last:
        return None, end
    text = _written(tokens[first:last])
    if text.startswith("{") and text.endswith("}"):  # a set, not a group of LaTeX
        text = rf"\{text[:-1]}\}}"
    if fragment and begin and tokens[begin - 1].kind == "word" and "=" not in text:
        text = ""  # "total + 5", of which the words are not read
    text = _last_side(text, cut_off)
    stop = tokens[last - 1].end
    unit, goes_on = _unit_after(sentence, tokens, end) if last == end else ("", end)
    if unit:
        joint = "" if tokens[end].start == stop else " "
        written = plain(unit).replace("{", "").replace("}", "")  # m s⁻² as m s^-2
        short = written.isascii() and (len(written) < MAX_SHORT or "^" in written) and unit not in _MORE_UNITS
        text = rf"{text}\text{{ {written}}}" if short else f"{text}{joint}{unit}"
        stop = tokens[goes_on - 1].end
    elif (letters := _LETTER_UNIT.fullmatch(text)) and unit_of(letters[2]):
        text = rf"{letters[1]}\text{{ {letters[2]}}}{plain(letters[3] or '')}"
    return Value(tokens[first].start, stop, text), max(goes_on, end)


# 3×10^8 m/s, 5 m; "y = 5 m" may be a product
_LETTER_UNIT = pattern(
    r"((?:[^=A-Za-z]|[xX](?=\s?\d))*[\d)\]²³⁰-⁹]) ?([A-Za-z]{1,3}(?:/[A-Za-z]{1,3})?)(\^[23]|[²³])?"
)


def _written(tokens: list[_Token]) -> str:
    """Return the text of an expression without formula marks, with single spaces."""
    parts: list[str] = []
    for k, token in enumerate(tokens):
        if k and tokens[k - 1].end < token.start:
            parts.append(" ")
        marked = token.text[:1] == "$" or token.text[:2] in ("\\(", "\\[")
        text = unwrap(token.text) if marked and len(token.text) > 2 else token.text
        parts.append(_GROUPING_SPACE.sub("", text) if text[:1].isdigit() else text)
    return "".join(parts).strip()


# "1 000"; "1 00" is left alone.
_GROUPING_SPACE = pattern(r"(?<=\d)[ \u00a0\u202f](?=\d{3})")


_OPERATIONS = frozenset("+*/×·⋅÷^")


def _may_lead(sentence: str, tokens: list[_Token], i: int) -> bool:
    """Whether a sign may begin an expression: a minus that touches what follows, a plus-minus, a bar."""
    token = tokens[i]
    if token.text in ("-", "−", "–"):
        return i + 1 < len(tokens) and tokens[i + 1].start == token.end
    return token.text in ("|", "±", "<", ">", "≤", "≥", "≠", "≈", "!")


def _last_side(text: str, cut_off: bool) -> str:
    """Return what a computation comes to, ``42`` of ``6*7 = 42``; an equation in letters stays whole.

    ``12π ≈ 37.7`` is 12π.
    """
    exact, rounded, decimal = text.partition("≈")
    if rounded and _VALUED.search(exact) and not _far_apart(exact, decimal):
        text = exact.strip()
    if "=" not in text or re.search(r"[<>≤≥≠!]=|\\(?!\$)", text):
        return text
    sides = [side.strip() for side in text.split("=")]
    named = re.search(r"[A-Za-z]", sides[0]) is not None and not cut_off
    return text if named or not sides[-1] else sides[-1]


def _far_apart(exact: str, rounded: str) -> bool:
    """Whether the second of two numbers cannot be the first one rounded: ``7 ≈ 3``."""
    a, b = read_number(exact.strip()), read_number(rounded.strip())
    return (
        a is not None
        and b is not None
        and 2 * abs(a.top * b.bottom - b.top * a.bottom) > abs(a.top * b.bottom)
    )


_MORE_UNITS = frozenset(
    [
        "percent",
        "pct",
        "degrees",
        "degree",
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "dozen",
        "pm",
        "am",
        "PM",
        "AM",
        "p.m",
        "a.m",
    ]
)


def _unit_after(sentence: str, tokens: list[_Token], begin: int) -> tuple[str, int]:
    """Return the unit that stands at ``begin``, and the index after it; things that are only counted are none."""
    if begin >= len(tokens) or tokens[begin].kind != "word":
        return "", begin
    start = tokens[begin].start
    if not tokens[begin].text.isascii():
        return _chinese_unit(tokens, begin)
    for count in range(min(MAX_UNIT_WORDS, len(tokens) - begin), 0, -1):
        phrase = sentence[start : tokens[begin + count - 1].end]
        known = phrase in _MORE_UNITS or unit_of(phrase) or unit_of(plain(phrase))
        if known:
            return phrase, begin + count
    return "", begin


def _chinese_unit(tokens: list[_Token], begin: int) -> tuple[str, int]:
    word = tokens[begin].text
    for length in range(min(4, len(word)), 0, -1):
        known = unit_of(word[:length])
        if known is not None or word[:length] in ("万", "亿", "百万", "千万"):
            counted = known is not None and known[0].startswith("count")
            if counted and length < len(word):
                return "", begin
            if length < len(word):
                # The rest of the run is a word of its own.
                token = tokens[begin]
                tokens[begin : begin + 1] = [
                    _Token("word", word[:length], token.start, token.start + length),
                    _Token("word", word[length:], token.start + length, token.end),
                ]
            return ("" if counted else word[:length]), begin + 1
    return "", begin
