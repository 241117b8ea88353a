"""Whether a new value could stand where the old one stood, and what a text says that a change would belie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from scdpo.corrupt.mentions import is_whole

_MAX_RATIO: Final = 20
_MONEY: Final = re.compile(
    r"\$\s?\d|\\\$|\b(?:dollars?|cents?|cost|costs|price|pay|paid|earns?|euros?|spend|money)\b|元", re.I
)
_CHANCE: Final = re.compile(
    r"\b(?:probabilit\w*|chance|likel\w*|fraction of|percent\w*)\b|概率", re.IGNORECASE
)


class Inconsistent(Exception):
    """A continuation that would not read on; ``reason`` is one word for the table of counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What a problem allows of a value that takes another's place."""

    money: bool = False
    chance: bool = False

    @classmethod
    def of(cls, text: str) -> Limits:
        """Read from the problem and its solution whether it is about money or chances."""
        return cls(_MONEY.search(text) is not None, _CHANCE.search(text) is not None)

    def check(self, old: Fraction, new: Fraction) -> None:
        """Pass if ``new`` is a plausible value for the quantity that was ``old``.

        Raises:
            Inconsistent: ``sign`` (another sign, or zero), ``magnitude`` (over 20 times larger or smaller),
                ``fraction_for_whole`` (except whole cents of money), ``chance`` (a probability above 1).
        """
        if (old > 0) != (new > 0) or (old < 0) != (new < 0):
            raise Inconsistent("sign")
        if old and not Fraction(1, _MAX_RATIO) <= new / old <= _MAX_RATIO:
            raise Inconsistent("magnitude")
        if is_whole(old) and not is_whole(new) and not (self.money and is_whole(new * 100)):
            raise Inconsistent("fraction_for_whole")
        if self.chance and 0 < old < 1 < new:
            raise Inconsistent("chance")
