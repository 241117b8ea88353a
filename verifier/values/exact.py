"""Exact arithmetic on expressions: rational values, and fingerprints modulo a prime of 61 bits.

A fingerprint evaluates an expression at pseudo-random points of a finite field in which -1 has a square root,
so Gaussian rational functions are computed exactly; whatever is not rational (``sin x``, ``2^x``, ``F_k``) is
replaced by a hash of its name and of its arguments' fingerprints. Equal expressions of rational functions in
such parts have equal fingerprints; different rational functions differ, but with probability about degree/2^61.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b

from verifier.functions_table import exact_call
from verifier.tree import (
    Add,
    Apply,
    Big,
    Const,
    Degree,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    Percent,
    Pow,
    Sym,
    UndefinedError,
)

PRIME = 2305843009213693921
MAX_BITS = 60_000  # an exact value with a longer numerator or denominator is not computed
MAX_TERMS = 2_000  # terms of a sum or product that are written out


# --- rational values


def exact_value(node: Node) -> Fraction:
    """Return the rational value of an expression without variables.

    Raises:
        NotRationalError: if a part of it is not rational by its form.
        UndefinedError: if it divides by zero.
        LimitError: if a value would have more than ``MAX_BITS`` bits.
    """
    value = _exact(node)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise LimitError(f"an exact value of more than {MAX_BITS} bits")
    return value


def _exact(node: Node) -> Fraction:
    match node:
        case Num(value):
            return Fraction(value)
        case Add(terms):
            total = Fraction(0)
            for term in terms:
                total += exact_value(term)
            return total
        case Mul(factors):
            product = Fraction(1)
            for factor in factors:
                product *= exact_value(factor)
                if product.numerator.bit_length() > MAX_BITS or product.denominator.bit_length() > MAX_BITS:
                    raise LimitError(f"an exact value of more than {MAX_BITS} bits")
            return product
        case Pow(base, exponent):
            return _power(exact_value(base), exact_value(exponent))
        case Percent(value):
            return exact_value(value) / 100
        case Apply(name, args):
            return Fraction(exact_call(name, [exact_value(a) for a in args]))
    raise NotRationalError


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if base == 0:
        if exponent <= 0:
            raise UndefinedError("zero to a power that is not positive")
        return base
    if exponent.denominator != 1:
        return _root(base, exponent)
    if base in (1, -1):
        return base if exponent.numerator % 2 else Fraction(1)
    size = max(abs(base.numerator), base.denominator).bit_length()
    if abs(exponent.numerator) * (size - 1) > MAX_BITS:
        raise LimitError(f"an exact value of more than {MAX_BITS} bits")
    return base**exponent.numerator


def _root(base: Fraction, exponent: Fraction) -> Fraction:
    """Return a rational power that is rational, such as 4^(-1/2)."""
    degree = exponent.denominator
    if base < 0 or degree > 64:
        raise NotRationalError
    top, bottom = (_integer_root(part, degree) for part in (base.numerator, base.denominator))
    return _power(Fraction(top, bottom), Fraction(exponent.numerator))


def _integer_root(number: int, degree: int) -> int:
    root = math.isqrt(number) if degree == 2 else round(number ** (1 / degree)) if number < 2**52 else 0
    if root**degree != number:
        raise NotRationalError
    return root


# --- fingerprints

_SQRT_MINUS_ONE = pow(
    next(a for a in range(2, 99) if pow(a, (PRIME - 1) // 2, PRIME) != 1), (PRIME - 1) // 4, PRIME
)


def hashed(*parts: object) -> int:
    """Return a pseudo-random element of the field, the same for the same parts in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big") % PRIME


@lru_cache(maxsize=1024)
def _coordinate(seed: int, name: str) -> int:
    """Return the coordinate of a variable at the point that ``seed`` stands for."""
    return hashed(seed, "variable", name)


