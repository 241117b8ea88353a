"""The letter of multiple choice that a piece of prose names."""

from __future__ import annotations

import re

from verifier.parsing.choices import REJECTED, letters_of
from verifier.parsing.notation import TEXT_COMMAND
from verifier.patterns import pattern

# "(B)", "\text{B}", "B."; "Bob", "B2" and "AB" are left alone.
_STATED = pattern(
    rf"(?<![A-Za-z\\{{_^])[(（]?\s*(?:{TEXT_COMMAND})?\{{?\(?([A-J])\)?\}}?(?![A-Za-z0-9_'’^*/+=])"
)
# "not (", "rule out ", 不选 before a letter; "nothing but" is left alone.
_NEGATION = pattern(
    r"(?:\b(?:rul(?:es?|ed|ing)\s+out|exclud\w+|eliminat\w+|reject\w*|(?:all|any\w*|every\w*)\s+but|except)"
    r"|\bnot|n['’]t\s+be|\b(?:is|was|are|were)n['’]t|\bneither|\bcannot\s+be|不是|不选|不正确|错误)\s*[(（$]?\s*$",
    re.IGNORECASE,
)
_NEGATED_LIST = pattern(
    r"(?:\bnot|n't\s+be|\bneither|cannot\s+be|不是)[^.。]{0,12}?[A-J]\s*(?:,|or|nor|和|或)\s*$", re.IGNORECASE
)
_CLAUSE = pattern(r"[.。,，;；]\s*\S|\b(?:or|not|maybe|perhaps)\b|不|或")
# "D, it makes no sense for it to be A"; "A, maybe B" and "A, or else B" leave it open
_LEADING = pattern(
    r"[\s$*(]*([A-J])[)$*]*\s*[,.:—–]\s+(?!(?:or|and|so|thus|hence|therefore|maybe|perhaps|possibly|but|is|are)\b)(?=[a-z]{2})"
    r"(?!.*\b(?:or\s+(?:maybe|perhaps|else)|instead)\b)"
)
# "C, because A is"; "C is because" and "over time" are left alone.
_BECAUSE = pattern(r"\b(?:because|since|over(?=\s+[A-J]\b)|rather\s+than|instead\s+of|unlike)\b|因为")
# The A of "A train"; that of "A is" and "A or B" is left alone.
_ARTICLE = pattern(r"\s+(?!(?:or|and|is)\b)[a-z]")


def choice_letter(text: str) -> str | None:
    """Return the one choice letter that ``text`` names; None for none, or where it hedges between several."""
    labelled = letters_of(text.strip()[:2000])
    if labelled is not None and len(labelled[0]) == 1 and _CLAUSE.search(text) is None:
        return next(iter(labelled[0]))
    if (leading := _LEADING.match(text)) is not None:
        return leading[1]
    if (reason := _BECAUSE.search(text)) is not None and _STATED.search(text, 0, reason.start()):
        text = text[: reason.start()]
    letters: set[str] = set()
    for match in _STATED.finditer(text[:2000]):
        before = text[max(0, match.start() - 24) : match.start(1)]
        if _NEGATION.search(before) or _NEGATED_LIST.search(before) or REJECTED.match(text, match.end()):
            continue
        if match[1] == "I" or (match[1] == "A" and _ARTICLE.match(text, match.end())):
            continue
        letters.add(match[1])
    return letters.pop() if len(letters) == 1 else None


# "Not A. So B"; the comma of "A,B" is left alone.
_PIECE_END = pattern(r"[.。\n!！;；]\s*|，|,\s")
# "the answer is C", "so C", 选C; "Point C lies" is left alone.
_CHOOSING = pattern(
    r"\b(?:answer|option|choice|choose|select|pick|correct|right|it's|it is|it must be"
    r"|go(?:ing)?\s+with|opt\s+for|leav(?:es|ing))\b|选|答|正确|对"
    r"|\b(?:so|thus|hence|therefore)\s*,?\s*(?:\\\(|[$*(])*[A-J](?:\\\)|[$*)])*\s*(?:is\b|$)|^[^A-Za-z]*[A-J]不是",
    re.IGNORECASE,
)


# option (c); "part (c)" and "(c) is" are left alone.
_SMALL = pattern(r"(?<=\b(?:option|choice|answer) )\([a-e]\)", re.IGNORECASE)


# "If the sign were reversed the answer would be B"; "If x is even, then B" is left alone.
_UNREAL = pattern(r"\b(?:if|had|were)\b.*\bwould\b", re.IGNORECASE)


def choice_in_prose(text: str) -> str | None:
    """Return the letter that the last piece of prose about a choice names, or None."""
    text = _SMALL.sub(lambda m: m[0].upper(), text.replace("**", ""))
    for piece in reversed(_PIECE_END.split(text)):
        letter = choice_letter(piece)
        if letter is not None and (_CHOOSING.search(piece) or letters_of(piece) is not None):
            return None if _UNREAL.search(piece) else letter
    return None
