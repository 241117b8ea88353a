"""The sampling temperature of each step (paper, section 3; the increment is the text's 0.05)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Temperature by step: ``first`` for the first sampled step, ``increment`` more for each further one.

    Args:
        first: temperature of the first sampled step, at least 0 (0 is greedy).
        increment: added for each further step, at least 0.
        maximum: never exceeded.

    Raises:
        ValueError: if a value is negative or ``maximum`` is below ``first``.
    """

    first: float = 1.1
    increment: float = 0.05
    maximum: float = 1.4

    def __post_init__(self) -> None:
        if self.first < 0 or self.increment < 0:
            raise ValueError(f"temperatures are at least 0: first={self.first}, increment={self.increment}")
        if self.maximum < self.first:
            raise ValueError(f"the maximum {self.maximum} is below the first temperature {self.first}")

    @classmethod
    def constant(cls, temperature: float) -> Schedule:
        """Return the schedule that samples every step at one temperature."""
        return cls(temperature, 0.0, temperature)

    def temperature(self, step: int) -> float:
        """Return the temperature of sampled step ``step``, counted from 0 at the first sampled one."""
        # Rounded so that records show 1.15, not 1.1500000000000001.
        return min(self.maximum, round(self.first + self.increment * step, 10))
