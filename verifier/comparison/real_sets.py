"""Sets of real numbers: intervals, unions, solution sets of inequalities in one variable.

A region is a membership test and the points at which membership can change. Two regions are equal if they
agree at all of these points and between them, which needs no simplification and is symmetric. Points are balls
(``verifier.values.balls``); two that overlap are taken for the same one: they agree to some 50 digits.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from flint import acb, arb

from verifier.comparison.expressions import infinite_sign
from verifier.outcome import Comparison, correct, incorrect
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
from verifier.values.balls import Ball, Evaluator, UndecidedError, precision, shown
from verifier.values.polynomials import critical_points

BITS = 192
ORDERS = frozenset({"<", ">", "<=", ">=", "!="})


@dataclass(frozen=True, slots=True)
class Region:
    """A set of reals: ``contains`` decides membership, which changes only at ``points``."""

    points: tuple[Ball, ...]
    contains: Callable[[Ball], bool]


def region_of(node: Node) -> Region | None:
    """Return the set of reals that ``node`` describes, or None if it describes none that is known here."""
    match node:
        case Seq(opening, closing, (low, high)):
            return _interval(opening, closing, low, high)
        case SetOf(items):
            points = tuple(_number(item) for item in items)
            return Region(points, lambda x: any(near(x, p) for p in points))
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


def same_region(a: Region, b: Region) -> Comparison:
    """Compare two sets of reals."""
    for x in _test_points(a.points + b.points):
        inside = a.contains(x), b.contains(x)
        if inside[0] != inside[1]:
            return incorrect(f"{shown(x, 8)} is in one of the two sets only")
    return correct("the same set of numbers")


def _test_points(points: tuple[Ball, ...]) -> list[Ball]:
    ordered: list[Ball] = []
    with precision(BITS):
        for point in sorted((p for p in points if p.is_finite()), key=lambda p: float(p.mid())):
            if not any(near(other, point) for other in ordered[-3:]):
                ordered.append(point)
        if not ordered:
            return [arb(0)]
        ordered.sort(key=functools.cmp_to_key(_order))
        between = [((p + q) / 2).mid() for p, q in itertools.pairwise(ordered)]
        first, last = ordered[0].mid(), ordered[-1].mid()
        return [first - 1, first - 1000, *ordered, *between, last + 1, last + 1000]


def _order(x: Ball, y: Ball) -> int:
    return -1 if x < y else 1


def near(x: Ball, y: Ball) -> bool:
    """Whether two points are the same as far as can be told."""
    return bool(x == y) if not (x.is_finite() and y.is_finite()) else bool(x.overlaps(y))


def _number(node: Node) -> Ball:
    value = extended(Evaluator(BITS, {}), node)
    if isinstance(value, acb):
        raise UndefinedError("a boundary that is not real")
    return value


def extended(evaluator: Evaluator, node: Node) -> Ball:
    """Return the value of ``node``, which may be plus or minus infinity."""
    sign = infinite_sign(node)
    if sign:
        return arb.pos_inf() if sign > 0 else arb.neg_inf()
    return evaluator.of(node)


def _interval(opening: str, closing: str, low: Node, high: Node) -> Region | None:
    if opening not in "([" or closing not in ")]" or free_symbols(low) or free_symbols(high):
        return None
    start, end = _number(low), _number(high)
    if start > end or (
        near(start, end) and (opening, closing) != ("[", "]")
    ):  # rather a point than no interval
        return None

    def contains(x: Ball) -> bool:
        if near(x, start):
            return opening == "["
        if near(x, end):
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
    if len(names) != 1 or not set(relation.ops) <= ORDERS | {"="}:
        return None
    name = next(iter(names))
    pairs = list(zip(relation.sides, relation.ops, relation.sides[1:], strict=False))
    points: list[Ball] = []
    for left, _, right in pairs:
        if not (infinite_sign(left) or infinite_sign(right)):
            points.extend(critical_points(subtract(left, right), name))

    def contains(x: Ball) -> bool:
        return all(holds(left, op, right, {name: x}) for left, op, right in pairs)

    return Region(tuple(points), contains)


def holds(left: Node, op: str, right: Node, values: dict[str, Ball]) -> bool:
    """Whether a relation holds at a point; where a side has no real value it does not."""
    evaluator = Evaluator(BITS, values)
    try:
        x, y = extended(evaluator, left), extended(evaluator, right)
    except (UndefinedError, UndecidedError, NotRationalError, LimitError):
        return False
    if isinstance(x, acb) or isinstance(y, acb):
        return False
    equal = near(x, y)
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
