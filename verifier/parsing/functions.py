r"""Read commands and functions with their arguments: ``\frac``, ``\sqrt``, ``\sin^2 x``, sums, matrices."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from verifier.parsing.lexer import Token
from verifier.parsing.vocabulary import FUNCTIONS, GREEK, LETTER_LIKE, NO_FACTORS
from verifier.tree import (
    INFINITY,
    MINUS_ONE,
    ZERO,
    Big,
    Call,
    Const,
    Items,
    Matrix,
    Mul,
    NamedSet,
    Node,
    Num,
    ParseError,
    Pow,
    Rel,
    Seq,
    Sym,
    UnknownOperatorError,
    divide,
    mul,
    negate,
)  # fmt: skip

if TYPE_CHECKING:
    from verifier.parsing.parser import Parser

_SIMPLE: dict[str, Node] = {
    "pi": Const("pi"),
    "infty": INFINITY,
    "emptyset": NamedSet("empty"),
    "ldots": Sym("…"),
}
_BIG = {"sum": "sum", "prod": "prod", "int": "int"}
_ENVIRONMENTS = (
    "pmatrix",
    "bmatrix",
    "matrix",
    "Bmatrix",
    "smallmatrix",
    "array",
    "vmatrix",
    "cases",
    "aligned",
    "align",
)


def read_command(parser: Parser, name: str) -> Node:
    """Read what the command ``name`` stands for; the parser is just after it."""
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name in FUNCTIONS:
        return read_function(parser, name)
    if name in GREEK:
        return parser._subscripted(name)
    match name:
        case "frac":
            top = parser.argument(digit=True)
            return divide(top, parser.argument(digit=True))
        case "binom":
            return Call("binom", (parser.argument(digit=True), parser.argument(digit=True)))
        case "vec" | "overline" | "underbrace":
            return Sym(f"{name}({parser.argument_text()})")
        case "angle" | "triangle":
            return Sym(f"{name}({_letters(parser)})")
        case "mathbb":
            letter = parser.argument_text()
            if letter not in ("R", "Z", "N", "Q", "C"):
                raise ParseError(f"no set called {letter!r}")
            return NamedSet(letter)
        case "lfloor" | "lceil" | "langle":
            return _paired(parser, name)
        case "lim":
            return _limit(parser)
        case "partial":
            return Sym("partial")
    if name in _BIG:
        return _big(parser, name)
    if name.startswith("begin "):
        return _environment(parser, name.removeprefix("begin "))
    if name[:-1] in FUNCTIONS or name[:-1] in GREEK:  # ``\\cotx``: a letter stuck to its function
        parser.tokens[parser.at : parser.at] = [Token("name", name[-1], False)]
        return read_command(parser, name[:-1])
    if name.isalpha() and name not in _ENVIRONMENTS:
        if name not in LETTER_LIKE and _between_factors(parser):
            raise UnknownOperatorError(f"no rules for \\{name}")
        if not name.startswith(("left", "right", "end")):
            return Sym(f"\\{name}")
    raise ParseError(f"no meaning for \\{name}")


def _between_factors(parser: Parser) -> bool:
    """Whether the command just taken stands between two things, as an operator does."""
    before = parser.peek(-2) if parser.at > 1 else None
    ends_factor = before is not None and (
        before.kind in ("num", "name")
        or (before.kind == "cmd" and before.text not in NO_FACTORS)
        or before.text in (")", "]", "}", "!")
    )
    after = parser.peek()
    return ends_factor and (after.kind in ("num", "name", "cmd") or after.text in ("(", "[", "{", "|", "-"))


def _letters(parser: Parser) -> str:
    letters = ""
    while parser.peek().kind == "name":
        letters += parser.take().text
    return letters


def _paired(parser: Parser, name: str) -> Node:
    closing = {"lfloor": "rfloor", "lceil": "rceil", "langle": "rangle"}[name]
    parser._deeper()
    inside = parser.items()
    if not parser.is_cmd(closing):
        raise ParseError(f"\\{name} is not closed")
    parser.at += 1
    parser.depth -= 1
    if name == "langle":
        return Seq("(", ")", inside.items if isinstance(inside, Items) else (inside,))
    return Call({"lfloor": "floor", "lceil": "ceil"}[name], (inside,))


# --- functions

_ROOTS = frozenset({"sqrt", "cbrt"})


def read_function(parser: Parser, name: str) -> Node:
    r"""Read the argument of the function ``name``, its power (``\sin^2 x``) and its base (``\log_2 x``)."""
    name = FUNCTIONS[name]
    if name in _ROOTS:
        return _root(parser, name)
    power: Node | None = None
    base: Node | None = None
    while parser.is_op("^", "_"):
        if parser.take().text == "^":
            if parser._degree_sign():
                raise ParseError("a degree sign after a function")
            power = parser._exponent()
        else:
            base = parser.argument(digit=True)
    inverse = power == MINUS_ONE and name in ("sin", "cos", "tan")
    call = _call("a" + name if inverse else name, base, _arguments(parser))
    return call if power is None or inverse else Pow(call, power)


def _call(name: str, base: Node | None, arguments: tuple[Node, ...]) -> Node:
    if name == "exp":
        return Pow(Const("e"), arguments[0])
    if name == "log10":
        return divide(Call("ln", arguments), Call("ln", (Num(10),)))
    if name == "log" and len(arguments) == 2:
        base, arguments = arguments[1], arguments[:1]
    if name == "log" and base is not None:
        return divide(Call("ln", arguments), Call("ln", (base,)))
    return Call(name, arguments)


def _root(parser: Parser, name: str) -> Node:
    degree: Node = Num(3 if name == "cbrt" else 2)
    if parser.is_op("["):
        parser.at += 1
        degree = parser.items()
        parser.expect("]")
    inside = parser.argument()
    if isinstance(degree, Num) and isinstance(degree.value, int) and degree.value > 0:
        return Pow(inside, Num(Fraction(1, degree.value)), root=True)
    return Pow(inside, divide(Num(1), degree), root=True)


def _arguments(parser: Parser) -> tuple[Node, ...]:
    """Brackets after the function, or the factors up to the next sign, function or separator."""
    if parser.is_op("(") or parser.is_op("{", "["):
        with parser.deeper():
            inside = parser.power() if not parser.is_op("{") else parser.argument()
        if isinstance(inside, Seq | Items):
            return inside.items
        return (inside,)
    negative = False
    while parser.is_op("-", "+"):
        negative ^= parser.take().text == "-"
    with parser.deeper():
        factors = [parser.power()]
    while _continues_argument(parser):
        if parser.is_op("/") or parser.is_cmd("cdot", "times") or parser.is_op("*"):
            divides = parser.take().text == "/"
            factors.append(Pow(parser.power(), MINUS_ONE) if divides else parser.power())
        else:
            factors.append(parser.power())
    node = mul(factors)
    return (negate(node) if negative else node,)


def _continues_argument(parser: Parser) -> bool:
    token, following = parser.peek(), parser.peek(1)
    if token.kind == "name":
        if parser.integrals and token.text[0] == "d":
            return False
        return token.text not in FUNCTIONS and parser._starts_factor()
    if token.kind == "num":
        return True
    if token.kind == "cmd":
        return token.text in ("pi", "frac") or token.text in GREEK
    if token.text == "/":
        return following.kind == "num"
    return False


# --- sums, integrals, limits


def _bounds(parser: Parser) -> tuple[Node | None, Node | None]:
    low: Node | None = None
    high: Node | None = None
    while parser.is_op("_", "^"):
        if parser.take().text == "_":
            low = _group(parser)
        else:
            high = parser._exponent()
    return low, high


def _group(parser: Parser) -> Node:
    """A subscript that may hold a relation or an arrow."""
    return parser.argument()


def _big(parser: Parser, kind: str) -> Node:
    low, high = _bounds(parser)
    if kind == "int":
        return _integral(parser, low, high)
    if not (isinstance(low, Rel) and low.ops == ("=",) and high is not None):
        raise ParseError(f"a {kind} without its range")
    variable, start = low.sides
    with parser.deeper():
        body = parser.product()
    return Big(kind, _bound_name(variable), start, high, body)


def _bound_name(node: Node) -> str:
    if isinstance(node, Sym | Const):
        return node.name
    raise ParseError("the variable of a sum, product, integral or limit is not a letter")


def _integral(parser: Parser, low: Node | None, high: Node | None) -> Node:
    if low is None or high is None:
        raise ParseError("an integral without bounds")
    parser.integrals += 1
    with parser.deeper():
        body = parser.sum()
    parser.integrals -= 1
    factors = body.factors if isinstance(body, Mul) else (body,)
    if len(factors) >= 2 and factors[-2] == Sym("d") and isinstance(factors[-1], Sym):
        return Big("int", factors[-1].name, low, high, mul(list(factors[:-2]) or [Num(1)]))
    raise ParseError("an integral without its differential")


def _limit(parser: Parser) -> Node:
    parser.expect("_")
    braced = parser.is_op("{")
    parser.at += braced
    variable = parser.atom()
    if not parser.is_cmd("to"):
        raise ParseError("a limit without an arrow")
    parser.at += 1
    point = parser.sum()
    if braced:
        parser.expect("}")
    with parser.deeper():
        body = parser.product()
    return Big("lim", _bound_name(variable), point, ZERO, body)


# --- matrices and systems


def _environment(parser: Parser, name: str) -> Node:
    if name not in _ENVIRONMENTS:
        raise ParseError(f"no meaning for the environment {name!r}")
    parser._deeper()
    rows: list[list[Node]] = [[]]
    while not parser.is_cmd(f"end {name}"):
        if parser.is_cmd("\\"):
            parser.at += 1
            rows.append([])
        elif (parser.is_op("&", ",") and name != "array") or parser.is_op("&"):
            parser.at += 1
        elif parser.peek().kind == "end":
            raise ParseError(f"\\begin{{{name}}} is not closed")
        else:
            rows[-1].append(parser.relation())
    parser.at += 1
    parser.depth -= 1
    rows = [row for row in rows if row]
    if name in ("cases", "aligned", "align"):
        return Items(tuple(entry for row in rows for entry in row))
    if not rows or len({len(row) for row in rows}) != 1:
        raise ParseError("a matrix with rows of different lengths")
    matrix = Matrix(tuple(tuple(row) for row in rows))
    return Call("det", (matrix,)) if name == "vmatrix" else matrix
