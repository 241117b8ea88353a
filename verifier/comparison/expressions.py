r"""Decide whether two expressions are the same function: exactly where they are rational, else by sampling.

Exact values and fingerprints (``verifier.values.exact``) decide first. The rest is evaluated in ball arithmetic
(``verifier.values.balls``). "Incorrect" rests on two balls that are disjoint, at a point that the reason names; such a
point can be checked by hand. Where they overlap, "correct" says to how many digits, at how many points.

At points of positive variables the principal values count; where a variable is negative or zero a point counts only if
both sides stay real, so ``\sqrt{x^2}`` is not ``x`` but ``\ln x^2`` is ``2 \ln x``. Variables that are chosen from, or
to whose power a negative number is raised, stand for whole numbers.
"""

from __future__ import annotations

from fractions import Fraction
from time import thread_time

from flint import arb

from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.plain_numbers import show
from verifier.tree import (
    Const,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    UndefinedError,
    constants,
    free_symbols,
    walk,
)
from verifier.values.balls import Ball, Evaluator, UndecidedError, precision, shown
from verifier.values.computer_algebra import has_analysis, same_symbolically
from verifier.values.exact import Fingerprint, exact_value
from verifier.values.sampling import points_for, whole_names
from verifier.verdict import Rounding

PRECISIONS = (128, 512, 2048)  # bits; more are tried where a ball is too wide to decide
PRINTED_FLOAT_DIGITS = 12  # a decimal with as many significant digits is taken for a printed float
MIN_AGREEING = 4
SAMPLING_SECONDS = 0.6  # after which no further point is tried
MAX_BITS = 26_000  # where a part is very large or very small
MAX_WORK = 7_000_000  # bits times parts
SMALL_SPREAD = 13  # bits of the largest or smallest part from which on more are needed

_Failure = (
    UndefinedError,
    UndecidedError,
    LimitError,
    NotRationalError,
    ZeroDivisionError,
    OverflowError,
    ValueError,
)


def same_expression(a: Node, b: Node, rounding: Rounding = "exact") -> Comparison:
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


def _same_finite(a: Node, b: Node, rounding: Rounding) -> Comparison:
    names = free_symbols(a) | free_symbols(b)
    tolerance = _float_tolerance(a, b)
    if not names:
        return _same_constant(a, b, tolerance, rounding)
    exact = _by_fingerprint(a, b)
    if exact == "same":
        return correct("the same by algebra")
    return _by_sampling(
        a, b, tuple(sorted(names)), tolerance, certain=exact == "different" and tolerance is None
    )


def differ_exactly(a: Node, b: Node) -> bool:
    """Whether two expressions are rational functions, or numbers, that are proven to differ."""
    return _by_fingerprint(a, b) == "different" and _float_tolerance(a, b) is None


def _infinities(a: Node, b: Node) -> Comparison | None:
    signs = [infinite_sign(node) for node in (a, b)]
    if signs == [0, 0]:
        return None
    return (
        correct("the same infinity") if signs[0] == signs[1] else incorrect("infinity is not the other value")
    )


def infinite_sign(node: Node) -> int:
    """+1 or -1 for plus or minus infinity, else 0."""
    if isinstance(node, Const):
        return 1 if node.name == "inf" else 0
    match node:
        case Mul((Num(value), Const("inf"))):
            return -1 if value < 0 else 1
    return 0


# --- constants


def _same_constant(a: Node, b: Node, tolerance: Fraction | None, rounding: Rounding) -> Comparison:
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


def _same_real(a: Node, b: Node, tolerance: Fraction | None, rounding: Rounding) -> Comparison:
    """Compare two constants by their balls; more bits are used until these are disjoint, or narrow enough."""
    parts = len(walk(a)) + len(walk(b))
    least = wanted = PRECISIONS[0] + 7 * parts  # root separation grows with the size of an expression
    failure = "more digits than can be computed here are needed to tell the two apart"
    for bits in PRECISIONS:
        bits = max(bits, wanted)
        if bits > MAX_BITS or bits * parts > MAX_WORK:
            return unverifiable("the parts are too large, too small or too many to be compared")
        try:
            pair = _Pair(a, b, {}, bits)
        except UndecidedError as error:
            failure = str(error) or failure
            continue
        except UndefinedError as error:
            return incorrect(f"undefined: {error}")
        except _Failure as error:
            return unverifiable(f"cannot be evaluated: {error or 'no rule for a part of it'}")
        if pair.approximate:
            return _same_approximation(pair)
        if pair.disjoint:
            return _unequal_constants(a, b, pair, tolerance, rounding)
        wanted = least + 4 * pair.spread if pair.spread > SMALL_SPREAD else least
        if bits >= wanted and pair.narrow:
            return correct(f"both are {shown(pair.x)} (they agree to {bits * 3 // 10} digits)")
        # More digits: the parts may cancel to all but the product of their sizes.
    return unverifiable(failure)


def _unequal_constants(
    a: Node, b: Node, pair: _Pair, tolerance: Fraction | None, rounding: Rounding
) -> Comparison:
    told = f"{shown(pair.x)} and {shown(pair.y)}"
    if tolerance is not None and pair.within(tolerance):
        return correct(f"{told} agree as printed floats")
    if rounding == "sigfigs" and _rounds(a, b, pair.gap_bound()):
        return correct(f"{told} agree to the digits written")
    return incorrect(f"{shown(pair.x)} is not {shown(pair.y)}")


