"""What a comparison finds, before it becomes a verdict."""

from __future__ import annotations

from typing import NamedTuple

from verifier.verdict import Status


class Outcome(NamedTuple):
    """A status and the reason for it."""

    status: Status
    reason: str

    @property
    def correct(self) -> bool:
        """Whether the two were found equal."""
        return self.status == "correct"


def correct(reason: str) -> Outcome:
    """Equal, because of ``reason``."""
    return Outcome("correct", reason)


def incorrect(reason: str) -> Outcome:
    """Different, because of ``reason``."""
    return Outcome("incorrect", reason)


def unverifiable(reason: str) -> Outcome:
    """Undecided, because of ``reason``."""
    return Outcome("unverifiable", reason)


def best(outcomes: list[Outcome]) -> Outcome:
    """Return the outcome of alternatives: one that is correct is enough; else an undecided one keeps it open."""
    for status in ("correct", "unverifiable", "incorrect"):
        for outcome in outcomes:
            if outcome.status == status:
                return outcome
    return unverifiable("nothing to compare")
