"""Polynomials in one variable: the numerator of an equation, and the points where an inequality can change.

Coefficients are elements of the field of ``verifier.values.exact`` (for identity) or numbers of mpmath (for roots); a
polynomial is the list of its coefficients, lowest first.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

from verifier.tree import (
    Add,
    Apply,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    Percent,
    Pow,
    Sym,
    UndefinedError,
    free_symbols,
    negate,
    walk,
)
from verifier.values.exact import PRIME, Fingerprint, exact_value
from verifier.values.numeric import Numeric, Value, context

MAX_DEGREE = 120
MAX_ABSOLUTES = 3

Poly = list[Any]


def rational_function(node: Node, name: str, constant: Callable[[Node], Any]) -> tuple[Poly, Poly]:
    """Return numerator and denominator of ``node`` as polynomials in ``name``.

    Raises:
        NotRationalError: if ``node`` is not a rational function of ``name``.
        LimitError: if a degree would be more than ``MAX_DEGREE``.
    """
    if name not in free_symbols(node):
        return [constant(node)], [constant(Num(1))]
    one = [constant(Num(1))]
    match node:
        case Add(terms):
            top, bottom = rational_function(terms[0], name, constant)
            for term in terms[1:]:
                t, b = rational_function(term, name, constant)
                top, bottom = _plus(times(top, b), times(t, bottom)), times(bottom, b)
            return top, bottom
        case Mul(factors):
            top, bottom = one, one
            for factor in factors:
                t, b = rational_function(factor, name, constant)
                top, bottom = times(top, t), times(bottom, b)
            return top, bottom
        case Percent(value):
            top, bottom = rational_function(value, name, constant)
            return top, times(bottom, [constant(Num(100))])
        case Pow(base, exponent):
            power = _integer(exponent)
            top, bottom = rational_function(base, name, constant)
            if power < 0:
                top, bottom, power = bottom, top, -power
            if max(len(top), len(bottom)) * power > MAX_DEGREE * 2:
                raise LimitError(f"a polynomial of a degree above {MAX_DEGREE}")
            t, b = one, one
            for _ in range(power):
                t, b = times(t, top), times(b, bottom)
            return t, b
    if node == Sym(name):
        return [constant(Num(0)), constant(Num(1))], one
    raise NotRationalError


def _integer(node: Node) -> int:
    value = exact_value(node) if not free_symbols(node) else Fraction(1, 2)
    if value.denominator != 1:
        raise NotRationalError
    return value.numerator


def times(a: Poly, b: Poly) -> Poly:
    """Return the product of two polynomials."""
    if len(a) + len(b) > MAX_DEGREE + 2:
        raise LimitError(f"a polynomial of a degree above {MAX_DEGREE}")
    result: Poly = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            value = result[i + j] + x * y
            result[i + j] = value % PRIME if isinstance(value, int) else value
    return result


def _plus(a: Poly, b: Poly) -> Poly:
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    sums = [x + y for x, y in zip(longer, shorter, strict=False)] + longer[len(shorter) :]
    return [s % PRIME if isinstance(s, int) else s for s in sums]


# --- over the field: solutions with multiplicity


def solution_polynomial(node: Node, name: str, fingerprint: Fingerprint) -> Poly:
    """Return the monic polynomial in ``name`` whose roots, with multiplicity, are where ``node`` vanishes."""
    top, bottom = rational_function(node, name, fingerprint.of)
    top, bottom = _trim(top), _trim(bottom)
    if not bottom:
        raise UndefinedError("a division by zero")
    common = _gcd(top, bottom)
    return _monic(_divided(top, common)[0]) if top else []


def _trim(poly: Poly) -> Poly:
    end = len(poly)
    while end and poly[end - 1] % PRIME == 0:
        end -= 1
    return poly[:end]


def _monic(poly: Poly) -> Poly:
    poly = _trim(poly)
    if not poly:
        return poly
    inverse = pow(poly[-1], -1, PRIME)
    return [c * inverse % PRIME for c in poly]


def _divided(top: Poly, bottom: Poly) -> tuple[Poly, Poly]:
    rest, quotient = list(top), [0] * max(1, len(top) - len(bottom) + 1)
    inverse = pow(bottom[-1], -1, PRIME)
    for shift in range(len(top) - len(bottom), -1, -1):
        factor = rest[shift + len(bottom) - 1] * inverse % PRIME
        quotient[shift] = factor
        for i, c in enumerate(bottom):
            rest[shift + i] = (rest[shift + i] - factor * c) % PRIME
    return quotient, _trim(rest)


def _gcd(a: Poly, b: Poly) -> Poly:
    while b:
        a, b = b, _divided(a, b)[1]
    return _monic(a)


# --- over the reals: where a sign can change


def critical_points(node: Node, name: str, digits: int) -> list[Value]:
    """Return the real zeros and poles of ``node`` in ``name``; absolute values are taken apart.

    Raises:
        NotRationalError: if it is not a rational function of ``name`` and of absolute values.
        LimitError: if the degree or the number of absolute values is too large.
    """
    ctx = context()
    evaluator = Numeric(digits, {})
    found: list[Value] = []
    for variant in _without_absolutes(node):
        for poly in rational_function(variant, name, evaluator.of):
            found.extend(_real_roots([ctx.mpf(c) if isinstance(c, int) else c for c in poly], ctx))
    return found


def _without_absolutes(node: Node) -> list[Node]:
    absolutes = [
        n for n in dict.fromkeys(walk(node)) if isinstance(n, Apply) and n.name == "abs" and free_symbols(n)
    ]
    if len(absolutes) > MAX_ABSOLUTES:
        raise LimitError("too many absolute values")
    variants = []
    for signs in product((1, -1), repeat=len(absolutes)):
        variant = node
        for absolute, sign in zip(absolutes, signs, strict=True):
            inner = absolute.args[0]
            variant = _replaced(variant, absolute, inner if sign == 1 else negate(inner))
        variants.append(variant)
    variants.extend(a.args[0] for a in absolutes)
    return variants


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    match node:
        case Add(terms):
            return Add(tuple(_replaced(t, old, new) for t in terms))
        case Mul(factors):
            return Mul(tuple(_replaced(f, old, new) for f in factors))
        case Pow(base, exponent, root):
            return Pow(_replaced(base, old, new), exponent, root)
        case Apply(name, args):
            return Apply(name, tuple(_replaced(a, old, new) for a in args))
    return node


def _real_roots(poly: Poly, ctx: Any) -> list[Value]:
    if any(isinstance(c, ctx.mpc) for c in poly):
        raise NotRationalError
    while poly and abs(poly[-1]) < ctx.mpf(10) ** -30:
        poly = poly[:-1]
    if len(poly) <= 1:
        return []
    if len(poly) == 2:
        return [-poly[0] / poly[1]]
    if len(poly) > 24:
        raise LimitError("an inequality of a degree above 23")
    roots = ctx.polyroots(poly[::-1], maxsteps=200, extraprec=200, error=False)
    return [r.real for r in roots if abs(r.imag) < ctx.mpf(10) ** -15]
