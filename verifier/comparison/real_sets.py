"""Sets of real numbers: intervals, unions, solution sets of inequalities in one variable.

A region is a membership test and the points at which membership can change. Two regions are equal if they
agree at all of these points and between them, which needs no simplification and is symmetric.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from verifier.comparison.expressions import infinite_sign
from verifier.outcome import Outcome, correct, incorrect
from verifier.tree import (
    Items,
    LimitError,
    NamedSet,
    Node,
    NotRationalError,
    Rel,
    Seq,
    SetOf,
    SetOp,
    Sym,
    UndefinedError,
    Words,
    free_symbols,
    subtract,
)
from verifier.values.numeric import Numeric, Value, context
from verifier.values.polynomials import critical_points

DIGITS = 40
_CLOSE = 20  # decimal digits to which two boundary points are the same
ORDERS = frozenset({"<", ">", "<=", ">=", "!="})


@dataclass(frozen=True, slots=True)
class Region:
    """A set of reals: ``contains`` decides membership, which changes only at ``points``."""

    points: tuple[Value, ...]
    contains: Callable[[Value], bool]


def region_of(node: Node) -> Region | None:
    """Return the set of reals that ``node`` describes, or None if it describes none that is known here."""
    match node:
        case Seq(opening, closing, (low, high)):
            return _interval(opening, closing, low, high)
        case SetOf(items):
            points = tuple(_number(item) for item in items)
            return Region(points, lambda x: any(_near(x, p) for p in points))
        case NamedSet("R") | Words("reals"):
            return Region((), lambda x: True)
        case NamedSet("empty"):
            return Region((), lambda x: False)
        case SetOp(op, parts):
            regions = [region_of(part) for part in parts]
            return _combined(op, [r for r in regions if r]) if all(regions) else None
        case Rel(sides, ("in",)):
            return region_of(sides[1]) if isinstance(sides[0], Sym) else None
        case Rel():
            return _solutions(node)
        case Items(items, disjoint):
            regions = [region_of(item) for item in items if isinstance(item, Rel)]
            if len(regions) == len(items) and all(regions):
                return _combined("cup" if disjoint else "cap", [r for r in regions if r])
    return None


def same_region(a: Region, b: Region) -> Outcome:
    """Compare two sets of reals."""
    for x in _test_points(a.points + b.points):
        inside = a.contains(x), b.contains(x)
        if inside[0] != inside[1]:
            return incorrect(f"{context().nstr(x, 8)} is in one of the two sets only")
    return correct("the same set of numbers")


def _test_points(points: tuple[Value, ...]) -> list[Value]:
    ctx = context()
    ctx.dps = DIGITS
    ordered: list[Value] = []
    for point in sorted(p for p in points if not ctx.isinf(p)):
        if not ordered or not _near(ordered[-1], point):
            ordered.append(point)
    if not ordered:
        return [ctx.mpf(0)]
    between = [(p + q) / 2 for p, q in itertools.pairwise(ordered)]
    return [ordered[0] - 1, ordered[0] - 1000, *ordered, *between, ordered[-1] + 1, ordered[-1] + 1000]


def _near(x: Value, y: Value) -> bool:
    ctx = context()
    if ctx.isinf(x) or ctx.isinf(y):
        return bool(x == y)
    return bool(abs(x - y) <= ctx.mpf(10) ** -_CLOSE * max(1, abs(x), abs(y)))


def _number(node: Node) -> Value:
    value = _extended(Numeric(DIGITS, {}), node)
    if isinstance(value, context().mpc):
        raise UndefinedError("a boundary that is not real")
    return value


def _extended(evaluator: Numeric, node: Node) -> Value:
    """Return the value of ``node``, which may be plus or minus infinity."""
    sign = infinite_sign(node)
    return sign * context().inf if sign else evaluator.of(node)


def _interval(opening: str, closing: str, low: Node, high: Node) -> Region | None:
    if opening not in "([" or closing not in ")]" or free_symbols(low) or free_symbols(high):
        return None
    start, end = _number(low), _number(high)
    if start > end or (
        _near(start, end) and (opening, closing) != ("[", "]")
    ):  # rather a point than no interval
        return None

    def contains(x: Value) -> bool:
        if _near(x, start):
            return opening == "["
        if _near(x, end):
            return closing == "]"
        return bool(start < x < end)

    return Region((start, end), contains)


def _combined(op: str, regions: list[Region]) -> Region:
    points = tuple(p for region in regions for p in region.points)
    first, rest = regions[0], regions[1:]
    if op == "cup":
        return Region(points, lambda x: any(r.contains(x) for r in regions))
    if op == "cap":
        return Region(points, lambda x: all(r.contains(x) for r in regions))
    return Region(points, lambda x: first.contains(x) and not any(r.contains(x) for r in rest))


def _solutions(relation: Rel) -> Region | None:
    """The solutions of a chain of inequalities in one variable."""
    names = free_symbols(relation)
    if len(names) != 1 or not set(relation.ops) <= ORDERS | {"="} or not set(relation.ops) & ORDERS:
        return None
    name = next(iter(names))
    pairs = list(zip(relation.sides, relation.ops, relation.sides[1:], strict=False))
    points: list[Value] = []
    for left, _, right in pairs:
        if not (infinite_sign(left) or infinite_sign(right)):
            points.extend(critical_points(subtract(left, right), name, DIGITS))

    def contains(x: Value) -> bool:
        return all(holds(left, op, right, {name: x}) for left, op, right in pairs)

    return Region(tuple(points), contains)


def holds(left: Node, op: str, right: Node, values: dict[str, Value]) -> bool:
    """Whether a relation holds at a point; where a side has no real value it does not."""
    ctx = context()
    evaluator = Numeric(DIGITS, {})
    evaluator.values.update(values)
    try:
        x, y = _extended(evaluator, left), _extended(evaluator, right)
    except (UndefinedError, NotRationalError, LimitError, ZeroDivisionError):
        return False
    if isinstance(x, ctx.mpc) or isinstance(y, ctx.mpc):
        return False
    equal = _near(x, y)
    match op:
        case "=":
            return equal
        case "!=":
            return not equal
        case "<=":
            return equal or bool(x < y)
        case ">=":
            return equal or bool(x > y)
        case "<":
            return not equal and bool(x < y)
    return not equal and bool(x > y)
