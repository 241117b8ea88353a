"""The small tree that answers are parsed into, and the limits that keep it small.

Expressions are numbers, symbols, constants, sums, products, powers and calls; around them stand the shapes an
answer can have (tuple, set, interval, relation, ratio, quantity, list, words). Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import chain
from operator import attrgetter
from typing import Any

MAX_TOKENS = 4_000  # a longer answer is not read: no gold answer comes near it
MAX_DEPTH = 50  # nested brackets; each costs about ten interpreter frames of a thousand


class ParseError(ValueError):
    """The text is not mathematics in any notation known here."""


class UnknownOperatorError(ParseError):
    """A formula with an operator whose rules are not known here."""


class LimitError(ValueError):
    """Reading or evaluating would take more than the limits allow."""


class UndefinedError(ArithmeticError):
    """The expression has no value at this point."""


class NotRationalError(ValueError):
    """A part of the expression has no value by the rules at hand, such as a rational one for a root of two."""


@dataclass(frozen=True, slots=True)
class Num:
    """An exact number; ``digits`` is how many significant digits a decimal was written with, else 0."""

    value: Fraction | int
    digits: int = 0
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Sym:
    """A variable, with its subscript in its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Const:
    """One of ``pi``, ``e``, ``i``, ``inf``."""

    name: str


@dataclass(frozen=True, slots=True)
class Add:
    """A sum."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mul:
    """A product."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Pow:
    """``base`` to the power of ``exponent``; ``root`` marks a root sign, which is real for odd roots."""

    base: Node
    exponent: Node
    root: bool = False


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of arguments; an unknown name stands for some function, the same wherever it is written."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Big:
    """``sum``, ``prod``, ``int`` or ``lim`` of ``body`` over ``variable``."""

    kind: str
    variable: str
    low: Node
    high: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Pm:
    """The sign of a plus-minus: +1 in the first reading and -1 in the second; ``flip`` for minus-plus."""

    flip: bool


@dataclass(frozen=True, slots=True)
class Percent:
    """A number of hundredths."""

    value: Node


@dataclass(frozen=True, slots=True)
class Degree:
    """An angle in degrees."""

    value: Node


@dataclass(frozen=True, slots=True)
class Piecewise:
    """A function in pieces: values with the relation under which each holds; the first that holds counts."""

    pieces: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Seq:
    """Items between brackets: a tuple, an interval or a list, as brackets and the other answer decide."""

    opening: str
    closing: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set given by its elements."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SetOp:
    """``cup``, ``cap`` or ``minus`` of sets."""

    op: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """One of ``R``, ``Z``, ``N``, ``Q``, ``C``, ``empty``."""

    name: str


@dataclass(frozen=True, slots=True)
class Rel:
    """A chain of relations: ``sides[0] ops[0] sides[1] ops[1] …``; ops are ``= < > <= >= != ~ in``."""

    sides: tuple[Node, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Several answers: the items of a list without brackets; ``disjoint`` where "or" joins them."""

    items: tuple[Node, ...]
    disjoint: bool = False


@dataclass(frozen=True, slots=True)
class Ratio:
    """``a : b : …``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Residue:
    r"""A number modulo another: ``5 \\pmod 7``."""

    value: Node
    modulus: Node


@dataclass(frozen=True, slots=True)
class Based:
    """Digits in a base that is written as a subscript."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit, or with words that say what is counted; ``certain`` unless they may be variables."""

    value: Node
    unit: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """Words, in lower case with single spaces; ``formula`` where they are one that cannot be read."""

    words: str
    formula: bool = False


Node = (
    Num
    | Sym
    | Const
    | Add
    | Mul
    | Pow
    | Apply
    | Big
    | Pm
    | Percent
    | Degree
    | Piecewise
    | Matrix
    | Seq
    | SetOf
    | SetOp
    | NamedSet
    | Rel
    | Items
    | Ratio
    | Residue
    | Based
    | Quantity
    | Words
)

ZERO, MINUS_ONE = Num(0), Num(-1)
INFINITY = Const("inf")
DOTS = Sym("…")  # what is not written


def add(terms: list[Node]) -> Node:
    """Return the sum, flattened; numbers are left where they stand."""
    flat: list[Node] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, Add) else (term,))
    return flat[0] if len(flat) == 1 else Add(tuple(flat))


