"""What a comparison finds, before it becomes a verdict."""

from __future__ import annotations

from typing import NamedTuple

from verifier.verdict import Status


class Comparison(NamedTuple):
    """A status and the reason for it."""

    status: Status
    reason: str

    @property
    def correct(self) -> bool:
        """Whether the two were found equal."""
        return self.status == "correct"


def correct(reason: str) -> Comparison:
    """Equal, because of ``reason``."""
    return Comparison("correct", reason)


def incorrect(reason: str) -> Comparison:
    """Different, because of ``reason``."""
    return Comparison("incorrect", reason)


def unverifiable(reason: str) -> Comparison:
    """Undecided, because of ``reason``."""
    return Comparison("unverifiable", reason)


def best(outcomes: list[Comparison]) -> Comparison:
    """Return the outcome of alternatives: one that is correct is enough; else an undecided one keeps it open."""
    for status in ("correct", "unverifiable", "incorrect"):
        for outcome in outcomes:
            if outcome.status == status:
                return outcome
    return unverifiable("nothing to compare")