class Fingerprint:
    """Evaluates expressions at one pseudo-random point of the field.

    Attributes:
        opaque: whether a part that is not rational was replaced by a hash; then two fingerprints that differ
            prove nothing.
    """

    def __init__(self, seed: int, values: dict[str, int] | None = None) -> None:
        self.seed = seed
        self.values = dict(values or {})
        self.opaque = False

    def of(self, node: Node) -> int:
        """Return the fingerprint of ``node``.

        Raises:
            UndefinedError: if the point happens to be a pole.
            LimitError: if a sum has too many terms.
            NotRationalError: if ``node`` is no expression.
        """
        match node:
            case Num(value):
                return (
                    value % PRIME
                    if isinstance(value, int)
                    else self._quotient(value.numerator, value.denominator)
                )
            case Sym(name):
                found = self.values.get(name)
                return _coordinate(self.seed, name) if found is None else found
            case Const(name):
                return self._constant(name)
            case Add(terms):
                return sum(self.of(term) for term in terms) % PRIME
            case Mul(factors):
                product = 1
                for factor in factors:
                    product = product * self.of(factor) % PRIME
                return product
            case Pow():
                return self._power(node)
            case Percent(value):
                return self._quotient(self.of(value), 100)
            case Degree(value):
                return self._quotient(self.of(value) * self._constant("pi"), 180)
            case Apply():
                return self._call(node)
            case Big():
                return self._big(node)
        raise NotRationalError

    def _quotient(self, top: int, bottom: int) -> int:
        if bottom % PRIME == 0:
            raise UndefinedError("a division by zero")
        return top * pow(bottom, -1, PRIME) % PRIME

    def _constant(self, name: str) -> int:
        if name in self.values:
            return self.values[name]
        if name == "i":
            return _SQRT_MINUS_ONE
        if name == "inf":
            raise NotRationalError
        self.opaque = True
        return hashed("constant", name)

    def _power(self, node: Pow) -> int:
        base = self.of(node.base)
        exponent = node.exponent.value if isinstance(node.exponent, Num) else None
        if exponent is None and not (node.root or isinstance(node.base, Const)):
            try:
                exponent = exact_value(node.exponent)
            except (NotRationalError, UndefinedError, LimitError):
                exponent = None
        if exponent is not None and Fraction(exponent).denominator == 1:
            if base == 0 and exponent <= 0:
                raise UndefinedError("zero to a power that is not positive")
            return pow(base, int(exponent), PRIME)
        self.opaque = True
        return hashed("power", base, self.of(node.exponent))

    def _call(self, node: Apply) -> int:
        try:
            return self._quotient(*exact_value(node).as_integer_ratio())
        except (NotRationalError, UndefinedError, LimitError):
            self.opaque = True
            return hashed("call", node.name, *(self.of(a) for a in node.args))

    def _big(self, node: Big) -> int:
        saved = self.values.get(node.variable)
        try:
            terms = big_range(node)
            values = []
            for index in terms:
                self.values[node.variable] = index % PRIME
                values.append(self.of(node.body))
            return sum(values) % PRIME if node.kind == "sum" else math.prod(values) % PRIME
        except NotRationalError:
            self.opaque = True
            low, high = self._bound(node.low), self._bound(node.high)
            self.values[node.variable] = hashed("bound", len(self.values))
            return hashed("big", node.kind, low, high, self.of(node.body))
        finally:
            self.values.pop(node.variable, None)
            if saved is not None:
                self.values[node.variable] = saved

    def _bound(self, node: Node) -> int:
        return hashed("inf") if node == Const("inf") else self.of(node)


def big_range(node: Big) -> range:
    """Return the indices of a sum or product with integer bounds.

    Raises:
        NotRationalError: if it is an integral or limit, or a bound is not an integer.
        LimitError: if it has more than ``MAX_TERMS`` terms.
    """
    if node.kind not in ("sum", "prod"):
        raise NotRationalError
    low, high = exact_value(node.low), exact_value(node.high)
    if low.denominator != 1 or high.denominator != 1:
        raise NotRationalError
    if high - low > MAX_TERMS:
        raise LimitError(f"a {node.kind} of more than {MAX_TERMS} terms")
    return range(int(low), int(high) + 1)
