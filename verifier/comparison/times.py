"""Compare times of day (``8:30``, ``8:30 p.m.``, ``9 o'clock``) and dates (``March 14``, ``14th of March``)."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.notation import plain, words_of
from verifier.parsing.number_words import number_in_words
from verifier.patterns import pattern

_CLOCK = pattern(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([ap])\.?\s*m\.?)?", re.IGNORECASE)
_HOUR = pattern(r"(\d{1,2})(?:\s*(o'?clock))?(?:\s*([ap])\.?\s*m\.?)?", re.IGNORECASE)
_SPACING = pattern(r"\\[!,; ]|\{(?=:\})|(?<=\{:)\}")
_HALF_DAY = 12 * 3600


class Time(NamedTuple):
    """Seconds since midnight, whether a.m. or p.m. was said, and whether it can be nothing but a time."""

    seconds: int
    half_said: bool
    certain: bool


def time_of(text: str) -> Time | None:
    """Return the time of day that ``text`` states, or None."""
    words = words_of(_SPACING.sub("", plain(text))).strip(" .")
    words = _NAMED.get(words.removeprefix("12 "), words)
    if spoken := _SPOKEN.fullmatch(words):
        words = _clock_of(spoken)
    if match := _CLOCK.fullmatch(words):
        hour, minute, second = (int(g or 0) for g in match.groups()[:3])
        half, certain = match[4], bool(match[3] or match[4])
    elif (match := _HOUR.fullmatch(words)) and (match[2] or match[3]):
        hour, minute, second, half, certain = int(match[1]), 0, 0, match[3], True
    else:
        return None
    if (
        hour > 24
        or (hour == 24 and minute + second)
        or minute > 59
        or second > 59
        or (half and not 1 <= hour <= 12)
    ):
        return None
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return Time(hour * 3600 + minute * 60 + second, bool(half), certain)


# half past ten, quarter to 3 p.m.
_SPOKEN = pattern(r"(?:a )?(half|quarter) (past|after|to) ([a-z]+|\d{1,2})(?: o'?clock)?( ?[ap]\.?m\.?)?")
_NAMED = {"noon": "12:00 p.m.", "midday": "12:00 p.m.", "midnight": "12:00 a.m."}


def _clock_of(spoken: re.Match[str]) -> str:
    """Return ``10:30`` for ``half past ten``; the words themselves where they tell no hour."""
    number = Fraction(spoken[3]) if spoken[3].isdecimal() else number_in_words(spoken[3])
    if number is None or not 1 <= number <= 24:
        return spoken[0]
    minutes = 60 * int(number) + (30 if spoken[1] == "half" else 15) * (-1 if spoken[2] == "to" else 1)
    return f"{minutes // 60 or 12}:{minutes % 60:02}{spoken[4] or ''}"


def compare_times(a: str, b: str) -> Comparison | None:
    """Compare two times; None where one of the answers is none."""
    x, y = time_of(a), time_of(b)
    if x is None or y is None:
        return None
    if x.seconds == y.seconds:
        return correct("the same time of day")
    if x.half_said != y.half_said and abs(x.seconds - y.seconds) == _HALF_DAY:
        return unverifiable("a time of day without a.m. or p.m.")
    if not (x.certain or y.certain) and _same_ratio(x.seconds, y.seconds):
        return unverifiable("two times of day, or two equal ratios")
    return incorrect("another time of day")


def _same_ratio(x: int, y: int) -> bool:
    """Whether hours and minutes are proportional, none of them zero."""
    (h, m), (k, n) = divmod(x // 60, 60), divmod(y // 60, 60)
    return h * n == k * m and 0 not in (h, m, k, n)


# --- dates

_MONTH_WORDS = "january february march april may june july august september october november december"
_MONTHS = {
    name: number for number, word in enumerate(_MONTH_WORDS.split(), 1) for name in (word, word[:3])
} | {"sept": 9}
_WEEKDAYS = "mon tue wed thu fri sat sun"
_DAY = r"(?:the )?(?P<day>\d{1,2})(?:\^?(?:st|nd|rd|th))?"
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_WEEKDAY = rf"(?:(?P<weekday>{_WEEKDAYS.replace(' ', '|')})[a-z]*\.?,? )?"
_YEAR = r"(?:,? (?P<year>\d{4}))?"
_DATES = tuple(
    pattern(text)
    for text in (
        rf"{_WEEKDAY}{_MONTH} {_DAY}{_YEAR}",
        rf"{_WEEKDAY}{_DAY} (?:of )?{_MONTH}{_YEAR}",
        r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
        r"(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]",
    )
)


def date_of(text: str) -> dict[str, str | int | None] | None:
    """Return the weekday, month, day and year that ``text`` states, those left out as None; None for no date."""
    words = words_of(plain(text))
    match = next((found for date in _DATES if (found := date.fullmatch(words))), None)
    if match is None:
        return None
    month = match["month"]
    return {
        "weekday": match.groupdict().get("weekday"),
        "month": int(month) if month.isdecimal() else _MONTHS[month],
        "day": int(match["day"]),
        "year": match["year"],
    }


def compare_dates(a: str, b: str) -> Comparison | None:
    """Compare two dates; None where one of the answers is none."""
    x, y = date_of(a), date_of(b)
    if x is None or y is None:
        return None
    if any(x[part] != y[part] for part in x if x[part] is not None and y[part] is not None):
        return incorrect("another date")
    return correct("the same date") if x == y else unverifiable("a date of which one answer says more")
