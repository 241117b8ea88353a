"""Real zeros of an expression in one of its letters, between places at which its sign is proven to differ.

Stretches of the grid on which the expression is proven not to be zero are passed over at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import count
from time import thread_time

from flint import acb, arb

from verifier.tree import Apply, LimitError, Node, NotRationalError, UndefinedError, free_symbols, walk
from verifier.values.balls import Ball, Evaluator, UndecidedError, as_ball, precision

BITS = 160
ROOT_WIDTH = Fraction(1, 2**60)
_RESOLUTION = 2**64  # of the places that are tried for a zero
FAILURES = (UndefinedError, UndecidedError, LimitError, NotRationalError, ZeroDivisionError, OverflowError)
_MIN_STRETCH = 3  # steps of the grid; a shorter stretch is gone through place by place


class Line:
    """An expression as a function of one letter, the others being set.

    Args:
        f: the expression.
        name: the letter.
        rest: the values of the other letters.
    """

    def __init__(self, f: Node, name: str, rest: Mapping[str, Fraction]) -> None:
        self.f = f
        self.name = name
        with precision(BITS):
            self.rest = {n: as_ball(value) for n, value in rest.items()}
        # The value of an unknown function jumps from place to place, so that its signs tell of no zero between them.
        self.continuous = not any(
            isinstance(n, Apply) and n.name.endswith(("_", "()")) and name in free_symbols(n) for n in walk(f)
        )

    def at(self, x: Fraction | Ball) -> Ball | None:
        """Return the value at a place or within a ball; None where it has no real one."""
        try:
            value = Evaluator(BITS, {**self.rest, self.name: x}).of(self.f)
        except FAILURES:
            return None
        return None if isinstance(value, acb) else value

    def roots(self, grid: Sequence[Fraction], deadline: float) -> Iterator[Fraction]:
        """Yield, from left to right, places within ``ROOT_WIDTH`` of zeros between neighbours on a grid at which the
        sign is proven to differ; that it goes through zero there, rather than through a pole, is checked at the end.
        """
        if not self.continuous:
            return
        before: tuple[Fraction, Ball] | None = None
        for place, value in self._values(grid, 0, len(grid) - 1):
            if thread_time() > deadline:
                return
            if value is None:
                before = None
            elif value.contains(0):
                before = None
                yield place
            else:
                if before is not None and (before[1] > 0) != (value > 0):
                    root = self._close_in(before[0], place, deadline)
                    if root is not None:
                        yield root
                before = place, value

    def _values(
        self, grid: Sequence[Fraction], first: int, last: int
    ) -> Iterator[tuple[Fraction, Ball | None]]:
        """Yield the places of the grid with their values; of a stretch without zeros only its ends."""
        if last - first < _MIN_STRETCH:
            for place in grid[first : last + 1]:
                yield place, self.at(place)
            return
        value = self._on(grid[first], grid[last])
        if value is not None and not value.contains(0):
            yield grid[first], value
            yield grid[last], value
            return
        middle = (first + last) // 2
        yield from self._values(grid, first, middle)
        yield from self._values(grid, middle + 1, last)

    def _on(self, low: Fraction, high: Fraction) -> Ball | None:
        """Return a ball of the values between two places; None where there is none that is proven."""
        with precision(BITS):
            stretch = as_ball(low).union(as_ball(high))
        return self.at(stretch)

    def _close_in(self, a: Fraction, b: Fraction, deadline: float) -> Fraction | None:
        """Return a place beside the zero between two places of different sign: by secants, halved at times where
        those are no faster than that.
        """
        at_a, at_b = self.at(a), self.at(b)
        if at_a is None or at_b is None:
            return None
        rises, moved_upper, width = bool(at_b > 0), None, b - a
        for step in count():
            if b - a <= ROOT_WIDTH:
                # Around a pole there is no value.
                return a if self.around(a) is not None else None
            if thread_time() > deadline:
                return None
            slow = step % 6 > 3 and (b - a) * 2**step > width
            place = (a + b) / 2 if slow else _secant(a, at_a, b, at_b)
            value = self.at(place)
            if value is None:
                return None
            if value.contains(0):
                return place
            upper = bool((value > 0) == rises)
            if upper:
                b, at_b = place, value
            else:
                a, at_a = place, value
            if upper is moved_upper:  # the end that stays a second time counts half (the Illinois rule)
                at_a, at_b = (at_a / 2, at_b) if upper else (at_a, at_b / 2)
            moved_upper = upper
        return None

    def around(self, root: Fraction) -> Ball | None:
        """Return a ball of the values around a root: of a zero it contains zero. None where there is no value."""
        with precision(BITS):
            near = arb(as_ball(root).mid(), 2 * as_ball(ROOT_WIDTH).mid())
        return self.at(near)


def _secant(a: Fraction, at_a: Ball, b: Fraction, at_b: Ball) -> Fraction:
    """Return where the line through two values of different sign is zero, or a step off an end that it is beside."""
    with precision(BITS):
        left, right = at_a.mid(), at_b.mid()
        share = left / (left - right)
        place = as_ball(a) + as_ball(b - a) * share
        steps = (place * _RESOLUTION).mid().floor().unique_fmpz()
    return min(max(Fraction(int(steps), _RESOLUTION), a + ROOT_WIDTH / 2), b - ROOT_WIDTH / 2)
