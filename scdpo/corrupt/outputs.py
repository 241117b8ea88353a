"""What the kernel printed: whether two outputs are the same, and whether one shows a failure."""

from __future__ import annotations

import re
from typing import Final

_FAILURE: Final = re.compile(
    r"Traceback \(most recent call last\)|^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt)\b\s*(?::|$)",
    re.MULTILINE,
)
"""For ``NameError: name 'x' is not defined``; leaves ``Error bound: 0.5`` (no class name ends there) alone."""


def without_whitespace(output: str) -> str:
    """Return an output without its white space; recorders wrap differently, and write an empty output as a word."""
    return re.sub(r"\s+", "", output.replace("<empty_execution>", ""))


def same_output(one: str, other: str) -> bool:
    """Whether two outputs are the same but for white space."""
    return without_whitespace(one) == without_whitespace(other)


def shows_failure(output: str) -> bool:
    """Whether an output is that of code that raised."""
    return _FAILURE.search(output) is not None
