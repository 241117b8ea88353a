r"""Read numerals: decimals, digits in another base, repeating decimals, mixed numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from verifier.parsing.lexer import Token
from verifier.tree import Based, LimitError, Node, Num, ParseError

if TYPE_CHECKING:
    from verifier.parsing.parser import Parser

MAX_CYCLES = 60  # digits in which the cycle of a decimal is looked for


def read_numeral(parser: Parser, token: Token) -> Node:
    """Return the number that starts with ``token``, which the parser has just taken."""
    if parser.is_op("_"):
        parser.at += 1
        base = parser.argument()
        if isinstance(base, Num) and isinstance(base.value, int) and token.text.replace(".", "").isdecimal():
            return Based(token.text, base.value)
        raise ParseError("a number with a subscript that is no base")
    if "." in token.text and parser.is_cmd("overline", "dot"):
        return _repeating(parser, token.text)
    number = decimal(token.text)
    return _mixed(parser, number) if isinstance(number.value, int) else number


def _repeating(parser: Parser, text: str) -> Node:
    r"""``0.1\overline{6}``: the digits under the line repeat; ``0.\dot{1}4\dot{2}``: those between the dots do."""
    dotted = parser.take().text == "dot"
    repeated = parser.argument_text()
    if dotted and parser.peek().kind == "num":
        repeated += parser.take().text
    if dotted and parser.is_cmd("dot"):
        parser.at += 1
        repeated += parser.argument_text()
    if not repeated.isdecimal():
        raise ParseError("a line or dots over something else than decimals")
    integer, _, places = text.partition(".")
    cycle = Fraction(int(repeated), 10 ** len(places) * (10 ** len(repeated) - 1))
    return Num(Fraction(int(integer + places), 10 ** len(places)) + cycle)


_GOES_ON = re.compile(r"(?<![\d.])(\d*\.)(\d+) ?(?:\.{3,}|\\[lc]?dots) ?$")
_CYCLE = re.compile(r"(\d*?)(?:(\d)\2\2+|(\d{2,12}?)\3+)")


def write_cycle(text: str) -> str:
    r"""Write ``0.333...`` as ``0.\overline{3}``; other decimals that go on are marked as cut off."""
    match = _GOES_ON.search(text)
    if match is None:
        return text
    cycle = _CYCLE.fullmatch(match[2][:MAX_CYCLES])
    if cycle is None:
        return f"{text[: match.end(2)]}\\text{{ truncated}}"
    return f"{text[: match.end(1)]}{cycle[1]}\\overline{{{cycle[2] or cycle[3]}}}"


def _mixed(parser: Parser, whole: Num) -> Node:
    r"""``1 1/2``, ``1\frac{1}{2}`` or ``1(1/2)`` where a proper fraction follows, else the number."""
    start = parser.at
    bracket = parser.is_op("(") and not parser.peek().spaced
    if parser.is_cmd("frac"):
        parser.at += 1
        top, bottom = parser.argument(digit=True), parser.argument(digit=True)
    elif (parser.peek().kind == "num" and parser.peek().spaced) or bracket:
        parser.at += bracket
        texts = [parser.take() for _ in range(3)]
        kinds = [t.kind for t in texts]
        closes = not bracket or (parser.is_op(")") and bool(parser.take()))
        if kinds != ["num", "op", "num"] or texts[1].text != "/" or not closes:
            parser.at = start
            return whole
        top, bottom = decimal(texts[0].text), decimal(texts[2].text)
    else:
        return whole
    if (
        isinstance(top, Num)
        and isinstance(bottom, Num)
        and isinstance(top.value, int)
        and isinstance(bottom.value, int)
    ) and 0 < top.value < bottom.value:
        return Num(whole.value + Fraction(top.value, bottom.value))
    parser.at = start
    return whole


def decimal(text: str) -> Num:
    """Return the exact number that ``text`` writes in digits.

    Raises:
        LimitError: if it has more than 4,000 digits.
    """
    if len(text) > 4_000:
        raise LimitError("a number of more than 4,000 digits")
    if text.isdecimal():
        return Num(int(text))
    places = len(text) - text.index(".") - 1
    digits = text.replace(".", "")
    value = Fraction(int(digits), 10**places)
    return Num(value if value.denominator > 1 else value.numerator, len(digits.lstrip("0")), places)
