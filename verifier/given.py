"""What callers give as a prediction and as a gold answer, made text: one reading at every door.

The library, the rewards, the client, the service and ``scdpo verify`` all come through here, so that ``4``, ``None``
and a dict mean the same wherever they are handed in. What the text says is for ``extraction`` and ``parsing``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.solution import Solution

Given = str | float | Decimal | Fraction | None  # numpy's numbers too
GivenGold = Given | Sequence[Given]  # a list of alternatives, any of which will do


def prediction_text(given: object) -> str | Solution:
    """Return a prediction as text, or the ``Solution`` that it is.

    Numbers are written as Python writes them. None, and NaN as tables hold it, state nothing: the text is empty.

    Raises:
        TypeError: for anything else, with a sentence that says what was given.
    """
    if isinstance(given, str):
        return given
    # Importing the verifier loads no module of the sandbox; where this one is not loaded, nothing can be a Solution.
    module = sys.modules.get("sandbox.solution")
    if module is not None and isinstance(given, module.Solution):
        solution: Solution = given  # type: ignore[assignment]
        return solution
    return _text("the prediction", given)


def gold_text(given: object) -> str:
    """Return a gold answer as text; empty where there is none (None or NaN).

    A list (a tuple, an array) holds alternatives, any of which will do; ``##`` parts them in the text.

    Raises:
        TypeError: for anything but text, numbers and lists of these, with a sentence that says what was given.
    """
    if isinstance(given, str):
        return given
    if hasattr(given, "tolist"):  # an array of numpy, as Parquet files hold lists
        given = given.tolist()
    if isinstance(given, list | tuple):
        return " ## ".join(
            filter(str.strip, (_text("an alternative of the gold answer", one) for one in given))
        )
    return _text("the gold answer", given)


def _text(name: str, given: object) -> str:
    if isinstance(given, str):
        return given
    if given is None or (isinstance(given, Number) and given != given):
        return ""
    if isinstance(given, Number):
        try:
            return str(given)
        except ValueError as error:  # Python writes no int of more than 4,300 digits
            raise TypeError(f"{name} is a number that is too long: give it as text") from error
    raise TypeError(f"{name} must be text or a number, not {type(given).__name__}")
