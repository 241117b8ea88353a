"""What the verifier answers: a three-valued verdict with a reason that a person can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["correct", "incorrect", "unverifiable"]
Rounding = Literal["exact", "sigfigs"]
Strength = Literal["boxed", "stated", "weak"]

ROUNDINGS: tuple[Rounding, ...] = ("exact", "sigfigs")
STRENGTHS: tuple[Strength, ...] = ("boxed", "stated", "weak")  # from the strongest on


def suffices(strength: Strength, require: Strength) -> bool:
    """Whether an answer of this strength is as strong as is demanded."""
    return STRENGTHS.index(strength) <= STRENGTHS.index(require)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer is right.

    Attributes:
        status: ``correct``, ``incorrect``, or ``unverifiable`` where neither could be shown within the
            limits (a gold answer that cannot be read, an expression that is too large, two notations whose
            meaning the question would have to settle).
        reason: one line for a person: the rule that found the answers equal, or what differs (both values,
            the point at which two expressions differ).
        prediction: the final answer as it was extracted, or None where none was stated.
        gold: the gold answer as it was read, or None where it is empty.
        seconds: wall-clock time taken.
        strength: how the answer is stated: ``boxed`` (in a box or between answer tags), ``stated`` (by a phrase such
            as "the answer is", or alone on the last line), ``weak`` (found in a sentence); None without an answer.
    """

    status: Status
    reason: str
    prediction: str | None
    gold: str | None
    seconds: float = 0.0
    strength: Strength | None = None

    @property
    def correct(self) -> bool:
        """Whether the status is ``correct``. False also stands for ``unverifiable``: read ``status`` too."""
        return self.status == "correct"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as it stands in a record."""
        return {
            "status": self.status,
            "correct": self.correct,
            "reason": self.reason,
            "prediction": self.prediction,
            "gold": self.gold,
            "seconds": round(self.seconds, 6),
            "strength": self.strength,
        }


@dataclass(frozen=True, slots=True)
class SolutionVerdict(Verdict):
    """A verdict on a whole solution.

    Attributes:
        clean: no execution error, apology or repair anywhere: with ``correct``, what makes a solution
            preferred (arXiv 2407.00782, section 2).
        clean_reason: what makes the solution unclean, with its step, or "".
        reproduces: whether running the code again gave the recorded outputs; None where it was not run.
        first_difference: index of the first step whose output differs when run again, or None.
        source: where the answer was read, such as ``boxed`` or ``answer phrase``.
    """

    clean: bool = True
    clean_reason: str = ""
    reproduces: bool | None = None
    first_difference: int | None = None
    source: str = "none"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as it stands in a record."""
        record = super(SolutionVerdict, self).to_dict()
        return record | {
            "clean": self.clean,
            "clean_reason": self.clean_reason,
            "reproduces": self.reproduces,
            "first_difference": self.first_difference,
            "source": self.source,
        }
