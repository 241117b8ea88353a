r"""Read a bare answer into a tree: wrapping, remarks and units come off, words stay words.

An answer may have more than one reading (``1,22`` is 1.22 or a list); all are returned, and two answers are
equal if a reading of each is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from verifier.lexer import join_groups
from verifier.matrices import simplified
from verifier.notation import TEXT_COMMAND, chinese_words, has_chinese, plain, words_of
from verifier.parse import parse
from verifier.prose import strip_markup
from verifier.syntax import Node, Num, ParseError, Quantity, Seq, Text
from verifier.words import AGREEING, NUMBER_WORDS, unit_of

MAX_ANSWER = 20_000

_LEAD = re.compile(
    r"^\\approx\s*|^(?:the\s+)?(?:final\s+)?(?:answer|result|value)\s*(?:is|:|=)\s*|^(?:approximately|about|约|大约|共|有|是|为)\s*"
    r"|^\\text\s*\{[^{}]*(?:[:=]|is)\s*\}|^(?:\\text\s*\{[^{}]{3,}\}|(?:[A-Za-z]{4,}|[A-Za-z]+\\_[A-Za-z\\_]+)(?:\s+[A-Za-z]+)*)\s*=\s*"
    r"|^(?:\\text\s*\{\s*[(][a-jA-J][)]\s*\}|[(][a-jA-J][)])\s*(?=[-\d\\.])|^(?:Therefore|Thus|So|Hence),?\s+|^[\u3400-\u9fff,\s]{1,24}(?:=|:|是|为)\s*(?=[-\d$\\(])",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"(?<=[\w)}\]$])\s*(?:和|与|及|以及|且)\s*(?=[-\w({\[$\\])")
_DISJUNCTION = re.compile(r"(?<=[\w)}\]$])\s*(?:或者|或)\s*(?=[-\w({\[$\\])")
_ANY_INTEGER = re.compile(r"[kn] ?\\in ?(?:\\math[bf]{2} ?\{? ?Z ?\}?|Z) ?[)]?$")
_NUMBERED = re.compile(r"^[(]\d[)]\s*\.?\s*(?=[^\s)+*/^-])")
_TEXT_LIST = re.compile(rf"{TEXT_COMMAND}\{{\s*([A-Z](?:\s*,\s*[A-Z])+|-?\d[\d.,]*)\s*\}}")
_WORDS_ONLY = re.compile(rf"{TEXT_COMMAND}\{{[^{{}}]*\}}|[A-Za-z\s.]+")
_DECIMAL_COMMA = re.compile(r"-?(?:\d+,\d\d|\d+,\d{4,}|0,\d{3}|\d{4,},\d+)(?:\s*(?:[€$]|\\?%).{0,12})?")
_SPACED_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:\s+-?\d+(?:\.\d+)?)+")
_CURRENCY = re.compile(r"\\?\$|[€£¥₹]|\\(?:euro|pounds)\b")


@lru_cache(maxsize=8192)
def readings(answer: str) -> tuple[Node, ...]:
    """Return the trees that ``answer`` can be read as; words that are no mathematics become ``Text``.

    Raises:
        LimitError: if it is too long or nested too deeply.
    """
    text = tidy(answer)
    if not text:
        return (Text(""),)
    found = [read_one(text)]
    if _DECIMAL_COMMA.fullmatch(text):
        found.insert(0, read_one(text.replace(",", ".", 1)))
    return tuple(dict.fromkeys(found))


def tidy(answer: str) -> str:
    """Return ``answer`` in plain characters, without wrapping, remarks, currency and a full stop."""
    text = " ".join(answer.split())  # single spaces: no pattern below meets a long run of them
    if has_chinese(text):
        text = _without_remark(text) or text
    text = " ".join(plain(text).split())
    if has_chinese(text):
        text = chinese_words(_CONJUNCTION.sub(r" and ", _DISJUNCTION.sub(" or ", text)))
    text = strip_markup(text)
    if "\\begin" in text:  # a row separator that lost one of its two backslashes
        text = re.sub(r"(?<!\\)\\(?=[-\d])", r"\\\\", text)
    elif "\\\\" in text:
        text = re.sub(r"\\\\(?=[A-Za-z(){}])", r"\\", text)
    text = re.sub(r"(?<=\d)\.\s+(?=\d+\s*\.?$)", ".", text)
    text = text.replace(r"\(", " ").replace(r"\)", " ").replace(r"\[", " ").replace(r"\]", " ")
    text = _CURRENCY.sub("", text).replace("**", "" if text.startswith("**") else "**")
    text = text.strip().strip(".,;:：").strip()
    for _ in range(2):
        text = _LEAD.sub("", text).strip()
    if match := _ANY_INTEGER.search(text):
        text = text[: match.start()].rstrip().removesuffix("(").rstrip().removesuffix(",").rstrip()
    text = _NUMBERED.sub("", text)
    if match := _TEXT_LIST.fullmatch(text):
        text = match[1]
    return re.sub(r"\\(?:quad|qquad)(?=[a-z])", r"\\quad ", text) if "\\q" in text else text


def _without_remark(text: str) -> str:
    """Take off a remark in Chinese between the last brackets."""
    body = text.removesuffix(")")
    start = body.rfind("(")
    remark = body[start + 1 :]
    return text[:start].rstrip() if start >= 0 and ")" not in remark and has_chinese(remark) else text


def read_one(text: str) -> Node:
    """Return the tree of a tidied answer, or its words as ``Text``."""
    if _SPACED_NUMBERS.fullmatch(text) and join_groups(text) == text and not re.search(r"\d \d{3}\b", text):
        return Seq("(", ")", tuple(parse(number) for number in text.split()))
    words = _known_words(text)
    if words is not None:
        return words
    value, unit = split_unit(text)
    try:
        node = simplified(parse(value))
    except ParseError:
        return Text(words_of(text))
    return Quantity(node, unit) if unit else node


def _known_words(text: str) -> Text | Num | None:
    words = words_of(text)
    if words in NUMBER_WORDS:
        return Num(NUMBER_WORDS[words])
    if words in AGREEING:
        return Text(AGREEING[words])
    if re.fullmatch(r"[a-z]{3,}(?: [a-z]+)*", words) and _WORDS_ONLY.fullmatch(text):
        return Text(words) if unit_of(words) is None and words not in ("infinity", "infty") else None
    return None


# --- units

_UNIT_TAIL = re.compile(
    rf"(?P<unit>(?:{TEXT_COMMAND}"
    r"\{[^{}]*\}|(?<![\\A-Za-z])[A-Za-z]{2,}\.?"
    r"|[\u3400-\u9fff]+|(?<=[a-z}])\s*/\s*(?=[a-z\\])|(?<=/)[a-z]|\s|\\[,;:! ]|~|-(?=[a-z]))+)"
    r"(?P<power>(?:\s*\^\s*\{?[23]\}?)?)\s*$"
)
_TEXT_MARK = re.compile(rf"{TEXT_COMMAND}|\\[,;:! ]|[{{}}~]")
_MODULUS = re.compile(r"\s*[(]?\s*\\(?:pmod|bmod|mod)\s*\{?\s*(\w+)\s*\}?\s*[)]?$")
_NO_UNIT = re.compile(r"\b(?:and|or|sin|cos|tan|ln|log|pi|infty|infinity|inf|mod)\b|和|或")


def split_unit(text: str) -> tuple[str, str]:
    """Return the value and the unit, or the words for what is counted, that ends ``text`` ("" if none)."""
    if (modulus := _MODULUS.search(text)) and modulus.start() > 0:
        return text[: modulus.start()], f"mod {modulus[1]}"
    match = _UNIT_TAIL.search(text)
    if match is None or not match["unit"].strip(" ~\\,;:!"):
        return text, ""
    value = text[: match.start()].rstrip(" ~").removesuffix("\\").removesuffix("-")
    if not value or not re.search(r"[\d)}\]%a-z]$", value):
        return text, ""
    bare = " ".join(_TEXT_MARK.sub(" ", match["unit"]).split())
    if not bare or _NO_UNIT.search(bare):
        return text, ""
    unit = bare + match["power"].replace(" ", "")
    if bare in ("percent", "pct"):
        return value + "\\%", ""
    if unit_of(unit) is not None:
        return value, unit
    letters = bare.replace(" ", "")
    marked = "\\" in match["unit"] and "{" in match["unit"]
    if match["power"] or not (
        has_chinese(bare)
        or (marked and len(letters) > 1)
        or all(len(w) > 2 or w in _SMALL for w in bare.split())
    ):
        return text, ""
    return (value, bare) if re.search(r"[\d)}\]%]\s*$", value) and re.search(r"\d", value) else (text, "")


_SMALL = frozenset(("of", "in", "a", "an", "to", "at", "on", "by", "for", "the"))
