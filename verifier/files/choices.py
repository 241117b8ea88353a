"""Multiple-choice questions of other people's data: the choices as they are written, and the right one.

Question and gold answer then hold the choices' letters, as in ``(B) 72``, so that an answer may give either. Not
covered: questions with several right choices, and choices that stand in the question alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from verifier.files.fields import first

_FIELDS: Final = ("options", "choices")
_RIGHT: Final = ("correct", "answerkey", "correct_option", "gold", "answer")
# AQuA: "A)21"; MATH sets: "(A) 21", "A. 21". Leaves alone "A + B" and "a) and b)".
_LETTERED: Final = re.compile(r"\(?([A-Ja-j])\s*[).:]\s*(?=\S)")
# MathQA holds all in one text: "a ) 38 , b ) 27.675 , c ) 30". Leaves alone a comma within a choice, as in "1,000".
_IN_A_LINE: Final = re.compile(r"(?:^|\s*,\s*)[a-j]\s*\)\s*")
_MOST: Final = 10


def choices_of(row: Mapping[str, Any]) -> list[str]:
    """Return the texts of a row's choices without their letters, in order; none where it is no such question."""
    found = first(row, _FIELDS)
    if found is None:
        return []
    value = found.value
    if isinstance(value, str):
        parts = _IN_A_LINE.split(value.strip())
        value = parts[1:] if not parts[0].strip() else []
    elif isinstance(value, Mapping):  # ARC: {"text": […], "label": […]}; others: {"A": …, "B": …}
        value = value.get("text") or list(value.values())
    if not isinstance(value, list) or not 2 <= len(value) <= _MOST:
        return []
    texts = [str(part).strip() for part in value]
    if all(_letter_of(text) == _letter(place) for place, text in enumerate(texts)):
        texts = [_LETTERED.sub("", text, count=1) for text in texts]
    return texts


def right_choice(row: Mapping[str, Any], choices: list[str]) -> str | None:
    """Return the right choice as ``(B) 72``; None where the row does not say which it is."""
    found = first(row, _RIGHT)
    if found is None or isinstance(found.value, bool):
        return None
    said = str(found.value).strip()
    place: int | None = None
    if said in choices:
        place = choices.index(said)
    elif isinstance(found.value, int):  # MMLU: the place, from 0
        place = found.value
    elif len(said.strip("().")) == 1 and said.strip("().").isalpha():
        place = ord(said.strip("().").upper()) - ord("A")
    if place is None or not 0 <= place < len(choices):
        return None
    return f"({_letter(place)}) {choices[place]}"


def with_choices(question: str, choices: list[str]) -> str:
    """Return a question with its choices below it, unless it holds them already."""
    if not choices or all(choice in question for choice in choices):
        return question
    lines = [f"({_letter(place)}) {choice}" for place, choice in enumerate(choices)]
    return "\n".join([question.rstrip(), *lines])


def _letter(place: int) -> str:
    return chr(ord("A") + place)


def _letter_of(text: str) -> str | None:
    match = _LETTERED.match(text)
    return match[1].upper() if match else None
