"""Evaluate expressions at points with ball arithmetic: every value comes with a radius in which the true one lies.

Two values whose balls are disjoint differ: that is a proof. Two that overlap agree to the digits that their radius
leaves. Values stay real as long as the operations allow it; where a root or a logarithm leaves the real line, the
principal value is taken and ``left_reals`` is set, for the caller to weigh.

Not covered: limits, infinite series and improper integrals are extrapolated (``verifier.values.calculus``); they set
``approximate``, and their balls prove nothing.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import acb, arb, ctx, fmpq

from verifier.functions_table import BY_NAME, exact_call
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
    Piecewise,
    Pow,
    Rel,
    Sym,
    UndefinedError,
)
from verifier.values.calculus import is_analysis, is_proper_integral, value_of_analysis
from verifier.values.exact import hashed

MAX_MAGNITUDE = 10**7  # binary exponent of the largest value computed
MAX_EXPONENT = 2**60
MAX_FLOAT = 1_000  # binary exponent up to which sizes are compared as floats, which is fast
MAX_ANGLE_BITS = 2_000
MAX_TERMS = 2_000
MAX_STEPS = 60_000  # operations for one value
MAX_CHOSEN = 200  # of a binomial coefficient that is written out as a product

Ball = Any  # arb for a real value, acb for one that is not known to be real


class UndecidedError(ArithmeticError):
    """A ball is too wide to say what comes next, such as whether a divisor is zero; more digits may help."""


_lock = threading.RLock()  # flint's precision belongs to the process, not to the thread


def _new_lock() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_new_lock)


class precision:
    """Compute with ``bits`` bits; other threads wait."""

    __slots__ = ("bits", "lock", "saved")

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.lock = _lock

    def __enter__(self) -> None:
        self.lock.acquire()
        self.saved = ctx.prec
        ctx.prec = self.bits

    def __exit__(self, *raised: object) -> None:
        ctx.prec = self.saved
        self.lock.release()


def magnitude(value: Ball) -> int:
    """Return the binary exponent of a bound of ``value``; 0 for zero.

    Raises:
        UndecidedError: if it has none.
    """
    upper = value.abs_upper()
    if not upper.is_finite():
        raise UndecidedError("no bound of a value")
    mantissa, exponent = upper.man_exp()
    return int(exponent) + int(mantissa.bit_length())


class Evaluator:
    """Evaluates expressions at one point.

    Args:
        bits: working precision.
        values: values of the variables: exact, or balls.

    Attributes:
        left_reals: whether a part left the real line.
        approximate: whether a part was extrapolated or taken for the integer that it is close to, so that its ball
            proves nothing.
        spread: binary exponent of the largest part, or of the inverse of the smallest, whichever is more.
    """

    def __init__(self, bits: int, values: Mapping[str, Fraction | int | Ball]) -> None:
        self.bits = bits
        self.given = values
        self.values: dict[str, Ball] = {}
        self.left_reals = False
        self.approximate = False
        self.analytic = False  # within an integral over complex balls
        self.spread = 0
        self.low = self.high = 1.0
        self.steps = 0

    def of(self, node: Node) -> Ball:
        """Return the value of ``node``.

        Raises:
            UndefinedError: if it has none at this point.
            UndecidedError: if more digits are needed to say so.
            LimitError: if it is too large or takes too many steps.
            NotRationalError: if ``node`` is no expression that can be evaluated.
        """
        with precision(self.bits):
            self.values = {name: as_ball(value) for name, value in self.given.items()}
            return self.part(node)

    def part(self, node: Node) -> Ball:
        """As ``of``, within an evaluation."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise LimitError("too many operations")
        rule = _RULES.get(type(node))
        if rule is None:
            raise NotRationalError
        value = rule(self, node)
        if not value.is_finite():
            raise UndecidedError("no value, or none that can be told, here")
        if isinstance(value, acb) and value.imag.is_zero() and not self.analytic:
            value = value.real
        if not self.low < float(value.abs_upper()) < self.high:
            self._widen(value)
        return value

    def _widen(self, value: Ball) -> None:
        """Let ``spread`` cover a value; one that lies between ``low`` and ``high`` is covered."""
        size = magnitude(value)
        if size < 0:
            size = 0 if value.contains(0) else -size
        if size > self.spread:
            self.spread = size
            if size > MAX_MAGNITUDE:
                raise LimitError("a value too large or too small")
            covered = min(size, MAX_FLOAT)
            self.low, self.high = 2.0 ** (-covered - 1), 2.0**covered

    def _symbol(self, node: Sym) -> Ball:
        if node.name not in self.values:
            raise NotRationalError
        return self.values[node.name]

    def _sum(self, node: Add) -> Ball:
        total = self.part(node.terms[0])
        for term in node.terms[1:]:
            total = total + self.part(term)
        return total

    def _product(self, node: Mul) -> Ball:
        product = self.part(node.factors[0])
        for factor in node.factors[1:]:
            product = product * self.part(factor)
        return product

    def _constant(self, node: Const) -> Ball:
        if node.name in self.values:
            return self.values[node.name]
        if node.name == "inf":
            raise NotRationalError
        return {"pi": arb.pi, "e": arb.const_e, "i": lambda: acb(0, 1)}[node.name]()

    # --- powers

    def _power(self, node: Pow) -> Ball:
        base = self.part(node.base)
        literal = node.exponent.value if isinstance(node.exponent, Num) else None
        if isinstance(literal, int):
            return self._whole_power(base, literal)
        exponent = as_ball(literal) if literal is not None else self.part(node.exponent)
        if isinstance(exponent, arb) and exponent.is_exact() and exponent.is_integer():
            return self._whole_power(base, int(exponent.unique_fmpz()))
        self._bound_power(base, float(exponent.abs_upper()))
        if isinstance(base, acb) or isinstance(exponent, acb):
            return self._complex_power(acb(base), acb(exponent))
        if base.is_zero():
            return self._power_of_zero(exponent)
        if literal == Fraction(1, 2) and base >= 0:
            return base.sqrt()
        if base > 0:
            return base**exponent
        return self._power_of_negative(base, exponent, node, literal)

    def _whole_power(self, base: Ball, exponent: int) -> Ball:
        if exponent <= 0:
            if base.is_zero():
                raise UndefinedError("zero to a power that is not positive")
            if exponent < 0 and base.contains(0):
                raise UndecidedError("a division by what may be zero")
        if base.is_zero():
            return base
        self._bound_power(base, abs(exponent))
        return 1 / base if exponent == -1 else base**exponent

    def _bound_power(self, base: Ball, largest: float) -> None:
        """Raise ``LimitError`` where a power of ``base`` with an exponent of up to ``largest`` may be too large."""
        size: float = abs(magnitude(base))
        if largest * (size + 1) <= MAX_MAGNITUDE:
            return
        if size < 100 and not base.contains(0):
            size = abs(math.log2(float(abs(base).abs_upper())))
        if largest >= MAX_EXPONENT or largest * size > MAX_MAGNITUDE:
            raise LimitError("a power too large or too small")

    def _power_of_zero(self, exponent: arb) -> arb:
        if exponent > 0:
            return arb(0)
        if exponent <= 0:
            raise UndefinedError("zero to a power that is not positive")
        raise UndecidedError("zero to a power whose sign is not known")

    def _power_of_negative(self, base: arb, exponent: arb, node: Pow, literal: Fraction | int | None) -> Ball:
        if not base < 0:  # it may be zero: a small ball around it
            if exponent > 0 and not self.analytic:
                bound = (base.abs_upper() ** exponent).abs_upper()
                return acb(arb(0, bound), arb(0, bound))
            raise UndecidedError("a power of what may be zero")
        odd = isinstance(literal, Fraction) and literal.denominator % 2 == 1
        if node.root and odd and literal is not None:
            return -((-base) ** exponent) if literal.numerator % 2 else (-base) ** exponent
        self.left_reals = True
        return self._complex_power(acb(base), acb(exponent))

    def _complex_power(self, base: acb, exponent: acb) -> acb:
        if base.is_zero():
            return acb(self._power_of_zero(exponent.real))
        return base.pow(exponent, analytic=self.analytic)

    # --- functions

    def _apply(self, node: Apply) -> Ball:
        name = node.name
        values = [self.part(a) for a in node.args]
        if name.endswith(("_", "()")):
            return _unknown(name, values)
        function = BY_NAME.get(name)
        if function is None or not values:
            raise NotRationalError
        if function.angle and magnitude(values[0]) > MAX_ANGLE_BITS:
            raise LimitError("an angle too large")
        if function.exact is not None and all(isinstance(v, arb) and v.is_exact() for v in values):
            try:
                return as_ball(Fraction(exact_call(name, [_fraction(v) for v in values])))
            except NotRationalError:
                pass
        match name:
            case "floor" | "ceil" | "sgn" if isinstance(values[0], arb):
                return self._step(name, values[0])
            case "mod" if len(values) == 2:
                return values[0] - values[1] * self._step("floor", values[0] / values[1])
            case "binom" if len(values) == 2:
                return self._binomial(*values)
            case "factorial" | "gamma" if magnitude(values[0]) > 60:
                raise LimitError("a factorial too large")
            case "tanh" | "coth":  # they come as close to 1 as e^-2x to 0
                self.spread = max(self.spread, min(3 << max(0, min(30, magnitude(values[0]))), MAX_MAGNITUDE))
        if function.ball is None:
            raise NotRationalError
        if not isinstance(function.ball, str):
            return self._analytic_abs(values[0]) if name == "abs" and self.analytic else function.ball(values)
        return self._method(function.ball, values[0])

    def _method(self, method: str, value: Ball) -> Ball:
        """Return a function that flint has for real and for complex balls."""
        if isinstance(value, arb):
            result = getattr(value, method)()
            if result.is_finite():
                return result
            if method in ("exp", "sinh", "cosh"):
                raise LimitError("an exponential too large")
        if method == "log":
            if value.is_zero():
                raise UndefinedError("the logarithm of zero")
            result = acb(value).log(analytic=self.analytic)
        else:
            result = getattr(acb(value), method)()
        if isinstance(value, arb) and not result.imag.contains(0):
            self.left_reals = True
        return result

    def _analytic_abs(self, value: Ball) -> Ball:
        return acb(value).real_abs(analytic=True)

    def _step(self, name: str, value: arb) -> arb:
        """Return floor, ceil or sign; a narrow ball around a step is taken to lie on it."""
        result = getattr(value, {"floor": "floor", "ceil": "ceil", "sgn": "sgn"}[name])()
        if result.is_exact():
            return result
        nearest = (value + arb(0.5)).mid().floor() if name != "sgn" else arb(0)
        if self.analytic or not value.contains(nearest) or value.rad() > arb(2) ** (-self.bits // 2):
            raise UndecidedError("on which side of a step a value lies")
        self.approximate = True
        return nearest

    def _binomial(self, total: Ball, part: Ball) -> Ball:
        whole = isinstance(part, arb) and part.is_exact() and part.is_integer()
        if whole and 0 <= part <= MAX_CHOSEN:
            product: Ball = arb(1)
            for k in range(int(part.unique_fmpz())):
                product = product * (total - k) / (k + 1)
            return product
        if max(magnitude(total), magnitude(part)) > 40:
            raise LimitError("a binomial coefficient too large")
        return (total + 1).gamma() * (part + 1).rgamma() * (total - part + 1).rgamma()

    # --- pieces, sums, integrals

    def _piece(self, node: Piecewise) -> Ball:
        for value, condition in node.pieces:
            if self.holds(condition):
                return self.part(value)
        raise UndefinedError("no piece of a function holds here")

    def holds(self, condition: Node) -> bool:
        """Whether a relation holds here.

        Raises:
            UndecidedError: if two sides are too close to tell.
        """
        if not isinstance(condition, Rel):
            raise NotRationalError
        sides = [self.part(side) for side in condition.sides]
        return all(_ordered(x, op, y) for x, op, y in zip(sides, condition.ops, sides[1:], strict=False))

    def _big(self, node: Big) -> Ball:
        if is_analysis(node):
            self.approximate = self.approximate or not is_proper_integral(node)
            return value_of_analysis(node, self)
        low, high = _integer(self.part(node.low)), _integer(self.part(node.high))
        if high < low - 1:
            raise UndefinedError("a sum whose range is empty")
        if high - low > MAX_TERMS:
            raise LimitError(f"more than {MAX_TERMS} terms")
        total: Ball = arb(0 if node.kind == "sum" else 1)
        with self.bound(node.variable) as at:
            for index in range(low, high + 1):
                term = at(arb(index), node.body)
                total = total + term if node.kind == "sum" else total * term
        return total

    @contextmanager
    def bound(self, name: str) -> Iterator[Callable[[Ball, Node], Ball]]:
        """Give a function that evaluates a node with the variable ``name`` set; its outer value comes back."""
        saved = self.values.get(name)

        def at(value: Ball, node: Node) -> Ball:
            self.values[name] = value
            return self.part(node)

        try:
            yield at
        finally:
            self.values.pop(name, None)
            if saved is not None:
                self.values[name] = saved


# How each kind of node is evaluated; looked up by type, as it is done for every node at every point.
_RULES: dict[type, Callable[[Evaluator, Any], Ball]] = {
    Num: lambda _, node: as_ball(node.value),
    Sym: Evaluator._symbol,
    Const: Evaluator._constant,
    Add: Evaluator._sum,
    Mul: Evaluator._product,
    Pow: Evaluator._power,
    Percent: lambda evaluator, node: evaluator.part(node.value) / 100,
    Degree: lambda evaluator, node: evaluator.part(node.value) * arb.pi() / 180,
    Apply: Evaluator._apply,
    Big: Evaluator._big,
    Piecewise: Evaluator._piece,
}


# --- single values


def as_ball(value: Fraction | int | Ball) -> Ball:
    """Return an exact number at working precision, or a ball as it is."""
    kind = type(value)  # asking whether a ball is an instance of Fraction takes longer than all of this
    if kind is int:
        return arb(value)
    return arb(fmpq(value.numerator, value.denominator)) if kind is Fraction else value


def shown(value: Ball, digits: int = 12) -> str:
    """Write a value for a person."""
    with precision(max(64, digits * 4)):
        text: str = value.mid().str(digits, radius=False)
    if "." in text and "e" not in text and "j" not in text:
        text = text.rstrip("0").rstrip(".")
    return text


def rational_near(value: arb) -> Fraction:
    """Return a rational number of at most 20 digits in a ball, or beside it."""
    mantissa, exponent = value.mid().man_exp()
    return (Fraction(int(mantissa)) * Fraction(2) ** int(exponent)).limit_denominator(10**20)


def _fraction(value: arb) -> Fraction:
    mantissa, exponent = value.man_exp()
    if abs(int(exponent)) > MAX_ANGLE_BITS:
        raise NotRationalError
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _integer(value: Ball) -> int:
    if not (isinstance(value, arb) and value.is_exact() and value.is_integer()):
        raise UndefinedError("a sum to a bound that is not an integer")
    if magnitude(value) > 60:
        raise LimitError("a sum of too many terms")
    return int(value.unique_fmpz())


def _ordered(x: Ball, op: str, y: Ball) -> bool:
    """Whether a relation holds between two real balls."""
    if isinstance(x, acb) or isinstance(y, acb):
        raise UndecidedError("an order between values that may not be real")
    if x < y:
        return op in ("<", "<=", "!=")
    if x > y:
        return op in (">", ">=", "!=")
    if x.is_exact() and y.is_exact():
        return op in ("=", "<=", ">=")
    raise UndecidedError("two sides that are too close to tell")


def _unknown(name: str, values: list[Ball]) -> arb:
    """Some fixed function: a pseudo-random value for each name and arguments."""
    return as_ball(_chosen(name, tuple(value.mid().str(15, radius=False) for value in values)))


@lru_cache(maxsize=1024)
def _chosen(name: str, arguments: tuple[str, ...]) -> Fraction:
    return Fraction(hashed("unknown", name, list(arguments)) % 10**9, 10**8) - 5
