r"""Decide whether two expressions are the same function: exactly where they are rational, else by sampling.

Exact values and fingerprints (``verifier.exact``) decide first. The rest is evaluated to 40 digits and more at
fixed pseudo-random points. At points of positive variables the principal values count; where a variable is
negative or zero a point counts only if both sides stay real, so ``\sqrt{x^2}`` is not ``x`` but
``\ln x^2`` is ``2 \ln x``. One point of disagreement is the reason for "incorrect" and can be checked by hand.
"""

from __future__ import annotations

import random
from fractions import Fraction
from time import perf_counter

from verifier.exact import Fingerprint, NotRationalError, UndefinedError, exact_value
from verifier.numeric import Numeric, Value, context
from verifier.outcome import Outcome, correct, incorrect, unverifiable
from verifier.plain_numbers import show
from verifier.symbolic import has_analysis, same_symbolically
from verifier.syntax import Const, LimitError, Mul, Node, Num, free_symbols, walk
from verifier.verdict import Rounding

DIGITS = 40
PRINTED_FLOAT_DIGITS = 12  # a decimal with as many significant digits is taken for a printed float
MIN_AGREEING = 4
SAMPLING_SECONDS = 0.6  # after which no further point is tried
MAX_CONSTANT_DIGITS = 4_000

_Failure = (UndefinedError, LimitError, NotRationalError, ZeroDivisionError, OverflowError, ValueError)


def same_expression(a: Node, b: Node, rounding: Rounding = "exact") -> Outcome:
    """Compare two expressions."""
    if a == b:
        return correct("the same expression")
    infinite = _infinities(a, b)
    if infinite is not None:
        return infinite
    outcome = _same_finite(a, b, rounding)
    if outcome.status == "unverifiable" and (has_analysis(a) or has_analysis(b)):
        return same_symbolically(a, b)
    return outcome


def _same_finite(a: Node, b: Node, rounding: Rounding) -> Outcome:
    names = free_symbols(a) | free_symbols(b)
    tolerance = _float_tolerance(a, b)
    if not names:
        return _same_constant(a, b, tolerance, rounding)
    exact = _by_fingerprint(a, b)
    if exact == "same":
        return correct("the same by algebra")
    return _by_sampling(a, b, sorted(names), tolerance, certain=exact == "different" and tolerance is None)


def _infinities(a: Node, b: Node) -> Outcome | None:
    signs = [infinite_sign(node) for node in (a, b)]
    if signs == [0, 0]:
        return None
    return (
        correct("the same infinity") if signs[0] == signs[1] else incorrect("infinity is not the other value")
    )


def infinite_sign(node: Node) -> int:
    """+1 or -1 for plus or minus infinity, else 0."""
    if node == Const("inf"):
        return 1
    match node:
        case Mul((Num(value), Const("inf"))):
            return -1 if value < 0 else 1
    return 0


# --- constants


def _same_constant(a: Node, b: Node, tolerance: Fraction | None, rounding: Rounding) -> Outcome:
    try:
        x, y = exact_value(a), exact_value(b)
    except UndefinedError as error:
        return incorrect(f"undefined: {error}")
    except (NotRationalError, LimitError):
        return _same_real(a, b, tolerance, rounding)
    if x == y:
        return correct(f"both are {show(x)}")
    if tolerance is not None and abs(x - y) <= tolerance * max(abs(x), abs(y)):
        return correct(f"{show(x)} and {show(y)} agree as printed floats")
    if rounding == "sigfigs" and _rounds(a, b, abs(x - y)):
        return correct(f"{show(x)} and {show(y)} agree to the digits written")
    return incorrect(f"{show(x)} is not {show(y)}")


def _same_real(a: Node, b: Node, tolerance: Fraction | None, rounding: Rounding) -> Outcome:
    """Compare two constants by value, at a precision that grows with their size (root separation)."""
    digits = DIGITS + 2 * (len(walk(a)) + len(walk(b)))
    if digits > MAX_CONSTANT_DIGITS:
        return unverifiable("the expression is too large to evaluate")
    try:
        (x, y), gap = _values(a, b, {}, digits)
        same = _vanishes(a, b, {}, x, y, gap, digits)
    except UndefinedError as error:
        return incorrect(f"undefined: {error}")
    except _Failure as error:
        return unverifiable(f"cannot be evaluated: {error or 'no rule for a part of it'}")
    ctx = context()
    if has_analysis(a) or has_analysis(b):
        return _same_approximation(x, y, gap)
    if same:
        return correct(f"both are {_shown(x)} (compared to {digits} digits)")
    size = max(abs(x), abs(y))
    if tolerance is not None and gap <= size * tolerance.numerator / ctx.mpf(tolerance.denominator):
        return correct(f"{_shown(x)} and {_shown(y)} agree as printed floats")
    if rounding == "sigfigs" and _rounds(a, b, Fraction(str(ctx.nstr(gap, 15)))):
        return correct(f"{_shown(x)} and {_shown(y)} agree to the digits written")
    return incorrect(f"{_shown(x)} is not {_shown(y)}")