def _same_approximation(pair: _Pair) -> Comparison:
    """Compare values of which one is a limit or a series, known to about 15 digits: agreement can be said, no more."""
    if pair.within(Fraction(1, 10**13)):
        return correct(f"both are {shown(pair.x)} (they agree to 13 digits)")
    return unverifiable(f"{shown(pair.x)} and {shown(pair.y)}, of which one is extrapolated")


class _Pair:
    """The balls of two expressions at one point."""

    def __init__(self, a: Node, b: Node, point: dict[str, Fraction], bits: int) -> None:
        one, other = Evaluator(bits, point), Evaluator(bits, point)
        self.x, self.y = one.of(a), other.of(b)
        self.bits = bits
        self.left_reals = one.left_reals or other.left_reals
        self.approximate = one.approximate or other.approximate
        self.spread = max(one.spread, other.spread)
        with precision(bits):
            self.gap: Ball = self.x - self.y

    @property
    def disjoint(self) -> bool:
        """Whether the two certainly differ."""
        return not self.gap.contains(0)

    @property
    def narrow(self) -> bool:
        """Whether the gap is zero to half of the digits computed."""
        with precision(self.bits):
            size = abs(self.x).abs_upper().max(abs(self.y).abs_upper()).max(arb(2) ** (-self.spread // 2))
            return bool(self.gap.abs_upper() <= size * arb(2) ** (-self.bits // 2))

    @property
    def real(self) -> bool:
        """Whether neither value certainly leaves the reals."""
        return all(isinstance(v, arb) or v.imag.contains(0) for v in (self.x, self.y))

    def within(self, tolerance: Fraction) -> bool:
        """Whether the gap is at most ``tolerance`` of the larger value."""
        with precision(self.bits):
            size = self.x.abs_upper().max(self.y.abs_upper())
            return bool(self.gap.abs_upper() <= size * tolerance.numerator / tolerance.denominator)

    def gap_bound(self) -> Fraction:
        """Return an upper bound of the gap."""
        mantissa, exponent = self.gap.abs_upper().man_exp()
        return Fraction(int(mantissa)) * Fraction(2) ** max(-10_000, min(10_000, int(exponent)))


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


def _by_sampling(
    a: Node, b: Node, names: tuple[str, ...], tolerance: Fraction | None, *, certain: bool
) -> Comparison:
    complex_meant = "i" in constants(a) | constants(b)
    whole = whole_names((a, b))
    deadline = thread_time() + SAMPLING_SECONDS
    agreeing, last_error = 0, "no point at which both have a value"
    for positive, point in points_for(a, b, names, whole):
        try:
            found = _compare_at(a, b, point, positive, complex_meant, tolerance)
            if found is True and agreeing == 0 and tolerance is None:
                found = _closely(a, b, point)
        except _Failure as error:
            last_error = str(error) or last_error
            found = None
        if isinstance(found, str):
            return incorrect(f"they differ at {_point(point)}: {found}")
        agreeing += found is True
        if thread_time() > deadline:
            break
    if certain:
        return incorrect("they differ as rational functions")
    if agreeing >= MIN_AGREEING:
        only = whole & REAL_LETTERS
        if only:
            return unverifiable(f"they agree where {', '.join(sorted(only))} is a whole number")
        return correct(f"they agree to {PRECISIONS[0] * 3 // 20} digits at {agreeing} points")
    return unverifiable(f"cannot be compared: {last_error}")


REAL_LETTERS = frozenset("xyztuvw")  # they stand for real numbers; n, k, m and most others may be whole ones


def _compare_at(
    a: Node,
    b: Node,
    point: dict[str, Fraction],
    positive: bool,
    complex_meant: bool,
    tolerance: Fraction | None,
) -> bool | str | None:
    """True: equal here; a text: the two values that differ; None: the point does not count."""
    for bits in PRECISIONS:
        try:
            pair = _Pair(a, b, point, bits)
        except UndecidedError:
            if bits == PRECISIONS[-1]:
                raise
            continue
        if pair.left_reals and not positive and not complex_meant:
            return None
        if pair.approximate:
            return True if pair.within(Fraction(1, 10**12)) else None
        if pair.disjoint:
            if tolerance is not None and pair.within(tolerance * 10):
                return True
            return f"{shown(pair.x)} and {shown(pair.y)}" if pair.real or complex_meant else None
        if pair.narrow:
            return True
    return None


def _closely(a: Node, b: Node, point: dict[str, Fraction]) -> bool | str | None:
    """Compare again at a point, to more digits than the sizes of all parts take up: e^x is not e^x + 10^-30."""
    pair = _Pair(a, b, point, 2 * PRECISIONS[0])
    if pair.approximate:
        return True
    bits = min(2 * PRECISIONS[0] + 4 * pair.spread, MAX_BITS // 4)
    pair = _Pair(a, b, point, bits)
    if pair.disjoint:
        return f"{shown(pair.x)} and a value beside it" if pair.real else None
    return True


def _point(point: dict[str, Fraction]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sorted(point.items()))
