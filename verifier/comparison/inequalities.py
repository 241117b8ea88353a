"""Compare inequalities in several variables, or with parameters.

Two of them are the same if their differences of sides are proportional, or if they hold at the same points, among
them points on both sides of every boundary that was found; where none was found, nothing is said.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import islice, pairwise
from time import thread_time

from verifier.comparison.equations import GRID, SECONDS, proportional_exactly, sign_of_ratio
from verifier.comparison.real_sets import ORDERS, holds
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.tree import LimitError, Node, NotRationalError, Rel, UndefinedError, free_symbols, subtract
from verifier.values.polynomials import changes_sign, factors, quotients
from verifier.values.roots import Line

_DRAWS = 4  # of the other variables, for each variable in which boundaries are looked for
MIN_BOUNDARIES = 3  # points of each boundary, at least
_FAR = [Fraction(20) * Fraction(3, 2) ** k for k in range(1, 20)]
_WIDE_GRID = [-x for x in reversed(_FAR)] + GRID[::4] + _FAR


def same_inequality(a: Rel, b: Rel) -> Comparison:
    """Compare two inequalities in several variables, or with parameters, by the points at which they hold."""
    names = sorted(free_symbols(a) | free_symbols(b))
    if _form(a, b):
        return correct("the same inequality")
    if sorted(_strictness(a)) != sorted(_strictness(b)):
        return _one_with_its_boundary(a, b)
    if _multiples(a, b):
        return correct("one is a multiple of the other")
    rng = random.Random("inequality")
    deadline = thread_time() + SECONDS
    for _ in range(160):
        scale = rng.choice((1, 3, 20, 500))
        point = {n: Fraction(rng.randint(-1000, 1000) * scale, 173) for n in names}
        truth = [_holds(r, point) for r in (a, b)]
        if truth[0] != truth[1]:
            return incorrect("one only holds at " + ", ".join(f"{n} = {v}" for n, v in point.items()))
        if thread_time() > deadline:
            return unverifiable("no time to compare them at enough points")
    return _at_boundaries(a, b, names)


def _one_with_its_boundary(a: Rel, b: Rel) -> Comparison:
    """Say that two differ on their common boundary, where that certainly has points; ``x^2 + 1 > 0`` has none."""
    if len(a.ops) == len(b.ops) == 1:
        f, g = subtract(*a.sides), subtract(*b.sides)
        try:
            zeros = any(changes_sign(factor) for factor, _ in factors(quotients((f,))[0].top).values())
        except (NotRationalError, UndefinedError, LimitError):
            zeros = False
        if zeros and proportional_exactly(f, g):
            return incorrect("one of the two includes its boundary")
    return unverifiable("one of the two includes its boundary")


def _multiples(a: Rel, b: Rel) -> bool:
    """Whether each has one sign of order, and one difference of sides is the other times a number of the right sign."""
    if len(a.ops) != 1 or len(b.ops) != 1:
        return False
    f, g = subtract(*a.sides), subtract(*b.sides)
    return proportional_exactly(f, g) and sign_of_ratio(f, g) == (1 if a.ops == b.ops else -1)


def _at_boundaries(a: Rel, b: Rel, names: list[str]) -> Comparison:
    """Compare on both sides of the boundaries of each, found along every variable."""
    rng = random.Random("boundaries")
    deadline = thread_time() + SECONDS
    found = [0] * (len(a.sides) + len(b.sides) - 2)
    for name in names:
        for _ in range(_DRAWS):
            if thread_time() > deadline:
                return unverifiable("no time to find enough of their boundaries")
            rest = {n: Fraction(rng.randint(-300, 300), rng.choice((97, 401))) for n in names if n != name}
            for index, boundary in enumerate((*_boundaries(a), *_boundaries(b))):
                for root in islice(Line(boundary, name, rest).roots(_WIDE_GRID, deadline), 2):
                    told = _beside(a, b, name, root, rest)
                    if isinstance(told, Comparison):
                        return told
                    found[index] += told
    if min(found) < MIN_BOUNDARIES:
        return unverifiable("too few points were found at which the inequalities begin to hold")
    return correct(f"they hold on the same side of their boundaries ({sum(found)} points tried)")


def _boundaries(relation: Rel) -> list[Node]:
    return [subtract(left, right) for left, right in pairwise(relation.sides)]


def _beside(a: Rel, b: Rel, name: str, root: Fraction, rest: dict[str, Fraction]) -> bool | Comparison:
    """Say whether both begin or cease to hold at a boundary point; an outcome where only one does."""
    step = Fraction(1, 10**9) * max(Fraction(1), abs(root))
    truths = []
    for place in (root - step, root + step):
        values = rest | {name: place}
        truth = [_holds(r, values) for r in (a, b)]
        if truth[0] != truth[1]:
            at = ", ".join(f"{n} = {v}" for n, v in rest.items())
            return incorrect(f"one only holds beside {name} = {float(root):.8g} ({at})")
        truths.append(truth[0])
    return truths[0] != truths[1]


def _holds(relation: Rel, values: dict[str, Fraction]) -> bool:
    pairs = zip(relation.sides, relation.ops, relation.sides[1:], strict=False)
    return all(holds(left, op, right, values) for left, op, right in pairs)


def _strictness(relation: Rel) -> list[str]:
    return [op.replace(">", "<") for op in relation.ops]


def _form(a: Rel, b: Rel) -> bool:
    flipped = Rel(
        b.sides[::-1], tuple({"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(o, o) for o in b.ops[::-1])
    )
    return a in (b, flipped)


def is_inequality(node: Node) -> bool:
    """Whether ``node`` is a chain with an order in it."""
    return isinstance(node, Rel) and bool(set(node.ops) & ORDERS)