def _same_approximation(x: Value, y: Value, gap: Value) -> Outcome:
    """Compare values of which one is a limit, an integral or a series, known to about 15 digits."""
    size = max(abs(x), abs(y))
    if gap <= size * context().mpf(10) ** -13:
        return correct(f"both are {_shown(x)} to 13 digits")
    if gap >= size * context().mpf(10) ** -6:
        return incorrect(f"{_shown(x)} is not {_shown(y)}")
    return unverifiable(f"{_shown(x)} and {_shown(y)} cannot be told apart")


def _float_tolerance(a: Node, b: Node) -> Fraction | None:
    """The relative error allowed for decimals that look like printed floats; None where there are none."""
    digits = [
        n.digits for n in (*walk(a), *walk(b)) if isinstance(n, Num) and n.digits >= PRINTED_FLOAT_DIGITS
    ]
    return Fraction(1, 10 ** (min(15, *digits, 15) - 1)) if digits else None


def _rounds(a: Node, b: Node, gap: Fraction) -> bool:
    for node in (a, b):
        number = node if isinstance(node, Num) else None
        if number and number.digits >= 3 and gap * 2 * 10**number.decimals <= 1:
            return True
    return False


# --- fingerprints


def _by_fingerprint(a: Node, b: Node) -> str:
    """``same``, ``different`` (both rational) or ``open``."""
    for seed in (1, 2, 3):
        one, other = Fingerprint(seed), Fingerprint(seed)
        try:
            same = one.of(a) == other.of(b)
        except UndefinedError:
            continue
        except (NotRationalError, LimitError):
            return "open"
        if same:
            return "same"
        return "open" if one.opaque or other.opaque else "different"
    return "open"


# --- sampling


def sample_points(names: list[str]) -> list[tuple[bool, dict[str, Fraction]]]:
    """Return fixed pseudo-random points, each with whether all its coordinates are positive."""
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
    return [(all(v > 0 for v in p.values()), p) for p in positive + mixed]


def _by_sampling(a: Node, b: Node, names: list[str], tolerance: Fraction | None, *, certain: bool) -> Outcome:
    complex_meant = any(n == Const("i") for n in (*walk(a), *walk(b)))
    deadline = perf_counter() + SAMPLING_SECONDS
    agreeing, last_error = 0, "no point at which both have a value"
    for positive, point in sample_points(names):
        try:
            verdict = _compare_at(a, b, point, positive, complex_meant, tolerance)
        except _Failure as error:
            last_error = str(error) or last_error
            if perf_counter() > deadline:
                break
            continue
        if verdict is None:
            continue
        if verdict is True:
            agreeing += 1
            if perf_counter() > deadline:
                break
            continue
        return incorrect(f"they differ at {_point(point)}: {verdict}")
    if certain:
        return incorrect("they differ as rational functions")
    if agreeing >= MIN_AGREEING:
        return correct(f"equal to {DIGITS // 2} digits at {agreeing} points")
    return unverifiable(f"cannot be compared: {last_error}")


def _compare_at(
    a: Node,
    b: Node,
    point: dict[str, Fraction],
    positive: bool,
    complex_meant: bool,
    tolerance: Fraction | None,
) -> bool | str | None:
    """True: equal here; a text: the two values that differ; None: the point does not count."""
    one, other = Numeric(DIGITS, point), Numeric(DIGITS, point)
    x, y = one.of(a), other.of(b)
    ctx = context()
    gap = abs(x - y)
    left = one.left_reals or other.left_reals
    if left and not positive and not complex_meant:
        return None
    not_real = [isinstance(v, ctx.mpc) for v in (x, y)]
    size = max(abs(x), abs(y))
    limit = ctx.mpf(10) ** (-DIGITS // 2)
    if one.approximate or other.approximate:
        limit = ctx.mpf(10) ** -12
    if tolerance is not None:
        limit = max(limit, ctx.mpf(tolerance.numerator) / tolerance.denominator * 10)
    if gap <= size * limit or _vanishes(a, b, point, x, y, gap, DIGITS):
        return True
    if any(not_real) and not complex_meant:
        return None
    return f"{_shown(x)} and {_shown(y)}"


def _values(a: Node, b: Node, point: dict[str, Fraction], digits: int) -> tuple[tuple[Value, Value], Value]:
    x, y = Numeric(digits, point).of(a), Numeric(digits, point).of(b)
    return (x, y), abs(x - y)


def _vanishes(
    a: Node, b: Node, point: dict[str, Fraction], x: Value, y: Value, gap: Value, digits: int
) -> bool:
    """Whether the gap between two values is only rounding: it shrinks with every digit of precision."""
    ctx = context()
    if gap == 0:
        return True
    if gap > ctx.mpf(10) ** (-digits // 3) * max(1, abs(x)):
        return False
    _, finer = _values(a, b, point, 2 * digits)
    ctx.dps = digits
    return bool(finer <= gap * ctx.mpf(10) ** (-digits // 2))


def _point(point: dict[str, Fraction]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sorted(point.items()))


def _shown(value: Value) -> str:
    text: str = context().nstr(value, 12)
    return text.removesuffix(".0")
