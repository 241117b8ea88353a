"""Numerical values of integrals, limits and infinite series.

A proper integral is enclosed: flint bounds its error. A limit or a series is extrapolated to about 15 digits from its
values; where these do not settle there is no value here, and the question goes to computer algebra. The number of
evaluations is bounded by the evaluator's own limit of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from flint import acb, arb

from verifier.tree import Big, Const, LimitError, Node, NotRationalError, UndefinedError, constants

DIGITS = 15  # to which an extrapolated value is trusted
_LIMIT_STEPS = 24
_SERIES_STEPS = 10
_EVALUATIONS = 3_000  # of an integrand

Ball = Any


class AnalysisEvaluator(Protocol):
    """What this module asks of the evaluator of balls."""

    analytic: bool
    spread: int

    def part(self, node: Node) -> Ball:
        """Return the value of a node."""
        ...

    def bound(self, name: str) -> AbstractContextManager[Callable[[Ball, Node], Ball]]:
        """Give a function that evaluates a node with a variable set."""
        ...


def is_analysis(node: Big) -> bool:
    """Whether ``node`` is a limit, an integral, or a sum or product with an infinite bound."""
    return node.kind in ("lim", "int") or "inf" in constants(node.low) | constants(node.high)


def is_proper_integral(node: Big) -> bool:
    """Whether ``node`` is an integral between finite bounds."""
    return node.kind == "int" and "inf" not in constants(node.low) | constants(node.high)


def value_of_analysis(node: Big, evaluator: AnalysisEvaluator) -> Ball:
    """Return the value of a limit, an integral or a series.

    Raises:
        NotRationalError: if the value cannot be trusted to ``DIGITS`` digits.
    """
    if is_proper_integral(node):
        return _integral(node, evaluator)
    try:
        value, error = {"lim": _limit, "sum": _series}.get(node.kind, _none)(node, evaluator)
    except ArithmeticError as problem:
        raise NotRationalError from problem
    if not error <= arb(10) ** -DIGITS * abs(value).max(arb(1)):
        raise NotRationalError
    return value


def _none(node: Big, evaluator: AnalysisEvaluator) -> tuple[Ball, Ball]:
    raise NotRationalError


def _integral(node: Big, evaluator: AnalysisEvaluator) -> Ball:
    low, high = evaluator.part(node.low), evaluator.part(node.high)
    outer, spread = evaluator.analytic, evaluator.spread
    with evaluator.bound(node.variable) as at:

        def integrand(x: acb, analytic: bool) -> acb:
            evaluator.analytic = analytic
            try:
                return acb(at(x, node.body))
            except (ArithmeticError, NotRationalError, LimitError):  # a disc too wide to say
                return acb(arb.nan())

        try:
            value = acb.integral(integrand, acb(low), acb(high), eval_limit=_EVALUATIONS)
        finally:
            evaluator.analytic, evaluator.spread = outer, spread  # near a bound an integrand may be tiny
    if not value.is_finite() or (value.rel_accuracy_bits() < 40 and not value.contains(0)):
        raise NotRationalError
    return value.real if value.imag.contains(0) else value


def _limit(node: Big, evaluator: AnalysisEvaluator) -> tuple[Ball, Ball]:
    infinite = _infinite_sign(node.low)
    point = arb(0) if infinite else evaluator.part(node.low)
    values: list[Ball] = []
    with evaluator.bound(node.variable) as at:
        for k in range(4, 4 + _LIMIT_STEPS):
            distance = arb(2) ** k
            values.append(at(infinite * distance if infinite else point + 1 / distance, node.body).mid())
    return _extrapolated(values)


def _infinite_sign(node: Node) -> int:
    if "inf" not in constants(node):
        return 0
    return 1 if node == Const("inf") else -1


def _series(node: Big, evaluator: AnalysisEvaluator) -> tuple[Ball, Ball]:
    """Extrapolate from the sums of 2, 4, 8, … terms."""
    if node.high != Const("inf"):
        raise NotRationalError
    low = evaluator.part(node.low)
    if not (isinstance(low, arb) and low.is_integer()):
        raise UndefinedError("a series that starts at no integer")
    total, sums = arb(0), []
    with evaluator.bound(node.variable) as at:
        for k in range(2**_SERIES_STEPS):
            total = total + at(low + k, node.body)
            if k >= 1 and (k + 1) & k == 0:
                sums.append(total.mid())
    return _extrapolated(sums)


def _extrapolated(values: list[Ball]) -> tuple[Ball, Ball]:
    """Return the limit of values at distances 1/2, 1/4, 1/8, … in powers of the distance, and its likely error."""
    previous: list[Ball] = []
    diagonal: list[Ball] = []
    for value in values:
        row = [value]
        for j, above in enumerate(previous, start=1):
            row.append((((1 << j) * row[j - 1] - above) / ((1 << j) - 1)).mid())
        previous = row
        diagonal.append(row[-1])
    candidates = [(abs(d[-1] - d[-2]), d[-1]) for d in (diagonal, values)]
    first, second = candidates
    error, best = first if first[0].mid() <= second[0].mid() else second
    return best, error
