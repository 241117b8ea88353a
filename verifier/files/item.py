"""What every reader of files makes: one pair to verify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.solution import Solution


@dataclass(frozen=True, slots=True)
class Item:
    """One pair to verify.

    Attributes:
        id: the row's own id, or the file's name and the line's number; with the solution's number where a row has
            several.
        prediction: a whole solution, or a bare answer as text.
        gold: the gold answer.
        kind: what to group it by in a table: the row's ``kind``, else its ``source``, its task or the file's name.
        label: whether it is correct by the row's own account; None where it does not say.
        problem: what the samples of one problem share, in every file of the same problems; "" stands for ``id``.
        sample: which of the problem's samples it is, where a file may hold one under several ids; "" stands for ``id``.
        question: the problem's text, or "" where the file does not hold it.
    """

    id: str
    prediction: str | Solution
    gold: str
    kind: str
    label: bool | None = None
    problem: str = ""
    sample: str = ""
    question: str = ""
