r"""Read a bare answer into a tree: wrapping, remarks and units come off, words stay words.

An answer may have more than one reading (``1,22`` is 1.22 or a list); all are returned, and two answers are
equal if a reading of each is.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from verifier.parsing.lexer import join_groups
from verifier.parsing.markup import strip_markup
from verifier.parsing.matrices import simplified
from verifier.parsing.notation import TEXT_COMMAND, chinese_words, has_chinese, plain, words_of
from verifier.parsing.number_words import number_in_words, ordinal_in_words
from verifier.parsing.numerals import write_cycle
from verifier.parsing.parser import parse
from verifier.parsing.plain_numbers import read_number
from verifier.parsing.quantities import compound, split_unit, write_currency
from verifier.parsing.rewriting import (
    cycle_written_out,
    parts_written_out,
    sets_written_out,
    spaces_written_out,
    undecorated,
    unqualified,
    words_written_out,
)
from verifier.parsing.units import unit_of
from verifier.parsing.vocabulary import AGREEING, is_typed
from verifier.patterns import pattern
from verifier.tree import (
    INFINITY,
    Based,
    Items,
    Node,
    Num,
    ParseError,
    Quantity,
    Rel,
    Seq,
    Sym,
    UnknownOperatorError,
    Words,
    free_symbols,
    mul,
)

MAX_ANSWER = 20_000
MAX_QUANTITIES = 20  # in a list

# "approximately 5", "The answer is 5", "\text{Area} = 5", "(a) 5", "ROI: 5", "= 5"; "f(a) 5", "AB:5" and "x = 5" are
# left alone.
_LEAD = pattern(
    r"^\\approx\s*|^\\text\s*\{\s*(?:approximately|about|roughly|around)\s*\}\s*|^(?:the\s+)?(?:final\s+)?(?:answer|result|value)\s*(?:is|:|=)\s*|^(?:approximately|about|约|大约|共|有|是|为)\s*"
    r"|^=\s*|^\\?#\s*(?=\d)|^(?=[A-Z]{2}|[A-Za-z]{3})[A-Za-z]+(?: [A-Za-z]+){0,3} ?: +(?=[-+\d\\$])"
    r"|^\$?\\?[A-Za-z]\w{0,3}\$? ?的(?-i:[\u3400-\u9fff]){1,8}(?:=|:|是|为|等于) ?(?=[-$\\\d(])"
    r"|^\\text\s*\{(?![^{}]*\b(?:false|wrong|not|incorrect|guess)\b)[^{}]*(?:[:=]|is)\s*\}|^(?:\\text\s*\{[^{}]{3,}\}|(?:[A-Za-z]{4,}|[A-Za-z]+\\_[A-Za-z\\_]+)(?:\s+[A-Za-z]+)*)\s*=\s*"
    r"|^(?:\\(?:text\w*|mathrm|mathbf)\s*\{\s*[(][a-jA-J][)]\s*\}|[(]?[a-jA-J][)] |[A-J]\. )\s*(?=[-\d\\.])|^第(?=\d)"
    r"|^(?:Therefore|Thus|So|Hence),?\s+|^(?!\S*[不非没未])(?-i:[\u3400-\u9fff,\s]){1,24}(?:=|:|是|为)\s*(?=[-\d$\\(])",
    re.IGNORECASE,
)
# (或5), (不对) take an answer back; (元) is left alone.
_DOUBT = pattern("或|不对|不是|错|正确")
# 3和4, x且y; 和为5 is left alone.
_CONJUNCTION = pattern(r"(?<=[\w)}\]$])\s*(?:和|与|及|以及|且)\s*(?=[-\w({\[$\\])")
# 3或4; 或许 is left alone.
_DISJUNCTION = pattern(r"(?<=[\w)}\]$])\s*(?:或者|或)\s*(?=[-\w({\[$\\])")
# "2k\pi, k \in Z"; "x \in Z" is left alone.
_ANY_INTEGER = pattern(r"[kn] ?\\in ?(?:\\math[bf]{2} ?\{? ?Z ?\}?|Z) ?[)]?$")
# "n \in \mathbb{Z}"; "n \in N" is left alone.
_ANY_N = pattern(r"n ?\\in ?(?:\\math[bf]{2} ?\{? ?Z|Z)")
# "n"; "\sin" and "an" are left alone.
_N = pattern(r"(?<![A-Za-z\\])n(?![A-Za-z])")
# "3rd", "3^{\text{rd}}"; "3 radians" is left alone.
_ORDINAL = pattern(rf"^(\d+) ?\^? ?\{{?(?:{TEXT_COMMAND}\{{ ?)?(?:st|nd|rd|th)[ }}]*$")
# "(101)_2"; "(101)" is left alone.
_BASED = pattern(r"^[(](\d+)[)](?=_)")
# "3 x 10^8"; "3x + 10" is left alone.
_TYPED_POWER = pattern(r"(?<=\d) ?[xX] ?(?=10 ?\^)")
# "(1) 5", "(1). 5", "(2)x = 5"; "(1)(2)" and "(3) + 4" are left alone.
_NUMBERED = pattern(r"^[(]\d[)](?: ?\. ?| (?=[^ ()+*/^-])|(?=[\u3400-\u9fff]|[A-Za-z]\w? ?=))")
# "1, 2, ..."; "0.33..." is left alone.
_LIST_GOES_ON = pattern(r", ?\.{3,}$")
# "negative 5", "minus 3", 负5; "negative" is left alone.
_NEGATIVE = pattern(r"^(?:(?:negative|minus) (?=[\d.\\])|负 ?(?=[\d.\\]))", re.IGNORECASE)
# "\text{A, B}", "\text{1,000}"; "\text{Apples}" is left alone.
_TEXT_LIST = pattern(rf"{TEXT_COMMAND}\{{\s*([A-Z]{{1,5}}(?:\s*,\s*[A-Z]{{1,5}})+|-?\d[\d.,]*)\s*\}}")
# "\text{no solution}", "no solution"; "no. 5" is left alone.
_WORDS_ONLY = pattern(rf"{TEXT_COMMAND}\{{[^{{}}]*\}}|[A-Za-z\s.]+")
# "3,14", "0,333", "3,5678"; "3,145", which may be a thousand, and "3,4" are left alone.
_DECIMAL_COMMA = pattern(r"-?(?:\d+,\d\d|\d+,\d{4,}|0,\d{3}|\d{4,},\d+)(?:\s*\\?%|\\text\{.{0,12}\})?")
# "-2 3 5"; "2 1/3" is left alone.
_SPACED_NUMBERS = pattern(r"(?=.*\d \d)-?\d+(?:\.\d+)?(?: -?\d+(?:\.\d+)?)+")
# "25^\circ C"; "25^\circ" is left alone.
_TEMPERATURE = pattern(rf" ?\^ ?\{{?\\circ ?\}}? ?(?:{TEXT_COMMAND}\{{ ?)?([CF]) ?\}}?$")
_TEMPERATURES = {"C": "celsius", "F": "fahrenheit"}


@lru_cache(maxsize=8192)
def readings(answer: str) -> tuple[Node, ...]:
    """Return the trees that ``answer`` can be read as; words that are no mathematics become ``Words``.

    Raises:
        LimitError: if it is too long or nested too deeply.
    """
    text = tidy(answer)
    if not text:
        return (Words(""),)
    found = read_one(text)
    for other in _other_writings(answer, text):
        found += read_one(other)
    found += [alone for node in found if (alone := _without_condition(node)) is not None]
    if _DECIMAL_COMMA.fullmatch(text):
        found = read_one(text.replace(",", ".", 1)) + found
    return tuple(dict.fromkeys(found))


# A(3, 4): the point A; f(x, y), C(5, 2) as a number of choices are readings of their own.
_POINT = pattern(r"[A-Z] ?(?:\\left)?(?=\(.*,.*\)$)")


# 2 \text{ and } \frac13, 2 and 1/3; "2 and 3" is left alone.
_MIXED_IN_WORDS = pattern(
    rf"(-?\d+) ?(?:{TEXT_COMMAND}\{{ ?and ?\}}|and) ?(?=\\[dt]?frac ?\{{?\d|\d+/\d)(.*)"
)
# 12,34,567 as India groups digits; that it may be a list is another reading. 12,345 is left alone.
_LAKHS = pattern(r"-?\d{1,2}(?:,\d\d)+,\d{3}(?!\d|,)")
# \text{Point } Q, box B, graph (b): the letter of a thing; "triangle ABC" is left alone.
_NAMED_LETTER = pattern(
    rf"(?:{TEXT_COMMAND}\{{ ?)?(?:point|vertex|node|city|town|box|bag|team|plan|graph|line|route|player"
    rf"|person|car|train|bus|tank|pump|company|store|class|group|figure|statement|option"
    rf"|quadrant) ?\}}? ?(?:{TEXT_COMMAND}\{{ ?)?\(?([A-Z]|I{{1,3}}|IV)\)? ?\}}?",
    re.IGNORECASE,
)
# 7/2 (3.5), 1/3 (about 33.3%): the brackets say the same, rounded; 2 (3), a product, is left alone.
_RESTATED = pattern(
    r"([-\d./]+|-?\\[dt]?frac\{\d+\}\{\d+\}) \((?:(?:about|or|i\.e\.|=|\\approx) ?)?(-?\d[\d.]* ?(?:\\?%)?)\)"
)
# \text{I and III only}; "only child" is left alone.
_ONLY = pattern(rf"(?:{TEXT_COMMAND}\{{ ?)?([^{{}}]+?),? only ?\}}?")
# "yes, it converges"; "yes, if n is even" is left alone.
_AGREED = pattern(
    r"(yes|no|true|false)[,.;:] (?!.*\b(?:if|unless|but|except|only|when|or|not always)\b)[a-z ]+"
)
# \overline{AB}, the segment AB; \overline{AB} = 5 and \overline{abc} are left alone.
_SEGMENT = pattern(r"\\overline ?\{ ?([A-Z]{2}) ?\}")


# 14 - 1.0j, as Python prints it; 2i + 3j and x_j are left alone.
_PYTHON_IMAGINARY = pattern(r"(?<=\d)j(?![A-Za-z0-9])")


def _other_writings(answer: str, text: str) -> list[str]:
    """Return other texts that an answer may have meant to write."""
    others = []
    if "\\in" in answer and _ANY_N.search(answer) and "k" not in text:  # n in Z may be called k in the other
        others.append(_N.sub("k", text))
    if (cyclic := cycle_written_out(text)) != text:
        others.append(cyclic)
    if "j" in text and "i" not in text and (imaginary := _PYTHON_IMAGINARY.sub("i", text)) != text:
        others.append(imaginary)
    if match := _POINT.match(text):
        others.append(text[match.end() :])
    if "and" in text and (match := _MIXED_IN_WORDS.match(text)):
        others.append(f"{match[1]} {match[2]}")
    if match := _SEGMENT.fullmatch(text):
        others.append(match[1])
    if "," in text and (match := _LAKHS.match(text)):
        others.append(match[0].replace(",", "") + text[match.end() :])
    if match := _NAMED_LETTER.fullmatch(text):
        others.append(match[1])
    if (match := _RESTATED.fullmatch(text)) and _restates(match[1], match[2]):
        others.append(match[1])
    if "only" in text and (match := _ONLY.fullmatch(text)):
        others.append(match[1])
    if match := _AGREED.fullmatch(words_of(text)):
        others.append(match[1])
    return others


def _restates(exact: str, rounded: str) -> bool:
    """Whether the second number is the first, rounded or as a percentage."""
    a, b = read_number(exact), read_number(rounded)
    if a is None or b is None:
        return False
    x, y = Fraction(a.top, a.bottom), Fraction(b.top, b.bottom) / (100 if b.percent else 1)
    places = Fraction(1, 10 ** ((b.decimals or 0) + (2 if b.percent else 0)))
    return 2 * abs(x - y) <= places


def _without_condition(node: Node) -> Node | None:
    r"""Return ``1/x`` of ``1/x, x \ne 0``: what is said of its own letters is no second answer; else None."""
    if not isinstance(node, Items) or node.disjoint:
        return None
    first, *conditions = node.items
    letters = free_symbols(first)
    if isinstance(first, Rel) and first.ops != ("=",):
        return None
    for condition in conditions:
        if not isinstance(condition, Rel) or condition.ops == ("=",) or not free_symbols(condition):
            return None
        if not free_symbols(condition) <= letters:
            return None
    return first


def tidy(answer: str) -> str:
    """Return ``answer`` in plain characters, without wrapping, remarks, currency and a full stop."""
    text = " ".join(answer.split())  # single spaces: no pattern below meets a long run of them
    if has_chinese(text):
        text = _without_remark(text) or text
    text = " ".join(plain(text).split())
    if has_chinese(text):
        text = chinese_words(_CONJUNCTION.sub(r" and ", _DISJUNCTION.sub(" or ", text)))
    text = unwrapped(undecorated(strip_markup(text)))
    if "ath" in text:
        text = text.replace("\\imath", "i").replace("\\jmath", "j")
    if "\\begin" in text:  # a row separator that lost one of its two backslashes
        text = re.sub(r"(?<!\\)\\(?=[-\d])", r"\\\\", text)
    elif "\\\\" in text:
        text = re.sub(r"\\\\(?=[A-Za-z(){}])", r"\\", text)
    if ". " in text:
        text = re.sub(r"(?<=\d)\.\s+(?=\d+\s*\.?$)", ".", text)
    if "\\" in text:
        text = text.replace(r"\(", " ").replace(r"\)", " ").replace(r"\[", " ").replace(r"\]", " ")
    text = spaces_written_out(unqualified(text))
    text = write_currency(text).replace("**", "" if text.startswith("**") else "**")
    if "\\circ" in text:
        text = _TEMPERATURE.sub(lambda m: rf"\text{{ degrees {_TEMPERATURES[m[1]]}}}", text)
    if text.endswith("..."):
        text = _LIST_GOES_ON.sub(r", \\ldots", text)
    text = write_cycle(text.strip().strip(",;:：")).rstrip(".,;:：").strip()  # .5 keeps its point
    text = parts_written_out(text)
    for _ in range(2):
        if lead := _LEAD.match(text):
            text = text[lead.end() :]
        text = text.strip()
    if match := _ANY_INTEGER.search(text):
        text = text[: match.start()].rstrip().removesuffix("(").rstrip().removesuffix(",").rstrip()
    text = _NEGATIVE.sub("-", _NUMBERED.sub("", text))
    text = sets_written_out(words_written_out(text))
    if ordinal := _ORDINAL.match(text):
        text = ordinal[1]
    if based := _BASED.match(text):
        text = based[1] + text[based.end() :]
    if "x" in text or "X" in text:
        text = _TYPED_POWER.sub(r"\\times ", text)
    if match := _TEXT_LIST.fullmatch(text):
        text = match[1]
    return re.sub(r"\\(?:quad|qquad)(?=[a-z])", r"\\quad ", text) if "\\q" in text else text


# "\text{10 cm}"; "5\text{ cm}" is left alone.
_WRAPPED = pattern(rf"{TEXT_COMMAND}\{{((?:[^{{}}]|\\.)*)\}}")


def unwrapped(text: str) -> str:
    r"""Take off a command that sets the whole answer, as in ``\text{10 cm}``; words stay as they are."""
    match = _WRAPPED.fullmatch(text)
    return match[1].strip() if match and any(c.isdigit() or c in "=+<>^\\" for c in match[1]) else text


def _without_remark(text: str) -> str:
    """Take off a remark in Chinese between the last brackets, unless it takes the answer back."""
    body = text.removesuffix(")")
    start = body.rfind("(")
    remark = body[start + 1 :]
    return (
        text[:start].rstrip()
        if start >= 0 and ")" not in remark and has_chinese(remark) and not _DOUBT.search(remark)
        else text
    )


# "2024-05-01"; "2024-5" is left alone.
_DATE = pattern(r"\d{4}-\d{1,2}-\d{1,2}")


def read_one(text: str) -> list[Node]:
    """Return the trees that a tidied answer can be read as, or its words as ``Words``."""
    if _SPACED_NUMBERS.fullmatch(text) and join_groups(text) == text and not re.search(r"\d \d{3}\b", text):
        return [Seq("(", ")", tuple(parse(number) for number in text.split()))]
    if _DATE.fullmatch(text):
        return [Words(text)]
    if (digits := _digits_in_base(text)) is not None:
        return [digits]
    words = _known_words(text)
    if words == Words("infinity"):
        return [words, INFINITY]
    if (ordinal := ordinal_in_words(words_of(text))) is not None:
        return [Words(words_of(text)), Num(ordinal)]
    if words is not None:
        maybe = any(map(is_typed, text.split())) or (len(text) == 3 and text.islower())  # sin x, abc
        typed = _expression(text) if maybe else None
        return [words, typed] if typed else [words]
    found = _mathematics(text)
    if found and _HEX_LIKE.fullmatch(text):
        found.append(Based(text.upper(), 0))
    return found or [Words(words_of(text), _has_unknown_operator(text))]


def _mathematics(text: str) -> list[Node]:
    """Return the trees of a text: a quantity, an expression, a list of quantities, a named value."""
    split = compound(text) or split_unit(text)
    found: list[Node] = []
    if split is not None and (value := _expression(split.value)) is not None:
        scaled = value if split.factor == 1 else mul([Num(split.factor), value])
        found.append(Quantity(scaled, split.unit, split.certain) if split.unit else scaled)
    if split is None or not split.certain or not found:
        found += [node for node in (_expression(text) or _listed(text),) if node is not None]
    if not found and (value := _named_value(text)) is not None:
        found.append(value)
    return found


# 0b101, 0x1F; 0x, where x is a letter, is left alone.
_PREFIXED = pattern(r"0([bBoOxX])([0-9A-Fa-f]+)")
# 1F_{16}, \text{1F}_{16}; x_{16} and 5F are left alone.
_LETTERED = pattern(
    rf"(?:{TEXT_COMMAND}\{{)?(?=[A-F]*\d)([0-9A-F]+)\}}? ?_ ?(?:\{{ ?)?[(]?(1[0-9]|[2-9])[)]?\}}?"
)
# "1F", "2A3"; "F1" and "12" are left alone.
_HEX_LIKE = pattern(r"\d+[A-F][0-9A-F]*")
_PREFIX_BASES = {"b": 2, "o": 8, "x": 16}


def _digits_in_base(text: str) -> Based | None:
    """Return digits whose base a prefix or a subscript names, where they may be letters; None for anything else."""
    if match := _PREFIXED.fullmatch(text):
        return Based(match[2].upper(), _PREFIX_BASES[match[1].lower()])
    if (match := _LETTERED.fullmatch(text)) and not match[1].isdecimal():
        return Based(match[1], int(match[2]))
    return None


# E[X] = 3, \operatorname{Var}(X) = 3; "x is not 7 = 7" and "a = b = 3" are left alone: the name is not read.
_NAME = pattern(
    rf"(?:\\(?:mathbb|operatorname|mathcal|Pr)|{TEXT_COMMAND})?[ {{]*[A-Za-z]{{0,12}}[ }}]*"
    r"(?:_\{?[^{}=]{1,12}\}?)?"
    r" ?[(\[|][^=<>]{1,40}(?:=[^=<>]{1,12})?[)\]|]|\\?[A-Za-z]+_\{[^{}]*\{?[^{}]*\}?[^{}]*\}"
    r"|\\angle [A-Z1-9]+|(?:\\text \?\{)?[A-Z][a-z]*(?: [a-z]+){0,3}\}?",
)
# "x is not", "if x"; "nothing" is left alone.
_DENIAL = pattern(r"\b(?:not|never|isn|cannot|wrong|if|when|or)\b|\\n", re.IGNORECASE)


def _named_value(text: str) -> Node | None:
    """Read ``E[X] = 3`` as a value that has a name, though the name is no expression; None for anything else."""
    name, sign, value = text.rpartition("=")
    name = name.strip()
    if not sign or not _NAME.fullmatch(name) or _DENIAL.search(name):
        return None
    node = _expression(value.strip())
    return None if node is None else Rel((Sym(f"name({name})"), node), ("=",))


def _expression(text: str) -> Node | None:
    try:
        return simplified(parse(text))
    except ParseError:
        return None


def _has_unknown_operator(text: str) -> bool:
    try:
        parse(text)
    except UnknownOperatorError:
        return True
    except ParseError:
        return False
    return False


# "3 cm, 4 cm", "3 cm and 4 cm"; "sand 4" is left alone.
_LIST_JOINT = pattern(r" ?(?:, ?(?:and\b)?|\band\b|;) ?")


def _listed(text: str) -> Node | None:
    """Read a list of quantities, such as ``3 cm, 4 cm``; None for anything else."""
    parts = _LIST_JOINT.split(text) if "(" not in text and "[" not in text else []
    if not 1 < len(parts) <= MAX_QUANTITIES:
        return None
    splits = [split_unit(part) for part in parts]
    values = [_expression(split.value) if split and split.factor == 1 else None for split in splits]
    items = [
        Quantity(v, s.unit, s.certain) for v, s in zip(values, splits, strict=True) if v is not None and s
    ]
    return Items(tuple(items)) if len(items) == len(parts) else None


MAX_COUNTED = 2  # words for what is counted


def _counted_in_words(words: str) -> Quantity | None:
    """Read ``twelve dollars``, ``twenty-one red apples``; None for "one or two" and "five less"."""
    parts = words.split()
    for count in range(1, min(MAX_COUNTED, len(parts) - 1) + 1):
        unit = " ".join(parts[-count:])
        number = number_in_words(" ".join(parts[:-count]))
        if number is not None and _COUNTED.fullmatch(unit):
            value = Num(number if number.denominator > 1 else number.numerator)
            return Quantity(value, unit, unit_of(unit) is not None or unit.endswith("s"))
    return None


# dollars, red apples; "or two" and "and a" are left alone.
_COUNTED = pattern(
    r"(?!(?:and|or|to|of|in|by|point)\b)[a-z]{2,}(?: (?!(?:and|or|to|of|in|by|point)\b)[a-z]{2,})?"
)


def _known_words(text: str) -> Words | Num | Quantity | None:
    words = words_of(text)
    if (number := number_in_words(words)) is not None:
        return Num(number if number.denominator > 1 else number.numerator)
    if (counted := _counted_in_words(words)) is not None:
        return counted
    if words in AGREEING:
        return Words(AGREEING[words])
    if re.fullmatch(r"[a-z]{3,}(?: [a-z]+)*", words) and _WORDS_ONLY.fullmatch(text):
        return Words(words) if unit_of(words) is None and words not in ("infinity", "infty") else None
    return None
