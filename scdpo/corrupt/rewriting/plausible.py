"""Whether a new value could stand where the old one stood, and what a text says that a change would belie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.numbers_in_text import is_whole

MAX_DENOMINATOR: Final = 50  # of a fraction that a text would write as one
_MAX_RATIO: Final = 20
_MONEY: Final = re.compile(
    r"\\\$\s?\d|(?<!\S)\$\s?\d[\d,]*(?:\.\d+)?(?=[\s.,;:?!)])"  # not "$3^7$", which is a formula
    r"|\b(?:dollars?|cents?|costs?|price|pays?|paid|earns?|euros?|spends?|money)\b|元",
    re.IGNORECASE,
)
# For "What is the probability that …"; leaves "She is likable" alone.
_CHANCE: Final = re.compile(
    r"\b(?:probabilit\w*|chance|likel\w*|fraction of|percent\w*)\b|概率", re.IGNORECASE
)
# For "f(x) = 3" and "for n = 4"; leaves "$5 each", which is money, alone.
_LETTERS: Final = re.compile(
    r"\b[a-z]\s?[=+*^(]|\bfor [a-z]\b|\$[^$]*(?<![a-zA-Z\\])[a-z](?![a-zA-Z])[^$]*\$"
)
_WORDS: Final = re.compile(r"[A-Za-z]{3,}")
_BARE_WORDS: Final = 10  # "Calculate the product of -0.66 and -31 to one decimal": no story, nothing counted
# For "How many ways are there?"; leaves "Calculate -0.66 times -31" alone.
_COUNTED: Final = re.compile(
    r"\b(?:integers?|whole|how many|digits?|remainder|number of|primes?|probability|area|length|perimeter|distance"
    r"|sides?|radius|volume|angle|degrees|years?|hours?|minutes|people|dollars|ways)\b",
    re.IGNORECASE,
)
_UNITS: Final = (
    "day|hour|minute|second|week|month|year|mile|kilometer|meter|metre|foot|feet|inch|inche|yard|km|cm|mm|m|ft|pound|lb|ounce"
    "|gram|kilogram|kg|g|liter|litre|gallon|cup|mph|dollar|cent|degree|percent|calorie|calory|acre|square|cubic|unit|ton"
)
# For "How much does she weigh?" and "How many miles …"; leaves "How many apples …" alone, which must stay whole.
_MEASURED: Final = re.compile(
    r"\bhow (?:much|long|far|fast|tall|heavy|old)\b"
    rf"|\bhow many (?:more |fewer |total |square |cubic )?(?:{_UNITS})(?:e?s)?\b"
    r"|\b(?:average|mean|percent\w*|area|length|perimeter|distance|speed|rate|weight|volume|height|radius|width)\b",
    re.IGNORECASE,
)
_MEASURE: Final = re.compile(rf"(?:{_UNITS}|)")


class Inconsistent(Exception):
    """A continuation that would not read on; ``reason`` is one word for the table of counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ValueContext:
    """What a problem allows of a value that takes another's place; ``algebra``: its numbers count nothing;
    ``measured``: it asks for a quantity that need not be whole.
    """

    money: bool = False
    chance: bool = False
    algebra: bool = False
    measured: bool = False

    @classmethod
    def of(cls, question: str, solution: str) -> ValueContext:
        """Read from a problem and its solution whether it is about money, chances, or bare numbers."""
        text = f"{question}\n{solution}"
        bare = len(_WORDS.findall(re.sub(r"\$[^$]*\$", " ", question))) <= _BARE_WORDS and question != ""
        algebra = (bare or _LETTERS.search(question) is not None) and _COUNTED.search(question) is None
        return cls(
            money=_MONEY.search(text) is not None,
            chance=_CHANCE.search(text) is not None,
            algebra=algebra,
            measured=_MEASURED.search(question) is not None,
        )

    def check(self, old: Fraction, new: Fraction) -> None:
        """Pass if ``new`` is a plausible value for the quantity that was ``old``.

        Raises:
            Inconsistent: ``sign`` (another sign, or zero, except of bare numbers), ``magnitude`` (over 20 times
                larger or smaller), ``fraction_for_whole`` (except measures, cents, and exact bare numbers),
                ``chance`` (a probability above 1).
        """
        if not self.algebra:
            self.check_sign(old, new)
        if old and new and not Fraction(1, _MAX_RATIO) <= abs(new / old) <= _MAX_RATIO:
            raise Inconsistent("magnitude")
        if is_whole(old) and not is_whole(new) and not self._may_be_broken(new):
            raise Inconsistent("fraction_for_whole")
        if self.chance and 0 < old < 1 < new:
            raise Inconsistent("chance")

    def _may_be_broken(self, new: Fraction) -> bool:
        """Whether a whole number may become this fraction: an exact one, cents, or a measure."""
        exact = self.algebra and (new.denominator <= MAX_DENOMINATOR or is_whole(new * 100))
        return self.measured or exact or (self.money and is_whole(new * 100))

    def check_unit(self, old: Fraction, new: Fraction, unit: str) -> None:
        """Pass unless what was counted in whole ``unit`` (a word, or empty) would come in parts.

        Raises:
            Inconsistent: ``fraction_for_whole``.
        """
        broken = is_whole(old) and not is_whole(new)
        if broken and not _MEASURE.fullmatch(unit):
            raise Inconsistent("fraction_for_whole")

    @staticmethod
    def check_sign(old: Fraction, new: Fraction) -> None:
        """Pass if both values are positive, both negative, or both zero.

        Raises:
            Inconsistent: ``sign``.
        """
        if (old > 0) != (new > 0) or (old < 0) != (new < 0):
            raise Inconsistent("sign")
