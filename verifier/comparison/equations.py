"""Compare equations, and take the name off an answer such as ``x = 5``.

Two equations are the same if the solutions of each, counted with multiplicity, are those of the other: as
rational functions their difference of sides is compared up to a factor that is never zero.
"""

from __future__ import annotations

import random
from fractions import Fraction

from verifier.comparison.expressions import same_expression
from verifier.outcome import Outcome, correct, incorrect, unverifiable
from verifier.tree import (
    Apply,
    Const,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    Pow,
    Ratio,
    Rel,
    Seq,
    Sym,
    UndefinedError,
    divide,
    free_symbols,
    subtract,
)  # fmt: skip
from verifier.values.exact import Fingerprint
from verifier.values.numeric import Numeric, Value, context
from verifier.values.polynomials import solution_polynomial
from verifier.values.sampling import sample_points

_DIGITS = 30
_Failure = (UndefinedError, LimitError, NotRationalError, ZeroDivisionError, OverflowError)


# --- names


def is_label(node: Node) -> bool:
    """Whether ``node`` only names a quantity: ``x``, ``f(x)``, ``|AB|``, ``AB``, ``V_1 : V_2``, ``(p, q)``."""
    match node:
        case Sym() | Const("e"):
            return True
        case Apply(name, (Sym("x"),)) if not name.endswith("()"):  # |x| = 3 is an equation
            return False
        case Apply(name, args):
            return name not in ("factorial", "binom") and all(is_label(a) or isinstance(a, Num) for a in args)
        case Mul(factors):
            return all(
                (isinstance(f, Sym) and f.name[0].isupper()) or (isinstance(f, Pow) and is_label(f.base))
                for f in factors
            ) or _is_quotient_of_labels(node)
        case Ratio(parts):
            return all(map(is_label, parts))
        case Seq("(", ")", items):
            return all(isinstance(i, Sym) for i in items)
    return False


def _is_quotient_of_labels(node: Mul) -> bool:
    bottoms = [f for f in node.factors if isinstance(f, Pow) and f.exponent == Num(-1)]
    tops = [f for f in node.factors if f not in bottoms]
    return len(bottoms) == 1 and is_label(bottoms[0].base) and bool(tops) and all(map(is_label, tops))


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
    if isinstance(node, Rel) and len(node.sides) > 2 and set(node.ops) <= {"=", "~"}:
        return node.sides[-1]
    if isinstance(node, Rel) and node.ops == ("=",) and not free_symbols(node):
        return node.sides[-1]
    return node


# --- equations


def same_equation(a: Rel, b: Rel) -> Outcome:
    """Compare two equations by their solutions."""
    if len(a.sides) != 2 or len(b.sides) != 2:
        return _same_chain(a, b)
    if {*a.sides} == {*b.sides}:
        return correct("the same equation")
    f, g = (subtract(r.sides[0], r.sides[1]) for r in (a, b))
    names = free_symbols(f) | free_symbols(g)
    zero = [_is_zero(h) for h in (f, g)]
    if zero != [False, False]:
        return (
            correct("both always hold") if zero == [True, True] else incorrect("one of the two always holds")
        )
    if not names:
        return correct("neither holds")
    if proportional_exactly(f, g):
        return correct("one equation is a multiple of the other")
    found = _by_polynomials(f, g, sorted(names))
    if found is not None:
        return found
    if _proportional(f, g, sorted(names)):
        return correct("one equation is a multiple of the other")
    return _by_roots(f, g, sorted(names))


def _same_chain(a: Rel, b: Rel) -> Outcome:
    if len(a.sides) != len(b.sides) or a.ops != b.ops:
        return unverifiable("chains of equations of different lengths")
    outcomes = [same_expression(x, y) for x, y in zip(a.sides, b.sides, strict=True)]
    return next((o for o in outcomes if not o.correct), correct("the same chain of equations"))


def _is_zero(f: Node) -> bool:
    return same_expression(f, Num(0)).correct


