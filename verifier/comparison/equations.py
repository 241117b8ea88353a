"""Compare equations, and take the name off an answer such as ``x = 5``.

Two equations are the same if the solutions of each, counted with multiplicity, are those of the other: as
rational functions their difference of sides is compared up to a factor that is never zero.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import islice, pairwise
from time import thread_time

from flint import arb

from verifier.comparison.expressions import differ_exactly, same_expression
from verifier.functions_table import BY_NAME
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.tree import (
    MINUS_ONE,
    Add,
    Apply,
    Const,
    Degree,
    Matrix,
    Mul,
    Node,
    Num,
    Percent,
    Pm,
    Pow,
    Quantity,
    Ratio,
    Rel,
    Residue,
    Seq,
    SetOp,
    Sym,
    divide,
    free_symbols,
    subtract,
    walk,
)  # fmt: skip
from verifier.values.balls import Ball, Evaluator, precision
from verifier.values.exact import Fingerprint
from verifier.values.polynomials import Quotient, changes_sign, factors, has_no_real_zero, monic, quotients
from verifier.values.roots import BITS, FAILURES, Line
from verifier.values.sampling import sample_points

MIN_SOLUTIONS = 6  # of each equation that must solve the other, to be called the same
SECONDS = 0.6  # of processor time, after which no further solution is looked for


# --- names


def is_label(node: Node) -> bool:
    """Whether ``node`` only names a quantity: ``x``, ``f(x)``, ``|AB|``, ``AB``, ``V_1 : V_2``, ``(p, q)``."""
    match node:
        case (
            Sym() | Const("e" | "i") | Pow(Sym("sigma" | "chi"), Num(2))
        ):  # the variance, which has no other name
            return True
        case Apply(name, (Sym("x"),)) if not name.endswith("()"):  # |x| = 3 is an equation
            return False
        case Apply(name, args):
            named = (Num, Rel, SetOp) if name.endswith("()") else (Num,)  # P(X = 3), P(A \cup B)
            return name not in ("factorial", "binom") and all(
                is_label(a) or isinstance(a, named) for a in args
            )
        case Mul(factors):
            return all(
                (isinstance(f, Sym) and f.name[0].isupper()) or (isinstance(f, Pow) and is_label(f.base))
                for f in factors
            ) or _is_quotient_of_labels(node)
        case Ratio(parts):
            return all(map(is_label, parts))
        case Seq("(", ")", items):
            return all(isinstance(i, Sym) for i in items)
        case Seq("[", "]", (Mul() | Sym() as area,)):  # [ABC], the area of a triangle
            return is_label(area)
    return False


def _is_quotient_of_labels(node: Mul) -> bool:
    bottoms = [f for f in node.factors if isinstance(f, Pow) and f.exponent == Num(-1)]
    tops = [f for f in node.factors if f not in bottoms]
    if _is_derivative(tops, bottoms):
        return True
    return len(bottoms) == 1 and is_label(bottoms[0].base) and bool(tops) and all(map(is_label, tops))


def _is_derivative(tops: list[Node], bottoms: list[Pow]) -> bool:
    r"""Whether these are the parts of ``\frac{dy}{dx}``; ``\frac{ab}{cd}`` is left alone."""
    if len(bottoms) != 1 or not isinstance(bottoms[0].base, Mul) or len(tops) > 2 or not tops:
        return False
    first = tops[0].base if isinstance(tops[0], Pow) else tops[0]  # d^2 y over d x^2
    bottom = bottoms[0].base.factors
    return first in (Sym("d"), Sym("partial")) and first == bottom[0] and len(bottom) == 2


def _names_a_sum_or_product(node: Node) -> bool:
    """Whether a side such as ``m + n``, ``xy`` or ``AB + BC`` only says which value is asked for.

    ``2x + z`` and ``x^2`` are left alone: with coefficients and powers a side is part of an equation to be solved.
    """
    terms = node.terms if isinstance(node, Add) else (node,)
    factors = [f for term in terms for f in (term.factors if isinstance(term, Mul) else (term,))]
    letters = [f for f in factors if f != MINUS_ONE]
    if len(terms) > 1 and all(isinstance(f, Sym) and f.name[0].isupper() for f in letters):  # lengths, areas
        return True
    return len(set(letters)) == len(letters) > 1 and all(isinstance(f, Sym) for f in letters)


def labelled(node: Node) -> tuple[Node, Node] | None:
    """Return the name and the value of ``name = … = value`` or ``name ≈ value``, or None."""
    if not isinstance(node, Rel) or not set(node.ops) <= {"=", "~"}:
        return None
    if is_label(node.sides[0]):
        exact = [s for s, op in zip(node.sides[1:], node.ops, strict=True) if op == "="]
        return node.sides[0], (exact[-1] if exact else node.sides[-1])
    if is_label(node.sides[-1]) and len(node.sides) == 2:
        return node.sides[1], node.sides[0]
    return None


def without_label(node: Node) -> Node:
    """Return the value of a named answer, the exact side of ``5/9 ≈ 0.56``, or ``node`` itself."""
    named = labelled(node)
    if named is not None:
        return named[1]
    if isinstance(node, Rel) and node.ops[0] == "~":
        return node.sides[0]
    if isinstance(node, Rel) and set(node.ops) == {"="} and _names_a_sum_or_product(node.sides[0]):
        return node if free_symbols(node.sides[-1]) else node.sides[-1]
    if isinstance(node, Rel) and len(node.sides) > 2 and set(node.ops) <= {"=", "~"}:
        return node.sides[-1]
    if isinstance(node, Rel) and node.ops == ("=",) and not free_symbols(node):
        return node.sides[-1]
    return node


_ROUNDED = Fraction(1, 100)  # to which a side with decimals may be off
_ABOUT = Fraction(1, 10)  # to which ≈ may be off: \frac59 \approx 0.56 stands, 7 \approx 3 does not


_NAMES = (Const("e"), Const("i"))  # alone on a side they are names: i = 3, e = 5


def is_false(relation: Rel) -> bool:
    """Whether two sides of a chain of equalities without letters certainly differ: ``3 + 4 = 8``, ``x = 7 = 8``.

    ``1/3 = 0.333`` is left alone: a decimal may be rounded.
    """
    if not set(relation.ops) <= {"=", "~"}:
        return False
    sides = [side for side in relation.sides if not free_symbols(side) and side not in _NAMES]
    return any(_certainly_differ(x, y, "~" in relation.ops) for x, y in pairwise(sides))


def _certainly_differ(x: Node, y: Node, about: bool) -> bool:
    nodes = (*walk(x), *walk(y))
    if any(isinstance(n, Apply) and n.name not in BY_NAME for n in nodes):  # f(2) may be anything
        return False
    if any(isinstance(n, Degree | Percent | Residue | Quantity | Matrix | Pm) for n in nodes):
        return False
    left, right = Evaluator(BITS, {}), Evaluator(BITS, {})
    try:
        one, other = left.of(x), right.of(y)
    except FAILURES:
        return False
    if left.approximate or right.approximate:  # a limit: its ball proves nothing
        return False
    rounded = any(isinstance(n, Num) and n.decimals for n in nodes)
    tolerance = _ABOUT if about else _ROUNDED if rounded else Fraction(0)
    with precision(BITS):
        return bool(abs(one - other) > abs(one) * tolerance.numerator / tolerance.denominator)


# --- equations


def same_equation(a: Rel, b: Rel) -> Comparison:
    """Compare two equations by their solutions."""
    if len(a.sides) != 2 or len(b.sides) != 2:
        return _same_chain(a, b)
    if {*a.sides} == {*b.sides}:
        return correct("the same equation")
    f, g = (subtract(r.sides[0], r.sides[1]) for r in (a, b))
    names = sorted(free_symbols(f) | free_symbols(g))
    zero = [_is_zero(h) for h in (f, g)]
    if zero == [True, True]:
        return correct("both always hold")
    if True in zero:
        other = same_expression(g if zero[0] else f, Num(0))
        return incorrect("one of the two always holds") if other.status == "incorrect" else other
    if not names:
        return correct("neither holds")
    if proportional_exactly(f, g):
        return correct("one equation is a multiple of the other")
    found = _by_factors(f, g)
    if found is not None:
        return found
    if _proportional(f, g, names):
        return correct("one equation is a multiple of the other, to 24 digits at all points tried")
    return _by_solutions(f, g, names)


def _same_chain(a: Rel, b: Rel) -> Comparison:
    if len(a.sides) != len(b.sides) or a.ops != b.ops:
        return unverifiable("chains of equations of different lengths")
    outcomes = [same_expression(x, y) for x, y in zip(a.sides, b.sides, strict=True)]
    return next((o for o in outcomes if not o.correct), correct("the same chain of equations"))


def _is_zero(f: Node) -> bool:
    return not differ_exactly(f, Num(0)) and same_expression(f, Num(0)).correct


def proportional_exactly(f: Node, g: Node) -> bool:
    """Whether f / g has one fingerprint at different points."""
    try:
        ratios = {Fingerprint(seed).of(divide(f, g)) for seed in (1, 2, 3)}
    except FAILURES:
        return False
    return len(ratios) == 1 and 0 not in ratios


def sign_of_ratio(f: Node, g: Node) -> int:
    """Return the sign of f / g at the first sample point at which it has one, for proportional f and g; 0 for none."""
    for _, point in sample_points(tuple(sorted(free_symbols(f) | free_symbols(g)))):
        try:
            ratio = Evaluator(BITS, point).of(divide(f, g))
        except FAILURES:
            continue
        if isinstance(ratio, arb) and not ratio.contains(0):
            return 1 if ratio > 0 else -1
    return 0


def _proportional(f: Node, g: Node, names: list[str]) -> bool:
    """Whether f / g is one constant at all sample points."""
    first: Ball | None = None
    agreeing = 0
    for positive, point in sample_points(tuple(names)):
        evaluator = Evaluator(BITS, point)
        try:
            ratio = evaluator.of(divide(f, g))
        except FAILURES:
            continue
        if evaluator.left_reals and not positive:
            continue
        if ratio.contains(0) or (first is not None and not (first - ratio).contains(0)):
            return False
        first = first if first is not None else ratio
        agreeing += 1
    return agreeing >= 4


# --- by factors


def _by_factors(f: Node, g: Node) -> Comparison | None:
    """Compare the polynomials whose zeros are the solutions; None where a letter stands for no variable."""
    try:
        one, other = quotients((f, g))
        if monic(one.top) == monic(other.top):
            return correct("the same solutions")
        if one.opaque or other.opaque:
            return None
        return _by_irreducible_factors(one, other)
    except FAILURES:
        return None


def _by_irreducible_factors(one: Quotient, other: Quotient) -> Comparison:
    """Say whether a factor that only one of two equations has, has real zeros."""
    left, right = factors(one.top), factors(other.top)
    extra = [(left | right)[text][0] for text in left.keys() ^ right.keys()]
    if not extra:
        return unverifiable("the same solutions, but not as often")
    for factor in extra:
        if changes_sign(factor):
            return incorrect("a factor of one equation has zeros that do not solve the other")
    if all(map(has_no_real_zero, extra)):
        return unverifiable("they differ only in solutions that are not real")
    return unverifiable("a factor of one equation may have zeros that do not solve the other")


# --- by solutions

GRID = [Fraction(k, 7) for k in range(-140, 141)]


def _by_solutions(f: Node, g: Node, names: list[str]) -> Comparison:
    """Look for real solutions of one equation that do not solve the other, among both signs of every letter."""
    rng = random.Random("roots")
    checked = {0: 0, 1: 0}
    deadline = thread_time() + SECONDS
    for name in names:
        for draw in range(4):
            rest = {
                n: rng.choice((-1, 1)) * Fraction(rng.randint(2, 100 if draw % 2 else 400), 97) for n in names
            }
            rest.pop(name)
            if thread_time() > deadline:
                return unverifiable("no time to find enough solutions")
            lines = Line(f, name, rest), Line(g, name, rest)
            for which, (one, other) in enumerate((lines, lines[::-1])):
                for root in islice(one.roots(GRID[::3], deadline), 3):
                    value = other.around(root)
                    if value is None:
                        continue
                    checked[which] += 1
                    if not value.contains(0):  # no zero of it can be there
                        at = ", ".join(f"{n} = {v}" for n, v in rest.items())
                        return incorrect(
                            f"{name} = {float(root):.8g} solves one only" + (f" ({at})" if at else "")
                        )
    least = min(checked.values())
    if least >= (MIN_SOLUTIONS if len(names) > 1 else 2):
        return correct(f"{sum(checked.values())} solutions agree to 16 digits")
    return unverifiable("too few solutions were found to compare")
