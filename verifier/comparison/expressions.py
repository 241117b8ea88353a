r"""Decide whether two expressions are the same function: exactly where they are rational, else by sampling.

Exact values and fingerprints (``verifier.values.exact``) decide first. The rest is evaluated to 40 digits and more at
fixed pseudo-random points. At points of positive variables the principal values count; where a variable is
negative or zero a point counts only if both sides stay real, so ``\sqrt{x^2}`` is not ``x`` but
``\ln x^2`` is ``2 \ln x``. One point of disagreement is the reason for "incorrect" and can be checked by hand.
"""

from __future__ import annotations

from fractions import Fraction
from time import thread_time

from verifier.outcome import Outcome, correct, incorrect, unverifiable
from verifier.parsing.plain_numbers import show
from verifier.tree import (
    Const,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    UndefinedError,
    free_symbols,
    walk,
)
from verifier.values.computer_algebra import has_analysis, same_symbolically
from verifier.values.exact import Fingerprint, exact_value
from verifier.values.numeric import Numeric, Value, context
from verifier.values.sampling import sample_points, telling_points
from verifier.verdict import Rounding

DIGITS = 40
PRINTED_FLOAT_DIGITS = 12  # a decimal with as many significant digits is taken for a printed float
MIN_AGREEING = 4
SAMPLING_SECONDS = 0.6  # after which no further point is tried
MAX_CONSTANT_DIGITS = 4_000
MAX_SPREAD_DIGITS = 8_000  # where a part is very large or very small
MAX_WORK = 2_000_000  # digits times parts
SPREAD = 4  # decimal digits of the largest or smallest part from which on more digits are needed

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
    parts = len(walk(a)) + len(walk(b))
    digits = DIGITS + 2 * parts
    if digits > MAX_CONSTANT_DIGITS or digits * parts > MAX_WORK:
        return unverifiable("the expression is too large to evaluate")
    try:
        (x, y), gap, spread = _values(a, b, {}, digits)
        same = _vanishes(a, b, {}, x, y, gap, digits)
        if same and spread > SPREAD and not (has_analysis(a) or has_analysis(b)):
            digits += 4 * spread  # the parts may cancel to all but the product of their sizes
            if digits > MAX_SPREAD_DIGITS or digits * parts > MAX_WORK:
                return unverifiable("the parts are too large or too small to be compared")
            (x, y), gap, _ = _values(a, b, {}, digits)
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
    if rounding == "sigfigs" and _rounds(a, b, Fraction(_written(gap, 15))):
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


def _by_sampling(a: Node, b: Node, names: list[str], tolerance: Fraction | None, *, certain: bool) -> Outcome:
    complex_meant = any(n == Const("i") for n in (*walk(a), *walk(b)))
    deadline = thread_time() + SAMPLING_SECONDS
    agreeing, last_error = 0, "no point at which both have a value"
    for positive, point in sample_points(names) + telling_points(a, b, names):
        try:
            verdict = _compare_at(a, b, point, positive, complex_meant, tolerance)
            if verdict is True and agreeing == 0 and tolerance is None:
                verdict = _closely(a, b, point)
        except _Failure as error:
            last_error = str(error) or last_error
            if thread_time() > deadline:
                break
            continue
        if verdict is None:
            continue
        if verdict is True:
            agreeing += 1
            if thread_time() > deadline:
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


def _closely(a: Node, b: Node, point: dict[str, Fraction]) -> bool | str:
    """Compare again at a point, to more digits than the sizes of all parts take up: e^x is not e^x + 10^-30."""
    one, other = Numeric(2 * DIGITS, point), Numeric(2 * DIGITS, point)
    one.of(a)
    other.of(b)
    if one.approximate or other.approximate:
        return True
    digits = min(2 * DIGITS + 4 * max(one.spread, other.spread), MAX_CONSTANT_DIGITS // 4)
    (x, y), gap, _ = _values(a, b, point, digits)
    if gap <= max(abs(x), abs(y)) * context().mpf(10) ** (-digits // 2):
        return True
    if _vanishes(a, b, point, x, y, gap, digits):
        return True
    return f"{_shown(x)} and a value beside it"


def _values(
    a: Node, b: Node, point: dict[str, Fraction], digits: int
) -> tuple[tuple[Value, Value], Value, int]:
    """Return the two values, their gap, and the decimal digits that the largest and smallest part take up."""
    one, other = Numeric(digits, point), Numeric(digits, point)
    x, y = one.of(a), other.of(b)
    return (x, y), abs(x - y), max(one.spread, other.spread)


def _vanishes(
    a: Node, b: Node, point: dict[str, Fraction], x: Value, y: Value, gap: Value, digits: int
) -> bool:
    """Whether the gap between two values is only rounding: it shrinks with every digit of precision."""
    ctx = context()
    if gap == 0:
        return True
    if gap > ctx.mpf(10) ** (-digits // 3) * max(1, abs(x)):
        return False
    _, finer, _ = _values(a, b, point, 2 * digits)
    ctx.dps = digits
    return bool(finer <= gap * ctx.mpf(10) ** (-digits // 2))


def _point(point: dict[str, Fraction]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sorted(point.items()))


def _shown(value: Value) -> str:
    return _written(value, 12).removesuffix(".0")


def _written(value: Value, digits: int) -> str:
    """Write a value, rounded first: Python writes no integer of more than 4,300 digits."""
    ctx = context()
    with ctx.workdps(2 * digits):
        text: str = ctx.nstr(+value, digits)
    return text