def proportional_exactly(f: Node, g: Node) -> bool:
    """Whether f / g has one fingerprint at different points."""
    try:
        ratios = {Fingerprint(seed).of(divide(f, g)) for seed in (1, 2, 3)}
    except _Failure:
        return False
    return len(ratios) == 1 and 0 not in ratios


def _proportional(f: Node, g: Node, names: list[str]) -> bool:
    """Whether f / g is one constant at all sample points."""
    ratios: list[Value] = []
    for positive, point in sample_points(names):
        evaluator = Numeric(_DIGITS, point)
        try:
            ratio = evaluator.of(divide(f, g))
        except _Failure:
            continue
        if evaluator.left_reals and not positive:
            continue
        if ratio == 0:
            return False
        ratios.append(ratio)
        if abs(ratio - ratios[0]) > abs(ratios[0]) * context().mpf(10) ** (-_DIGITS // 2):
            return False
    return len(ratios) >= 3


def _by_polynomials(f: Node, g: Node, names: list[str]) -> Outcome | None:
    for name in names:
        one, other = Fingerprint(7), Fingerprint(7)
        try:
            same = solution_polynomial(f, name, one) == solution_polynomial(g, name, other)
        except _Failure:
            return None
        if not same:
            return (
                None if one.opaque or other.opaque else incorrect(f"they have different solutions for {name}")
            )
    return correct("the same solutions")


GRID = [Fraction(k, 7) for k in range(-140, 141)]


def _by_roots(f: Node, g: Node, names: list[str]) -> Outcome:
    """Look for real solutions of one equation that do not solve the other."""
    rng = random.Random("roots")
    checked = 0
    for name in names:
        for _ in range(2):
            rest = {n: Fraction(rng.randint(20, 400), 97) for n in names if n != name}
            for one, other in ((f, g), (g, f)):
                for root in roots_of(one, name, rest)[:4]:
                    value = _value(other, name, root, rest)
                    if value is None:
                        continue
                    checked += 1
                    if abs(value) > context().mpf(10) ** -12:
                        at = ", ".join(f"{n} = {v}" for n, v in rest.items())
                        return incorrect(
                            f"{name} = {context().nstr(root, 8)} solves one only" + (f" ({at})" if at else "")
                        )
    return correct(f"{checked} solutions agree") if checked >= 2 else unverifiable("no solutions to compare")


def _value(f: Node, name: str, x: Value, rest: dict[str, Fraction]) -> Value | None:
    evaluator = Numeric(_DIGITS, rest)
    evaluator.values[name] = x
    try:
        value = evaluator.of(f)
    except _Failure:
        return None
    return None if isinstance(value, context().mpc) else value


def roots_of(
    f: Node, name: str, rest: dict[str, Fraction], grid: list[Fraction] | None = None
) -> list[Value]:
    """Return the zeros of ``f`` in ``name`` between whose neighbours on a grid it changes its sign."""
    found: list[Value] = []
    previous: tuple[Value, Value] | None = None
    ctx = context()
    for point in grid or GRID:
        x = ctx.mpf(point.numerator) / point.denominator
        value = _value(f, name, x, rest)
        if value is not None and value == 0:
            found.append(x)
        elif value is not None and previous is not None and previous[1] * value < 0:
            root = _bisect(f, name, rest, previous[0], x, previous[1])
            if root is not None:
                found.append(root)
        previous = (x, value) if value is not None else None
    return found


def _bisect(
    f: Node, name: str, rest: dict[str, Fraction], low: Value, high: Value, at_low: Value
) -> Value | None:
    for _ in range(95):
        middle = (low + high) / 2
        value = _value(f, name, middle, rest)
        if value is None:
            return None
        if value * at_low > 0:
            low, at_low = middle, value
        else:
            high = middle
    value = _value(f, name, low, rest)
    return low if value is not None and abs(value) < context().mpf(10) ** -15 else None
