r"""Part a quantity into its number and its unit, or the words for what is counted, and say how two units agree.

``5\text{ km}``, ``\$1.5 million``, ``1 hour 30 minutes``, ``5 apples``. Letters that touch a number are a product
unless they are a known unit (``3abc``, but ``3cm``); a single letter may be either (``5 m``).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, NamedTuple

from verifier.parsing.notation import TEXT_COMMAND, has_chinese
from verifier.parsing.units import MAX_UNIT, SET_LETTERS, operates, qualifies, take_scale, unit_of, unit_words
from verifier.parsing.vocabulary import is_typed
from verifier.patterns import pattern
from verifier.tree import Quantity


class NumberAndUnit(NamedTuple):
    """A number as text, a factor on it, its unit, and whether the unit can be nothing else, such as a variable."""

    value: str
    factor: Fraction | int
    unit: str
    certain: bool = True


# --- currency signs

_SIGNS = {"$": "dollars", "€": "euros", "£": "sterling", "¥": "yuan", "₹": "rupees", "¢": "cents"}
# "\$5", "US$5", "5€", "Rs. 5"; "\sqrt" and "Rst" are left alone.
_SIGN = pattern(
    rf"{TEXT_COMMAND}\{{\s*(\\\$)\s*\}}|(?:\bUS)?\\?(\$)|([€£¥₹¢])|\\(euro|pounds|yen)\b|\b(Rs)\b\.?"
)
_NAMED_SIGNS = {"euro": "€", "yen": "¥", "pounds": "£", "Rs": "₹", "\\$": "$"}
_CURRENCIES = (*_SIGNS, *_NAMED_SIGNS)  # each sign has one of these, which are found faster
# "5", "-5.20 per"; "5x" is left alone.
_LEADING = pattern(r"([-+]?) ?([-+]? ?\d[\d.,]*(?<=\d))(?=\s|$|\\(?:text|[ ,;!])|[\u3400-\u9fff])")


def write_currency(text: str) -> str:
    """Write the currency sign that begins or ends an answer as the word after its number; others are left out."""
    if not any(map(text.__contains__, _CURRENCIES)):
        return text
    found = list(_SIGN.finditer(text))
    if not found:
        return text
    bare = " ".join(_SIGN.sub(" ", text).split())
    match, last = found[0], found[-1]
    if len(found) > 1 or (text[: match.start()].strip(" +-") and text[last.end() :].strip(" .")):
        return bare
    sign = next(group for group in match.groups() if group)
    unit = _SIGNS[_NAMED_SIGNS.get(sign, sign)]
    number = _LEADING.match(bare)
    if number is None:
        return f"{bare}\\text{{ {unit}}}" if bare else ""
    return f"{number[1]}{number[2].strip()}\\text{{ {unit}}}{bare[number.end() :]}"


# --- several numbers with units of one kind

# "1 hour", "30\text{ minutes}", 3米; "3 + 4" is left alone.
_PART = pattern(
    rf"(\d+(?:\.\d+)?) ?(?:{TEXT_COMMAND}\{{ ?([A-Za-z.]+) ?(?:and ?)?\}}|([A-Za-z]+\.?(?![A-Za-z])|[\u3400-\u9fff]+))"
    r"(?: |~|,|\\[,; ]|and\b|和|又)*"
)


def compound(text: str) -> NumberAndUnit | None:
    """Read ``1 hour 30 minutes``: parts in ever smaller units of one dimension; None for anything else."""
    total, first, position = Fraction(0), "", 0
    previous: tuple[str, Fraction] | None = None
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            return None
        unit = match[2] or match[3]
        known = unit_of("inch" if unit == "in" else unit)
        if known is None or (previous and (known[0] != previous[0] or known[1] >= previous[1])):
            return None
        total, first = total + Fraction(match[1]) * known[1], first or unit
        previous, position = known, match.end()
    if previous is None or (found := unit_of(first)) is None or previous == found:
        return None
    total /= found[1]
    return NumberAndUnit(str(total), 1, first)


# --- one number with a unit

_PIECE = pattern(
    rf"(?P<text>{TEXT_COMMAND}\{{(?P<inside>[^{{}}]*)\}})|(?P<word>(?<![\\A-Za-z])[A-Za-z]{{2,}}\.?|[\u3400-\u9fff]+)"
    r"|(?P<joint>[ ~]|\\[,;:! ]|(?<=\})\\cdot ?(?=\\(?:text|mathrm)\{))"
    r"|(?P<power>\^ ?(?:\{ ?-?[1-4] ?\}|[23]))|(?P<link>[-/](?=[A-Za-z\\ ]))|(?P<letter>(?<=[/ ])[a-z])"
    r"|\\[A-Za-z]+|.",
    re.DOTALL,
)
# square-foot; s^{-2} is left alone.
_HYPHEN = pattern(r"-(?!\d)")
# "and", "sin", "pi" end no quantity; "inches" is left alone.
_NO_UNIT = pattern(r"\b(?:and|or|sin|cos|tan|ln|log|pi|infty|infinity|inf|mod)\b|和|或")
_NUMBER = r"-?(?:\d[\d.,]*|\\[dt]?frac\{\d+\}\{\d+\}|\d+/\d+)"
# "5 m", "9.8 m/s", "3\times10^8 m", "5 in"; "5x + m" is left alone.
_LETTER_UNIT = pattern(
    rf"({_NUMBER}(?: ?\\(?:times|cdot) ?10 ?\^ ?(?:\{{-?\d+\}}|\d))?)(?: |~|\\[,; ])*"
    rf"(?:{TEXT_COMMAND}\{{ ?(in) ?\}}|([A-Za-z](?: ?/ ?[a-z]+)?|in)(\^ ?\{{?[23]\}}?)?)"
)
# "\mathrm{abc}", which may be letters; "\text{abc}" is left alone.
_MATH_FONT = pattern(r"\\(?:math|operatorname|boldsymbol)")
_SMALL = frozenset(
    ["of", "in", "a", "an", "to", "at", "on", "by", "for", "the", "per", "am", "pm", "ad", "bc"]
)
# "apples", "people"; "as" is left alone.
_PLURAL = pattern("[A-Za-z]{3,}s|people|children|women")
_SHORT_WORDS = (
    "men boy dog cat car cow pig hen egg pie box bag bus cup jar jug pen day job toy pet nut bee ant fox row set"
    " way lap run kid guy mug tin can pan pot lot log bun gum map old red big new"
)
_SHORT_NOUNS = frozenset(_SHORT_WORDS.split())


_UNITLESS_ENDS = (*"01456789)]", "}}")  # no unit ends so; "cm^2" and r"\text{cm}" end otherwise


def split_unit(text: str) -> NumberAndUnit | None:
    """Part the unit, or the words for what is counted, from the end of ``text``; None where there is none."""
    if text.endswith(_UNITLESS_ENDS):
        return None
    if match := _LETTER_UNIT.fullmatch(text):
        letters, power = match[2] or match[3], match[4] or ""
        unit = "inch" if letters == "in" else letters
        certain = letters == "in" or "/" in letters
        return NumberAndUnit(match[1], 1, unit + power, certain) if unit_of(unit + power) else None
    pieces = list(_PIECE.finditer(text))
    start = end = _start_of_words(pieces)
    while end > 0 and pieces[end - 1].lastgroup == "joint":
        end -= 1
    if start == len(pieces) or end == 0:
        return None
    value = text[: pieces[end].start()]
    if not re.search(r"[\d)}\]%a-z]$", value):
        return None
    tail = pieces[start:]
    return _judged(value, tail, parted=end < start or tail[0]["text"] is not None or has_chinese(tail[0][0]))


def _start_of_words(pieces: list[re.Match[str]]) -> int:
    """Return where the words, and the signs within units, that end a text begin; the number of pieces if nowhere."""
    start = len(pieces)
    while start > 0 and pieces[start - 1].lastgroup is not None:
        start -= 1
    begun = (
        True  # whether a word may begin here: what is tied to the number, as x^2 in 5x^2 cm, ends at a space
    )
    while start < len(pieces):
        kind = pieces[start].lastgroup
        if kind == "link":
            return len(pieces)
        begun = kind in ("joint", "text", "inside") or (begun and kind == "word")
        if begun and kind != "joint":
            return start
        start += 1
    return start


# "3/4 of an hour"; "3/4 of an apple" and "3/4 of the total" are left alone.
_OF_ONE = pattern(r"of an? ")
# hr after \pi, a product of h and r or hours; "5 hr" and "\pi cm" are left alone.
_LETTERS_OF_VOLUME = pattern(r"hr(?:\^.*)?")


def _judged(value: str, tail: list[re.Match[str]], parted: bool) -> NumberAndUnit | None:
    """Say what the words after a value are: a percent sign, a factor, a unit, or a product of letters (None)."""
    bare = " ".join(_HYPHEN.sub(" ", "".join(_plain(piece) for piece in tail)).split())
    if not bare or len(bare) > MAX_UNIT or _NO_UNIT.search(bare):
        return None
    words = bare.replace("per cent", "percent").split()
    percent = words[0] in ("percent", "pct")
    factor, rest = take_scale(words[1:] if percent else words)
    unit = " ".join(rest)
    if tail[0]["text"] is not None:
        unit = SET_LETTERS.get(unit, unit)
    if (share := _OF_ONE.match(unit)) and unit_of(unit[share.end() :]) is not None:
        unit = unit[share.end() :]
    value += "\\%" if percent else ""
    if not unit or unit_of(unit) is not None:
        product = value.endswith("\\pi") and tail[0]["text"] is None and _LETTERS_OF_VOLUME.fullmatch(unit)
        return NumberAndUnit(value, factor, unit, not product)
    if tail[-1].lastgroup == "power" or not (re.search(r"[\d)}\]%]$", value) and re.search(r"\d", value)):
        return None
    if has_chinese(unit):
        return NumberAndUnit(value, factor, unit)
    if (
        not parted and not percent
    ):  # letters that touch a number are a product, but "5apples" may be no product
        return NumberAndUnit(value, factor, unit, False) if _PLURAL.fullmatch(unit) else None
    command = tail[0]["text"]
    if command and not _MATH_FONT.match(command):
        return (
            NumberAndUnit(value, factor, unit) if len(unit) > 2 or " " in (tail[0]["inside"] or "") else None
        )
    if any(is_typed(word) or (len(word) < 3 and word not in _SMALL) for word in rest):
        return None
    short = any(len(word) == 3 and word.lower() not in _SHORT_NOUNS | _SMALL for word in rest)
    return NumberAndUnit(value, factor, unit, not short)


def _plain(piece: re.Match[str]) -> str:
    if piece["text"] is not None:
        return f" {piece['inside']} ".replace("~", " ")
    return " " if piece["joint"] else piece[0].replace(" ", "").strip("{}")


# --- how two units agree

Agreement = Literal["same", "convert", "open", "operates"]


def agreement(a: Quantity | None, b: Quantity | None) -> Agreement:
    """Say whether numbers with these units can be compared as they stand, after conversion, or not at all."""
    units = [q.unit if q else "" for q in (a, b)]
    known = [unit_of(unit) for unit in units]
    words = [unit_words(unit) for unit in units]
    if known[0] and known[1] and words[0] and words[1]:
        return "convert" if known[0][0] == known[1][0] else "open"
    if words[0] == words[1]:
        return "same"
    if any(operates(w) for w, unit in zip(words, known, strict=True) if unit is None):
        return "operates"
    if any(q is not None and not q.certain for q in (a, b)) and not all(words):
        return "open"
    extra = words[0] ^ words[1]
    if not (words[0] <= words[1] or words[1] <= words[0]) or qualifies(extra):
        return "open"
    return "same"
