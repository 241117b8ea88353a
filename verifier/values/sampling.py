"""Fixed pseudo-random points at which two expressions are compared, and points that tell pieces of them apart."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

from verifier.tree import (
    Apply,
    LimitError,
    Node,
    NotRationalError,
    Num,
    Sym,
    UndefinedError,
    free_symbols,
    subtract,
    walk,
)
from verifier.values.numeric import context
from verifier.values.polynomials import critical_points

Point = tuple[bool, dict[str, Fraction]]  # whether all coordinates are positive, and the coordinates

FAR = 40  # numerals from here on may lie beyond the usual points
MAX_FAR = 10**15
MAX_BREAKS = 12  # zeros of the arguments of |…|, max and min around which there are points
_PIECEWISE = frozenset({"abs", "max", "min", "floor", "ceil", "sgn"})


def sample_points(names: list[str]) -> list[Point]:
    """Return fixed pseudo-random points, the same for the same names."""
    rng = random.Random("points " + " ".join(names))

    def point(choose: object) -> dict[str, Fraction]:
        return {name: choose() for name in names}  # type: ignore[operator]

    small = lambda: Fraction(rng.randint(101, 997), rng.choice((211, 307, 401)))  # noqa: E731
    unit = lambda: Fraction(rng.randint(11, 399), 401)  # noqa: E731
    whole = lambda: Fraction(rng.randint(1, 9))  # noqa: E731
    signed = lambda: rng.choice((-1, 1)) * small()  # noqa: E731
    half = lambda: Fraction(rng.randint(-9, 9), 2)  # noqa: E731
    large = lambda: -Fraction(rng.randint(2001, 30011), 13)  # noqa: E731
    positive = [point(small), point(unit), point(small), point(whole), point(unit), point(whole)]
    positive += [{n: Fraction(rng.randint(12, 40)) - 3 * i for i, n in enumerate(names)} for _ in range(2)]
    mixed = (
        [point(signed) for _ in range(4)] + [point(half) for _ in range(6)] + [point(large) for _ in range(2)]
    )
    mixed += [{n: Fraction((-2, 2, Fraction(1, 2))[i % 3]) for i, n in enumerate(names)}]
    return [_marked(p) for p in positive + mixed]


def telling_points(a: Node, b: Node, names: list[str]) -> list[Point]:
    """Return points beyond the largest numeral of two expressions, and around those at which a piece of them ends."""
    nodes = [*walk(a), *walk(b)]
    points = _far_points([abs(Fraction(n.value)) for n in nodes if isinstance(n, Num)], names)
    pieces = [n for n in nodes if isinstance(n, Apply) and n.name in _PIECEWISE and n.args]
    if pieces and len(names) == 1:
        points += [{names[0]: value} for value in _around_breaks(pieces, names[0])]
    return [_marked(p) for p in points]


def _marked(point: dict[str, Fraction]) -> Point:
    return all(value > 0 for value in point.values()), point


def _far_points(numerals: list[Fraction], names: list[str]) -> list[dict[str, Fraction]]:
    far = max((n for n in numerals if FAR <= n <= MAX_FAR), default=None)
    if far is None:
        return []
    return [
        {name: sign * (far * scale + Fraction(7 * i + 1, 3)) for i, name in enumerate(names)}
        for scale in (Fraction(5, 4), Fraction(3))
        for sign in (1, -1)
    ]


def _around_breaks(pieces: list[Apply], name: str) -> list[Fraction]:
    """Return points on both sides of the zeros of what stands in |…|, max and min, and between them."""
    breaks: set[Fraction] = set()
    for piece in pieces:
        for node in [piece.args[0], *(subtract(piece.args[0], other) for other in piece.args[1:4])]:
            breaks.update(_zeros(node, name))
    ordered = sorted(breaks)[:MAX_BREAKS]
    between = [(low + high) / 2 for low, high in itertools.pairwise(ordered)]
    return [zero + step for zero in ordered for step in (Fraction(-2, 9), Fraction(2, 9))] + between


def _zeros(node: Node, name: str) -> list[Fraction]:
    if free_symbols(node) != {name}:
        return []
    if node == Sym(name):
        return [Fraction(0)]
    try:
        return [Fraction(str(context().nstr(zero, 20))) for zero in critical_points(node, name, 30)]
    except (UndefinedError, NotRationalError, LimitError, ZeroDivisionError, OverflowError):
        return []
