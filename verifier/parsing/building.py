r"""What the pieces that the parser read make together: ``(1, 2)^T`` a column, ``C_5^2`` a binomial, rows a matrix.

Functions of trees alone: none reads a token.
"""

from __future__ import annotations

import math
from dataclasses import replace

from verifier.tree import (
    ZERO,
    Add,
    Apply,
    Const,
    Items,
    Matrix,
    Mul,
    NamedSet,
    Node,
    Num,
    ParseError,
    Piecewise,
    Pow,
    Ratio,
    Rel,
    Residue,
    Seq,
    SetOf,
    Sym,
    UnknownOperatorError,
    divide,
    mul,
)

_MATRIX_NAMES = "pmatrix bmatrix matrix Bmatrix smallmatrix array vmatrix psmallmatrix bsmallmatrix Vmatrix"
MATRICES = frozenset(_MATRIX_NAMES.split())
SYSTEMS = frozenset(["cases", "dcases", "rcases", "aligned", "align", "gathered", "split"])
ALWAYS = Rel((ZERO, ZERO), ("=",))  # the condition "otherwise"
TRANSPOSES = (Sym("T"), Sym("\\top"), Sym("\\intercal"))
MAX_DOUBLE_FACTORIAL = 300


def transposed(node: Node) -> Node | None:
    """Return the transpose of a matrix, or the column that ``(1, 2)^T`` writes; None for anything else."""
    if isinstance(node, Matrix):
        return Matrix(tuple(zip(*node.rows, strict=True)))
    if isinstance(node, Seq) and len(node.items) > 1:
        return Matrix(tuple((item,) for item in node.items))
    return None


def double_factorial(node: Node) -> Node:
    """Return ``n!!``, the product of every second number down from ``n``: of a number, of ``2n`` or of ``2n-1``."""
    if isinstance(node, Num) and isinstance(node.value, int) and 0 <= node.value <= MAX_DOUBLE_FACTORIAL:
        return Num(math.prod(range(node.value, 0, -2)))
    match node:
        case Mul((Num(2), Sym() as n)):
            odd = False
        case Add((Mul((Num(2), Sym() as n)), Num(-1))):
            odd = True
        case _:
            raise UnknownOperatorError("a double factorial")
    evens = mul([Pow(Num(2), n), Apply("factorial", (n,))])
    return divide(Apply("factorial", (mul([Num(2), n]),)), evens) if odd else evens


def arranged(name: str, rows: list[list[Node]]) -> Node:
    """Return what the rows of an environment stand for: a function in pieces, a system, a matrix."""
    if name in SYSTEMS:
        if rows and all(len(r) == 2 and not isinstance(r[0], Rel) and isinstance(r[1], Rel) for r in rows):
            return Piecewise(tuple((row[0], row[1]) for row in rows))
        return Items(tuple(entry for row in rows for entry in row))
    if not rows or len({len(row) for row in rows}) != 1:
        raise ParseError("a matrix with rows of different lengths")
    matrix = Matrix(tuple(tuple(row) for row in rows))
    return Apply("det", (matrix,)) if name == "vmatrix" else matrix


def chosen(letter: str, total: Node, part: Node) -> Node:
    """Return the number of choices (``C``) or of arrangements (``A``, ``P``) of ``part`` of ``total`` things."""
    binomial = Apply("binom", (total, part))
    return binomial if letter == "C" else mul([binomial, Apply("factorial", (part,))])


def can_choose(total: Node, part: Node) -> bool:
    """Whether indices are those of a choice: whole numbers, or ``n`` and ``m`` with something below them."""
    if isinstance(total, Num) and isinstance(part, Num):
        return isinstance(total.value, int) and isinstance(part.value, int) and total.value >= part.value > 0
    return total in (Sym("n"), Sym("m"))


def called(name: str, base: Node | None, arguments: tuple[Node, ...]) -> Node:
    """Return the function ``name`` of its arguments; exponentials and logarithms to a base are written out."""
    arguments = tuple(map(as_operand, arguments))
    if name == "exp":
        return Pow(Const("e"), arguments[0])
    if name == "cis":
        return Pow(Const("e"), mul([Const("i"), arguments[0]]))
    if name in ("log10", "log2"):
        return divide(Apply("ln", arguments), Apply("ln", (Num(int(name[3:])),)))
    if name == "log" and len(arguments) == 2:
        base, arguments = arguments[1], arguments[:1]
    if name == "log" and base is not None:
        return divide(Apply("ln", arguments), Apply("ln", (base,)))
    return Apply(name, arguments)


def bound_name(node: Node) -> str:
    """Return the name of the variable of a sum, product, integral or limit."""
    if isinstance(node, Sym | Const):
        return node.name
    raise ParseError("the variable of a sum, product, integral or limit is not a letter")


def is_vector(node: Node) -> bool:
    """Whether ``node`` is a letter under an arrow."""
    return isinstance(node, Sym) and node.name.startswith("vec(")


def as_operand(node: Node) -> Node:
    """Within a calculation a ratio is a division, and one thing in square brackets is a group."""
    if isinstance(node, Ratio) and len(node.parts) == 2:
        return divide(*node.parts)
    if isinstance(node, Seq) and len(node.items) == 1 and (node.opening, node.closing) == ("[", "]"):
        return node.items[0]
    return node


def distributed(found: list[Node]) -> tuple[Node, ...]:
    r"""Return the items of a list, each with what is written once for all: ``x \ne 0, 1``, ``1, 3 \pmod 4``."""
    first, last = found[0], found[-1]
    if isinstance(first, Rel) and first.ops == ("!=",) and not any(isinstance(f, Rel) for f in found[1:]):
        return (first, *(replace(first, sides=(first.sides[0], other)) for other in found[1:]))
    if isinstance(last, Residue) and not any(isinstance(f, Residue | Rel) for f in found[:-1]):
        return (*(Residue(f, last.modulus) for f in found[:-1]), last)
    return tuple(found)


def identity_matrix(size: int) -> Matrix:
    """Return the matrix with ones on its diagonal and zeros elsewhere."""
    return Matrix(tuple(tuple(Num(int(i == j)) for j in range(size)) for i in range(size)))


def matrix_of_rows(node: Node) -> Matrix | None:
    """Return ``[[1, 2], [3, 4]]`` as a matrix; None for anything else."""
    if not isinstance(node, Seq) or not all(isinstance(item, Seq) for item in node.items):
        return None
    rows = tuple(item.items for item in node.items if isinstance(item, Seq))
    return Matrix(rows) if rows and len({len(row) for row in rows}) == 1 else None


def bracketed(opening: str, closing: str, inside: Node | None) -> Node:
    """Return what stands in brackets: a group, a sequence, a set, an absolute value."""
    items = inside.items if isinstance(inside, Items) else () if inside is None else (inside,)
    if opening == "\\{":
        return SetOf(items) if items else NamedSet("empty")
    if opening == "|":
        return Apply("abs", items)
    if len(items) == 1 and (opening, closing) in (("(", ")"), ("{", "}")):
        return items[0]
    if opening == "{":
        return SetOf(items)
    return Seq(opening, closing, items)
