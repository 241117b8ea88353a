"""Fixed pseudo-random points at which two expressions are compared, and points that tell pieces of them apart."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from verifier.tree import (
    Apply,
    LimitError,
    Node,
    NotRationalError,
    Num,
    Piecewise,
    Pow,
    Rel,
    Sym,
    UndefinedError,
    free_symbols,
    subtract,
    walk,
)
from verifier.values.balls import UndecidedError, rational_near
from verifier.values.polynomials import critical_points

Point = tuple[bool, dict[str, Fraction]]  # whether all coordinates are positive, and the coordinates

FAR = 12  # numerals from here on may lie beyond most of the usual points
MAX_FAR = 10**15
MAX_BREAKS = 12  # zeros of the arguments of |…|, max, min and roots around which there are points
MAX_KEPT = 6  # names up to which the points are kept, so that they take little memory
_PIECEWISE = frozenset({"abs", "max", "min", "floor", "ceil", "sgn"})


def whole_names(nodes: tuple[Node, ...]) -> frozenset[str]:
    r"""Return the letters that can only stand for whole numbers: ``n!``, ``\binom{n}{k}``, ``(-1)^n``, ``F_n``."""
    found: set[str] = set()
    for node in (n for root in nodes for n in walk(root)):
        match node:
            case Apply("factorial" | "binom", arguments):
                found.update(*map(free_symbols, arguments))
            case Pow(Num(value), exponent) if value < 0:
                found.update(free_symbols(exponent))
    return frozenset(found)


def sample_points(names: tuple[str, ...], whole: frozenset[str] = frozenset()) -> tuple[Point, ...]:
    """Return fixed pseudo-random points, the same for the same names; ``whole`` ones are whole and positive there."""
    return (_kept_points if len(names) <= MAX_KEPT else _points)(names, whole)


def _points(names: tuple[str, ...], whole: frozenset[str]) -> tuple[Point, ...]:
    rng = random.Random("points " + " ".join(names))

    def point(choose: object) -> dict[str, Fraction]:
        return {name: choose() for name in names}  # type: ignore[operator]

    small = lambda: Fraction(rng.randint(101, 997), rng.choice((211, 307, 401)))  # noqa: E731
    unit = lambda: Fraction(rng.randint(11, 399), 401)  # noqa: E731
    integer = lambda: Fraction(rng.randint(1, 9))  # noqa: E731
    signed = lambda: rng.choice((-1, 1)) * small()  # noqa: E731
    half = lambda: Fraction(rng.randint(-9, 9), 2)  # noqa: E731
    large = lambda: -Fraction(rng.randint(2001, 30011), 13)  # noqa: E731
    positive = [point(small), point(unit), point(small), point(integer), point(unit), point(integer)]
    positive += [{n: Fraction(rng.randint(12, 40)) - 3 * i for i, n in enumerate(names)} for _ in range(2)]
    mixed = (
        [point(signed) for _ in range(4)] + [point(half) for _ in range(6)] + [point(large) for _ in range(2)]
    )
    mixed += [{n: Fraction((-2, 2, Fraction(1, 2))[i % 3]) for i, n in enumerate(names)}]
    return tuple(_marked(_with_whole(p, whole)) for p in positive + mixed)


_kept_points = lru_cache(maxsize=256)(_points)


def _with_whole(point: dict[str, Fraction], whole: frozenset[str]) -> dict[str, Fraction]:
    """Move the coordinates of ``whole`` names to whole numbers from 1 to 40."""
    if not whole:
        return point
    return {n: Fraction(1 + int(abs(v) * 7) % 40) if n in whole else v for n, v in point.items()}


def points_for(a: Node, b: Node, names: tuple[str, ...], whole: frozenset[str]) -> Iterator[Point]:
    """Yield the points at which two expressions are compared.

    First the fixed ones, which tell most pairs apart; then those beyond the largest numeral, and around the places at
    which a piece of them ends.
    """
    yield from sample_points(names, whole)
    nodes = [*walk(a), *walk(b)]
    points = _far_points([abs(Fraction(n.value)) for n in nodes if isinstance(n, Num)], names)
    if len(names) == 1:
        points += [{names[0]: value} for value in _around_breaks(_where_pieces_end(nodes), names[0])]
    for point in points:
        yield _marked(_with_whole(point, whole))


def _where_pieces_end(nodes: list[Node]) -> list[Node]:
    """Return the expressions whose zeros part the pieces of |…|, max, min, steps, roots and functions in pieces."""
    ends: list[Node] = []
    for node in nodes:
        match node:
            case Apply(name, (first, *others)) if name in _PIECEWISE:
                ends += [first, *(subtract(first, other) for other in others[:3])]
            case Pow(base, exponent) if not free_symbols(exponent) and not _is_whole(exponent):
                ends.append(base)  # the root of (x-40)^2 is |x-40|
            case Piecewise(pieces):
                ends += [
                    subtract(x, y)
                    for _, condition in pieces
                    if isinstance(condition, Rel)
                    for x, y in itertools.pairwise(condition.sides)
                ]
    return ends


def _is_whole(exponent: Node) -> bool:
    return isinstance(exponent, Num) and exponent.value.denominator == 1


def _marked(point: dict[str, Fraction]) -> Point:
    return all(value > 0 for value in point.values()), point


def _far_points(numerals: list[Fraction], names: tuple[str, ...]) -> list[dict[str, Fraction]]:
    far = max((n for n in numerals if FAR <= n <= MAX_FAR), default=None)
    if far is None:
        return []
    return [
        {name: sign * (far * scale + Fraction(7 * i + 1, 3)) for i, name in enumerate(names)}
        for scale in (Fraction(5, 4), Fraction(3))
        for sign in (1, -1)
    ]


def _around_breaks(ends: list[Node], name: str) -> list[Fraction]:
    """Return points at and on both sides of the zeros of ``ends``, and between them."""
    breaks: set[Fraction] = set()
    for node in ends:
        breaks.update(_zeros(node, name))
    ordered = sorted(breaks)[:MAX_BREAKS]
    between = [(low + high) / 2 for low, high in itertools.pairwise(ordered)]
    steps = (Fraction(-2, 9), Fraction(0), Fraction(2, 9))
    return [zero + step for zero in ordered for step in steps] + between


def _zeros(node: Node, name: str) -> list[Fraction]:
    if free_symbols(node) != {name}:
        return []
    if node == Sym(name):
        return [Fraction(0)]
    try:
        return [rational_near(zero) for zero in critical_points(node, name)]
    except (UndefinedError, UndecidedError, NotRationalError, LimitError):
        return []
