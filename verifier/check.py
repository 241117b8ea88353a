"""The verb ``verify``: one answer against one gold answer.

It returns a verdict and never raises on any text or number. It holds no lock and uses no signal, so it works from any
thread, event loop or worker process.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from verifier.comparison.quick import compare_numbers, compare_written
from verifier.extraction.extract import ABSENT, Extraction, extract
from verifier.extraction.golds import Gold, read_gold
from verifier.extraction.statement import OPEN, SEVERAL, SUPPOSED
from verifier.given import Given, GivenGold, gold_text, prediction_text
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.parsing.plain_numbers import read_number
from verifier.patterns import pattern
from verifier.verdict import ROUNDINGS, STRENGTHS, Rounding, Strength, Verdict, suffices

if TYPE_CHECKING:
    from sandbox.solution import Solution


def verify(
    prediction: Given | Solution, gold: GivenGold, *, rounding: Rounding = "exact", require: Strength = "weak"
) -> Verdict:
    r"""Say whether the final answer of ``prediction`` equals ``gold``.

    Args:
        prediction: a solution (see ``extract_answer``) or a bare answer, as text or as a number. None and NaN state no
            answer.
        gold: the gold answer, bare (``2\sqrt{3}``) or wrapped (``$2\sqrt{3}$``); a worked solution where a box or
            ``####`` says which answer is meant; a number; or a list of these, any of which will do. None and NaN
            are no gold: the verdict is ``unverifiable``.
        rounding: ``exact`` (default): a rounded decimal is not the exact value, but a decimal of 12 digits or
            more that agrees to all but its last digit is taken for a printed float. ``sigfigs``: a decimal of
            three digits or more that is the other answer rounded is right too.
        require: how strongly the answer must be stated: ``boxed`` (in a box or between answer tags), ``stated`` (also
            by an answer phrase, or alone on the last line), ``weak`` (default: also in a sentence). A weaker one is
            ``unverifiable``; none at all is ``incorrect``.

    Raises:
        TypeError: if ``prediction`` or ``gold`` is of another type.
        ValueError: if ``rounding`` or ``require`` is not one of these.
    """
    check_options(rounding, require)
    start = perf_counter()
    asked = read(prediction_text(prediction), gold_text(gold), rounding, require)
    outcome = asked.outcome or _compared(asked.found.answer or "", asked.gold.answer or "", rounding)
    return verdict_on(asked, outcome, start)


def _compared(answer: str, gold: str, rounding: Rounding) -> Comparison:
    # What reads and compares formulas takes a tenth of a second to load; plain numbers need none of it.
    from verifier.comparison.equal import compare_answers

    return compare_answers(answer, gold, rounding)


def check_options(rounding: Rounding, require: Strength) -> None:
    """Raise ``ValueError`` if an option has a value that is not known."""
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding {rounding!r} is not one of {', '.join(ROUNDINGS)}")
    if require not in STRENGTHS:
        raise ValueError(f"require {require!r} is not one of {', '.join(STRENGTHS)}")


class Read(NamedTuple):
    """A pair as it was read, and the outcome where it takes no more than reading it."""

    gold: Gold
    found: Extraction
    outcome: Comparison | None


def verdict_on(asked: Read, outcome: Comparison, start: float) -> Verdict:
    """Return the verdict on a pair that was read; ``start`` is when that began."""
    found = asked.found
    if outcome.status == "incorrect" and _holds_gold(found.beside, asked.gold.answer or ""):
        outcome = unverifiable("another value of the sentence is the gold answer")
    return Verdict(
        outcome.status,
        outcome.reason,
        found.answer,
        asked.gold.answer,
        perf_counter() - start,
        found.strength,
    )


def read(prediction: str | Solution, gold: str, rounding: Rounding, require: Strength) -> Read:
    """Read the pair, and decide it where that takes no more."""
    wanted = read_gold(gold)
    if wanted.answer is None:
        return Read(wanted, ABSENT, unverifiable(wanted.why))
    if (
        wanted.number is None
        and require == "weak"
        and isinstance(prediction, str)
        and prediction.strip() == gold.strip()
    ):
        return Read(wanted, Extraction(wanted.answer, "bare", "stated"), correct("written the same"))
    found = extract(prediction, "choice" if wanted.choice else "agreement" if wanted.agreement else "any")
    if found.answer is None:
        return Read(wanted, found, _without_answer(found, wanted, prediction))
    if require != "weak" and found.strength is not None and not suffices(found.strength, require):
        return Read(
            wanted,
            found,
            unverifiable(f"the answer is {found.strength} ({found.source}); {require} is required"),
        )
    if wanted.number is not None:
        if found.answer == wanted.answer:
            return Read(wanted, found, correct(f"both are {wanted.number}"))
        if (answer := read_number(found.answer)) is not None:
            return Read(wanted, found, compare_numbers(answer, wanted.number, rounding))
    return Read(wanted, found, compare_written(found.answer, wanted.answer))


def _without_answer(found: Extraction, wanted: Gold, prediction: str | Solution) -> Comparison:
    if found.source == SEVERAL.why:
        return unverifiable(f"the last statement holds {SEVERAL.why}")
    if found.source in (OPEN.why, SUPPOSED.why):
        return unverifiable(found.source)
    if found.source == "none" and isinstance(prediction, str) and _names(prediction, wanted.answer or ""):
        return unverifiable("the gold answer is named, and it is not seen whether it is stated")
    return incorrect("no final answer is stated" if found.source == "none" else found.source)


_PARTS = pattern(r",|\band\b")  # of a gold answer that lists several


def _holds_gold(values: tuple[str, ...], gold: str) -> bool:
    """Whether one of the values in prose is the gold answer, or one of several that it lists."""
    wanted = {gold, *_PARTS.split(gold)} if values else ()
    return any(_compared(value, part, "exact").correct for value in values for part in wanted)


MAX_NAMED = 400  # characters before the end of a text in which the words of a gold answer are looked for


def _names(text: str, gold: str) -> bool:
    """Whether the end of a text holds the words of a gold answer that is no number, formula or letter."""
    words = gold.replace(" ", "")
    return words.isalpha() and len(words) > 1 and gold.lower() in text[-MAX_NAMED:].lower()
