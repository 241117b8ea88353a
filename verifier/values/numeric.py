"""Evaluate expressions at points with mpmath, to any precision, in the thread's own context.

Values stay real as long as the operations allow it; where a root or a logarithm leaves the real line, the
principal value is taken and ``left_reals`` is set, for the caller to weigh; limits, integrals and infinite series are
extrapolated and set ``approximate``.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import mpmath

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
from verifier.values.calculus import is_analysis, value_of_analysis
from verifier.values.exact import hashed

MAX_EXPONENT = 10**7  # binary exponent of the largest value computed
MAX_TERMS = 2_000
MAX_STEPS = 60_000  # operations for one value

Value = Any  # an mpf or mpc of the thread's context

_local = threading.local()


def context() -> Any:
    """Return this thread's own mpmath context; contexts are not safe to share."""
    found = getattr(_local, "context", None)
    if found is None:
        found = _local.context = mpmath.MPContext()
    return found


class Numeric:
    """Evaluates expressions at one point.

    Args:
        digits: decimal digits of working precision.
        values: values of the variables, exact.
    """

    def __init__(self, digits: int, values: Mapping[str, Fraction | int]) -> None:
        self.ctx = context()
        self.digits = digits
        self.ctx.dps = digits
        self.values = {name: self.rational(Fraction(value)) for name, value in values.items()}
        self.left_reals = False
        self.approximate = False
        self.steps = 0
        self.bits = 0  # the largest binary exponent of a part, or of its inverse

    def rational(self, value: Fraction) -> Value:
        """Return an exact number at working precision."""
        return self.ctx.mpf(value.numerator) / value.denominator

    def of(self, node: Node) -> Value:
        """Return the value of ``node``.

        Raises:
            UndefinedError: if it has none at this point.
            LimitError: if it is too large or takes too many steps.
            NotRationalError: if ``node`` is no expression that can be evaluated.
        """
        self.ctx.dps = self.digits
        return self.part(node)

    def part(self, node: Node) -> Value:
        """As ``of``, within an evaluation: the working precision is left as it is."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise LimitError("too many operations")
        value = self._of(node)
        if self.ctx.isnan(value) or (self.ctx.isinf(value) and node != Const("inf")):
            raise UndefinedError("no value here")
        if value and not self.ctx.isinf(value):
            self.bits = max(self.bits, abs(self.ctx.mag(value)))
            real = not (hasattr(value, "imag") and value.imag)
            if real and self.bits > MAX_EXPONENT:
                raise LimitError("a value too large or too small")
        return self._tidy(value)

    @property
    def spread(self) -> int:
        """Decimal digits of the largest part, or of the smallest, whichever is more."""
        return self.bits * 3 // 10

    def _tidy(self, value: Value) -> Value:
        if isinstance(value, self.ctx.mpc) and value.imag == 0:
            return value.real
        return value

    def _of(self, node: Node) -> Value:
        ctx = self.ctx
        match node:
            case Num(value):
                return ctx.mpf(value) if isinstance(value, int) else self.rational(value)
            case Sym(name):
                if name not in self.values:
                    raise NotRationalError
                return self.values[name]
            case Const(name):
                return self._constant(name)
            case Add(terms):
                return ctx.fsum([self.part(term) for term in terms])
            case Mul(factors):
                product = ctx.mpf(1)
                for factor in factors:
                    product *= self.part(factor)
                return product
            case Pow(base, exponent, root):
                return self._power(self.part(base), self.part(exponent), root)
            case Percent(value):
                return self.part(value) / 100
            case Degree(value):
                return self.part(value) * ctx.pi / 180
            case Apply(name, args):
                return self._call(name, args)
            case Big():
                return self._big(node)
        raise NotRationalError

    def _constant(self, name: str) -> Value:
        if name in self.values:
            return self.values[name]
        ctx = self.ctx
        constants = {
            "pi": lambda: +ctx.pi,
            "e": lambda: +ctx.e,
            "i": lambda: ctx.mpc(0, 1),
            "inf": lambda: ctx.inf,
        }
        return constants[name]()

    def _power(self, base: Value, exponent: Value, root: bool) -> Value:
        ctx = self.ctx
        if base == 0:
            real = exponent.real
            if real <= 0:
                raise UndefinedError("zero to a power that is not positive")
            return base
        if ctx.isinf(base) or ctx.isinf(exponent):
            raise UndefinedError("a power of infinity")
        size = abs(base)
        magnitude = abs(math.log2(size)) if abs(ctx.mag(size)) < 900 else abs(ctx.mag(size))
        if abs(exponent) * magnitude > MAX_EXPONENT:
            raise LimitError("a power too large or too small")
        real_base = not isinstance(base, ctx.mpc)
        if real_base and base < 0 and not ctx.isint(exponent):
            degree = 1 / exponent if exponent.real else exponent
            nearest = ctx.nint(degree.real)
            if root and nearest % 2 == 1 and abs(degree - nearest) < ctx.mpf(10) ** (-self.digits // 2):
                return -((-base) ** exponent)
            self.left_reals = True
        return base**exponent

    def _call(self, name: str, args: tuple[Node, ...]) -> Value:
        values = [self.part(a) for a in args]
        if name.endswith(("_", "()")):
            return self._unknown(name, values)
        if any(self.ctx.isinf(v) for v in values):
            raise UndefinedError("a function of infinity")
        try:
            result = _call(self.ctx, name, values)
            if name in ("tanh", "coth"):  # they come as close to 1 as e^-2x to 0
                self.bits = max(self.bits, int(3 * abs(values[0])) + 1)
        except (LimitError, NotRationalError):
            raise
        except (ZeroDivisionError, ValueError, ctx_error) as error:
            raise UndefinedError(f"{name} has no value here") from error
        real_args = all(not isinstance(v, self.ctx.mpc) for v in values)
        if real_args and isinstance(result, self.ctx.mpc) and result.imag != 0:
            self.left_reals = True
        return result

    def _unknown(self, name: str, values: list[Value]) -> Value:
        """Some fixed function: a pseudo-random value for each name and arguments."""
        key = [str(self.ctx.nstr(v, min(20, self.digits // 2))) for v in values]
        return self.ctx.mpf(hashed("unknown", name, key) % 10**9) / 10**8 - 5

    def _big(self, node: Big) -> Value:
        ctx = self.ctx
        if is_analysis(node):
            self.approximate = True
            return value_of_analysis(node, self)
        low, high = self.part(node.low), self.part(node.high)
        if not (ctx.isint(low) and ctx.isint(high)):
            raise UndefinedError("a sum to a bound that is not an integer")
        if high < low - 1:
            raise UndefinedError("a sum whose range is empty")
        if high - low > MAX_TERMS:
            raise LimitError(f"more than {MAX_TERMS} terms")
        total = ctx.mpf(0 if node.kind == "sum" else 1)
        with self.bound(node.variable) as at:
            for index in range(int(low), int(high) + 1):
                term = at(ctx.mpf(index), node.body)
                total = total + term if node.kind == "sum" else total * term
        return total

    @contextmanager
    def bound(self, name: str) -> Iterator[Callable[[Value, Node], Value]]:
        """Give a function that evaluates a node with the variable ``name`` set; its outer value comes back."""
        saved = self.values.get(name)

        def at(value: Value, node: Node) -> Value:
            self.values[name] = value
            return self.part(node)

        try:
            yield at
        finally:
            self.values.pop(name, None)
            if saved is not None:
                self.values[name] = saved


ctx_error = mpmath.libmp.ComplexResult


def _call(ctx: Any, name: str, args: list[Value]) -> Value:
    if not args:
        raise NotRationalError
    x = args[0]
    if name in ("sin", "cos", "tan", "cot", "sec", "csc") and ctx.mag(x) > 2_000:
        raise LimitError("an angle too large")
    if name in ("factorial", "gamma"):
        if ctx.mag(x) > 60:
            raise LimitError("a factorial too large")
        return ctx.factorial(x)
    if name == "binom":
        if max(ctx.mag(a) if a else 0 for a in args) > 40:
            raise LimitError("a binomial coefficient too large")
        return ctx.binomial(*args)
    if name in ("exp", "sinh", "cosh", "tanh") and ctx.mag(x) > 22:
        raise LimitError("an exponential too large")
    if name == "log":
        return ctx.ln(x)  # without a base: the natural logarithm, as in higher mathematics
    if name in ("floor", "ceil", "sgn", "max", "min", "mod", "gcd", "lcm"):
        return _integer_function(ctx, name, args)
    simple = {
        "abs": abs,
        "ln": ctx.ln,
        "re": ctx.re,
        "im": ctx.im,
        "arg": ctx.arg,
        "acot": lambda v: ctx.atan(1 / v),
    }
    function = simple.get(name) or getattr(ctx, name, None)
    if function is None or name in ("det", "dim", "deg"):
        raise NotRationalError
    return function(x)


def _integer_function(ctx: Any, name: str, args: list[Value]) -> Value:
    if any(isinstance(a, ctx.mpc) for a in args):
        raise UndefinedError(f"{name} of a complex number")
    match name:
        case "floor":
            return ctx.floor(args[0])
        case "ceil":
            return ctx.ceil(args[0])
        case "sgn":
            return ctx.sign(args[0])
        case "max":
            return max(args)
        case "min":
            return min(args)
    raise NotRationalError
