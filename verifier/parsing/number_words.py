"""Numbers in words: ``forty-two``, ``one hundred and five``, ``three quarters``, ``minus seven``, ``third``."""

from __future__ import annotations

from fractions import Fraction

from verifier.patterns import pattern

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_ONES = {word: number for number, word in enumerate(_SMALL.split())}
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * number for number, word in enumerate(_TENS_WORDS.split(), start=2)} | {"fourty": 40}
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
PART_WORDS = frozenset({*PARTS, *(f"{word}s" for word in PARTS if word[-1] != "s")} - {"halfs"})
NUMBER_WORDS = frozenset({*_ONES, *_TENS, *_SCALES, "hundred"})
_ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth"
    " sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS = {word: number for number, word in enumerate(_ORDINAL_WORDS.split(), start=1)}
_ORDINALS |= {f"{word[:-1]}ieth": number for word, number in _TENS.items()}
_SIGNS = {"minus": -1, "negative": -1}
# "twenty-one", "one hundred"; "one, two" is left alone.
_WORDS = pattern(r"[a-z]+(?:[ -][a-z]+)*")
MAX_WORDS = 20


def number_in_words(words: str) -> Fraction | None:
    """Return the number that words in lower case write; None for anything else.

    ``one hundred and five`` is 105, ``three quarters`` is 3/4, ``two and a half`` is 5/2 and ``half a million``
    500,000; ``one or two`` and ``five apples`` are None.
    """
    if not _WORDS.fullmatch(words):
        return None
    parts = words.replace("-", " ").split()
    if len(parts) > MAX_WORDS:
        return None
    sign = _SIGNS.get(parts[0], 1)
    parts = parts[sign < 0 :]
    value = _part(parts)
    if value is None and parts[:2] == ["half", "a"] and (whole := _integer(parts[1:])):
        value = Fraction(whole, 2)
    if value is None and "and" in parts:  # two and a half
        last = len(parts) - 1 - parts[::-1].index("and")
        whole, part = _integer(parts[:last]), _part(parts[last + 1 :])
        value = whole + part if whole and part and part < 1 else None
    if value is None and (integer := _integer(parts)) is not None:
        value = Fraction(integer)
    return None if value is None else sign * value


def ordinal_in_words(words: str) -> int | None:
    """Return the number of ``third``, ``twenty-first``; None for anything else, such as ``first third``."""
    *tens, last = words.removeprefix("the ").replace("-", " ").split() or [""]
    number = _ORDINALS.get(last)
    if number is None or (tens and (len(tens) > 1 or tens[0] not in _TENS or number > 9)):
        return None
    return number + (_TENS[tens[0]] if tens else 0)


def _part(parts: list[str]) -> Fraction | None:
    """Return the fraction that ends in the name of its denominator, ``three quarters``."""
    bottom = PARTS.get(parts[-1].removesuffix("s"), PARTS.get(parts[-1])) if parts else None
    if bottom is None:
        return None
    top = 1 if parts[:-1] in (["a"], ["one"]) else _integer(parts[:-1])
    return Fraction(top, bottom) if top else None


def _integer(parts: list[str]) -> int | None:
    """Return the integer of number words; each scale is smaller than the one before it."""
    total, section, last_scale, previous = 0, 0, 10**12, "scale"
    if parts[-1:] == ["dozen"]:
        dozens = 1 if parts[:-1] in ([], ["a"]) else _integer(parts[:-1])
        return dozens and 12 * dozens
    if len(parts) == 2 and parts[0] == "a" and (parts[1] == "hundred" or parts[1] in _SCALES):
        parts = ["one", parts[1]]
    for index, word in enumerate(parts):
        if word == "and" and previous in ("hundred", "scale") and 0 < index < len(parts) - 1:
            continue
        if word in _ONES and (
            previous in ("scale", "hundred") or (previous == "ten" and 0 < _ONES[word] < 10)
        ):
            section, previous = section + _ONES[word], "one"
        elif word in _TENS and previous in ("scale", "hundred"):
            section, previous = section + _TENS[word], "ten"
        elif word == "hundred" and previous == "one" and 0 < section < 100:
            section, previous = section * 100, "hundred"
        elif word in _SCALES and section > 0 and _SCALES[word] < last_scale:
            last_scale, previous = _SCALES[word], "scale"
            total, section = total + section * last_scale, 0
        else:
            return None
    return total + section if parts else None
