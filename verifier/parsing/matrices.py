"""Write out sums, products and powers of matrices and vectors, so that only their entries are compared."""

from __future__ import annotations

from verifier.tree import (
    MINUS_ONE,
    Add,
    Apply,
    LimitError,
    Matrix,
    Mul,
    Node,
    Num,
    ParseError,
    Pow,
    Rel,
    Seq,
    add,
    includes,
    mul,
    walk,
)  # fmt: skip

MAX_ENTRIES = 1_000
MAX_POWER = 64


def simplified(node: Node) -> Node:
    """Return ``node`` with matrix arithmetic done, at its top or on the sides of a relation.

    Raises:
        ParseError: if shapes do not fit.
        LimitError: if a matrix or a power is too large.
    """
    if not includes(node, Matrix):
        return node
    if isinstance(node, Rel):
        return Rel(tuple(_evaluate(side) for side in node.sides), node.ops)
    return _evaluate(node)


def _evaluate(node: Node) -> Node:
    match node:
        case Matrix(rows):
            if len(rows) * len(rows[0]) > MAX_ENTRIES:
                raise LimitError(f"a matrix of more than {MAX_ENTRIES} entries")
            return node
        case Add(terms):
            return _sum([_evaluate(term) for term in terms])
        case Mul(factors):
            product = _evaluate(factors[0])
            for factor in factors[1:]:
                product = _product(product, _evaluate(factor))
            return product
        case Pow(base, Num(value)):
            return _power(_evaluate(base), value)
        case Apply("det", (Matrix(rows),)):
            return _determinant(rows)
        case Seq("(", ")", (Matrix(),)):
            return node.items[0]
    return node


def _sum(terms: list[Node]) -> Node:
    matrices = [t for t in terms if isinstance(t, Matrix)]
    if len(matrices) != len(terms):
        return add(terms)
    shapes = {(len(m.rows), len(m.rows[0])) for m in matrices}
    if len(shapes) > 1:
        raise ParseError("a sum of matrices of different shapes")
    return Matrix(
        tuple(
            tuple(add(list(entries)) for entries in zip(*rows, strict=True))
            for rows in zip(*(m.rows for m in matrices), strict=True)
        )
    )


def _product(left: Node, right: Node) -> Node:
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        if len(left.rows[0]) != len(right.rows):
            raise ParseError("a product of matrices whose shapes do not fit")
        columns = list(zip(*right.rows, strict=True))
        rows = (
            tuple(add([mul([a, b]) for a, b in zip(row, column, strict=True)]) for column in columns)
            for row in left.rows
        )
        return Matrix(tuple(rows))
    if isinstance(left, Matrix) or isinstance(right, Matrix):
        scalar, matrix = (right, left) if isinstance(left, Matrix) else (left, right)
        return Matrix(tuple(tuple(mul([scalar, entry]) for entry in row) for row in matrix.rows))  # type: ignore[union-attr]
    return mul([left, right])


def _power(base: Node, exponent: object) -> Node:
    if not isinstance(base, Matrix) or base_is_not_square(base):
        return Pow(base, Num(exponent))  # type: ignore[arg-type]
    if not isinstance(exponent, int) or not 0 < exponent <= MAX_POWER:
        raise LimitError("a power of a matrix that is not written out")
    product: Node = base
    for _ in range(exponent - 1):
        product = _product(product, base)
        if len(walk(product)) > 20_000:
            raise LimitError("a power of a matrix that is not written out")
    return product


def base_is_not_square(matrix: Matrix) -> bool:
    """Whether the matrix has no powers."""
    return len(matrix.rows) != len(matrix.rows[0])


def _determinant(rows: tuple[tuple[Node, ...], ...]) -> Node:
    if len(rows) > 6 or len(rows) != len(rows[0]):
        raise LimitError("a determinant that is not written out")
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for j, entry in enumerate(rows[0]):
        minor = tuple(row[:j] + row[j + 1 :] for row in rows[1:])
        terms.append(mul([MINUS_ONE if j % 2 else Num(1), entry, _determinant(minor)]))
    return add(terms)
