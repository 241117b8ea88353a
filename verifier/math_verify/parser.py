"""``parse`` and the configurations that callers of Math-Verify give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from verifier.extraction.extract import extract
from verifier.verdict import suffices


@dataclass(frozen=True)
class LatexNormalizationConfig:
    """How Math-Verify normalises LaTeX; has no effect here. ``latex2sympy2_extended``'s own will do as well."""

    basic_latex: bool = True
    units: bool = False
    malformed_operators: bool = True
    nits: bool = True
    boxed: str | bool = "all"
    equations: bool = False


@dataclass(frozen=True)
class LatexExtractionConfig:
    """Look for LaTeX. Here every notation is always looked for."""

    try_extract_without_anchor: bool = True
    boxed_match_priority: int = 50
    normalization_config: Any = None


@dataclass(frozen=True)
class ExprExtractionConfig:
    """Look for plain expressions. Here every notation is always looked for."""

    try_extract_without_anchor: bool = True


@dataclass(frozen=True)
class StringExtractionConfig:
    """Look for one of ``strings``, whatever their case. Alone, nothing else is an answer."""

    strings: tuple[str, ...] = ("A", "B", "C", "D")
    try_extract_without_anchor: bool = True
    lowercase: bool = True


ExtractionTarget = LatexExtractionConfig | ExprExtractionConfig | StringExtractionConfig


def parse(
    pred: str,
    extraction_config: Sequence[ExtractionTarget] = (LatexExtractionConfig(), ExprExtractionConfig()),
    fallback_mode: Literal["no_fallback", "first_match"] = "first_match",
    extraction_mode: Literal["first_match", "any_match"] = "any_match",
    parsing_timeout: float | None = 5,
    raise_on_error: bool = False,
) -> list[str]:
    """Return the final answer that ``pred`` states, as a list of one, or an empty list.

    Args:
        pred: a solution, or a bare answer.
        extraction_config: where none of them tries without an anchor, the answer must be stated (see
            ``verifier.verify``), not only found in a sentence. With ``StringExtractionConfig`` alone, it must be one of
            the strings, and comes in lower case where that says so. What else is in them has no effect.
        fallback_mode: no effect.
        extraction_mode: no effect.
        parsing_timeout: no effect: reading takes microseconds, and no text makes it take long.
        raise_on_error: no effect: nothing is raised.
    """
    found = extract(pred)
    answer, strength = found.answer, found.strength
    if answer is None or strength is None:
        return []
    anchored = not any(target.try_extract_without_anchor for target in extraction_config)
    if not suffices(strength, "stated" if anchored else "weak"):
        return []
    strings = [target for target in extraction_config if isinstance(target, StringExtractionConfig)]
    if not strings or len(strings) < len(extraction_config):
        return [answer]
    said = answer.strip("()[]. ").casefold()
    return [
        string.lower() if target.lowercase else string
        for target in strings
        for string in target.strings
        if string.casefold() == said
    ][:1]
