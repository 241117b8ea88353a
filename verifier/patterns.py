"""Regular expressions that are compiled when they are first used.

There are some three hundred of them here, a text meets a few, and compiling all of them takes longer than a thousand
verdicts do.
"""

from __future__ import annotations

import re
from typing import Any, cast

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "split")


class _Pattern:
    """A regular expression with the methods of ``re.Pattern``, found once it is compiled."""

    def __init__(self, text: str, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self.flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return self.__dict__[name]


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return the regular expression ``text``, as ``re.compile`` does, to be compiled at its first use."""
    return cast("re.Pattern[str]", _Pattern(text, flags))
