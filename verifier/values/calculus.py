"""Numerical values of limits, integrals and infinite series, to about 15 digits.

Each comes with an estimate of its error; where that is not small enough there is no value here, and the question goes
to computer algebra. The number of evaluations is bounded by the evaluator's own limit of steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier.tree import Big, Const, NotRationalError, UndefinedError, walk

if TYPE_CHECKING:
    from verifier.values.numeric import Numeric, Value

DIGITS = 15  # to which such a value is trusted
_LIMIT_STEPS = 24
_SERIES_STEPS = 10
_DEGREE = 6


def is_analysis(node: Big) -> bool:
    """Whether ``node`` is a limit, an integral, or a sum or product with an infinite bound."""
    return node.kind in ("lim", "int") or Const("inf") in (*walk(node.low), *walk(node.high))


def value_of_analysis(node: Big, evaluator: Numeric) -> Value:
    """Return the value of a limit, an integral or a series.

    Raises:
        NotRationalError: if the value cannot be trusted to ``DIGITS`` digits.
    """
    ctx = evaluator.ctx
    precision = ctx.prec
    try:
        rule = {"lim": _limit, "int": _integral}.get(node.kind, _series)
        value, error = rule(node, evaluator)
    except (ctx.NoConvergence, ZeroDivisionError) as problem:
        raise NotRationalError from problem
    finally:
        ctx.prec = precision
    if not ctx.isfinite(value) or error > ctx.mpf(10) ** -DIGITS * max(1, abs(value)):
        raise NotRationalError
    return value


def _limit(node: Big, evaluator: Numeric) -> tuple[Value, Value]:
    ctx = evaluator.ctx
    point = evaluator.part(node.low)
    infinite = ctx.isinf(point)
    values: list[Value] = []
    with evaluator.bound(node.variable) as at:
        for k in range(4, 4 + _LIMIT_STEPS):
            distance = ctx.mpf(2) ** k
            place = (distance if point > 0 else -distance) if infinite else point + 1 / distance
            values.append(at(place, node.body))
    return _extrapolated(values, ctx)


def _integral(node: Big, evaluator: Numeric) -> tuple[Value, Value]:
    low, high = evaluator.part(node.low), evaluator.part(node.high)
    with evaluator.bound(node.variable) as at:
        value, error = evaluator.ctx.quad(
            lambda x: at(x, node.body), [low, high], error=True, maxdegree=_DEGREE
        )
    return value, error


def _series(node: Big, evaluator: Numeric) -> tuple[Value, Value]:
    """Extrapolate from the sums of 2, 4, 8, … terms."""
    ctx = evaluator.ctx
    if node.kind != "sum" or node.high != Const("inf"):
        raise NotRationalError
    low = evaluator.part(node.low)
    if not ctx.isint(low):
        raise UndefinedError("a series that starts at no integer")
    total, sums = ctx.mpf(0), []
    with evaluator.bound(node.variable) as at:
        for k in range(2**_SERIES_STEPS):
            total += at(low + k, node.body)
            if k >= 1 and (k + 1) & k == 0:
                sums.append(total)
    return _extrapolated(sums, ctx)


def _extrapolated(values: list[Value], ctx: Any) -> tuple[Value, Value]:
    """Return the limit of values at distances 1/2, 1/4, 1/8, … in powers of the distance, and its likely error."""
    previous: list[Value] = []
    diagonal: list[Value] = []
    for value in values:
        row = [value]
        for j, above in enumerate(previous, start=1):
            factor = ctx.mpf(2) ** j
            row.append((factor * row[j - 1] - above) / (factor - 1))
        previous = row
        diagonal.append(row[-1])
    candidates = [
        (abs(diagonal[-1] - diagonal[-2]), diagonal[-1]),
        (abs(values[-1] - values[-2]), values[-1]),
    ]
    error, best = min(candidates, key=lambda candidate: candidate[0])
    return best, error