def mul(factors: list[Node]) -> Node:
    """Return the product, flattened; a minus sign before a number is taken into it."""
    flat: list[Node] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Mul) else (factor,))
    if len(flat) == 2 and flat[0] == MINUS_ONE and isinstance(flat[1], Num):
        return Num(-flat[1].value, flat[1].digits, flat[1].decimals)
    return flat[0] if len(flat) == 1 else Mul(tuple(flat))


def negate(node: Node) -> Node:
    """Return ``-node``."""
    return mul([MINUS_ONE, node])


def divide(top: Node, bottom: Node) -> Node:
    """Return ``top / bottom``."""
    return mul([top, Pow(bottom, MINUS_ONE)])


def subtract(left: Node, right: Node) -> Node:
    """Return ``left - right``."""
    return add([left, negate(right)])


def multiplied_out(node: Node) -> Node:
    """Return ``node`` with unknown functions of one argument, such as ``P(1+r)``, as products."""
    match node:
        case Pow(Apply(name, (argument,)), exponent) if name.endswith("()"):
            return mul([Sym(name[:-2]), Pow(multiplied_out(argument), multiplied_out(exponent))])
        case Apply(name, (argument,)) if name.endswith("()"):
            return mul([Sym(name[:-2]), multiplied_out(argument)])
        case Add(nodes):
            return Add(tuple(map(multiplied_out, nodes)))
        case Mul(nodes):
            return mul(list(map(multiplied_out, nodes)))
        case Pow(base, exponent, root):
            return Pow(multiplied_out(base), multiplied_out(exponent), root)
        case Apply(name, nodes):
            return Apply(name, tuple(map(multiplied_out, nodes)))
    return node


def renamed(node: Node, names: dict[str, str]) -> Node:
    """Return ``node`` with its variables called by other names."""
    if isinstance(node, Sym):
        return Sym(names.get(node.name, node.name))
    parts = {field.name: getattr(node, field.name) for field in fields(node)}
    return replace(node, **{k: _renamed_within(part, names) for k, part in parts.items()})


def _renamed_within(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, tuple):
        return tuple(_renamed_within(one, names) for one in part)
    return renamed(part, names) if isinstance(part, Node) else part


# Looked up by type: a tree is walked far more often than it is built.
_CHILDREN: dict[type, Callable[[Any], tuple[Node, ...]]] = {
    **dict.fromkeys((Seq, SetOf, Items), attrgetter("items")),
    **dict.fromkeys((SetOp, Ratio), attrgetter("parts")),
    **dict.fromkeys((Percent, Degree, Quantity), lambda node: (node.value,)),
    Add: attrgetter("terms"),
    Mul: attrgetter("factors"),
    Apply: attrgetter("args"),
    Rel: attrgetter("sides"),
    Pow: attrgetter("base", "exponent"),
    Big: attrgetter("low", "high", "body"),
    Residue: attrgetter("value", "modulus"),
    Piecewise: lambda node: tuple(chain.from_iterable(node.pieces)),
    Matrix: lambda node: tuple(chain.from_iterable(node.rows)),
}


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below ``node``."""
    below = _CHILDREN.get(type(node))
    return below(node) if below is not None else ()


def walk(node: Node) -> list[Node]:
    """Return ``node`` and every node below it."""
    found, waiting = [], [node]
    while waiting:
        current = waiting.pop()
        found.append(current)
        below = _CHILDREN.get(type(current))
        if below is not None:
            waiting += below(current)
    return found


def includes(node: Node, kind: type) -> bool:
    """Whether ``node`` or a node below it is of a kind."""
    return kind in map(type, walk(node))


def constants(node: Node) -> set[str]:
    """Return the names of the constants in ``node``."""
    return {n.name for n in walk(node) if isinstance(n, Const)}


def free_symbols(node: Node) -> frozenset[str]:
    """Return the names of the variables that ``node`` depends on."""
    names: set[str] = set()
    _collect_symbols(node, names)
    return frozenset(names)


def _collect_symbols(node: Node, names: set[str]) -> None:
    if isinstance(node, Sym):
        names.add(node.name)
        return
    below = _CHILDREN.get(type(node))
    if below is None:
        return
    if isinstance(node, Big):
        names |= frozenset().union(*map(free_symbols, below(node))) - {node.variable}
        return
    for child in below(node):
        _collect_symbols(child, names)
