r"""The shortcut for the commonest case: a solution that ends in one box, or one phrase, with a plain number.

It gives exactly what ``verifier.extract`` gives, or None where anything else would have to be looked at (another
box, code or tool output afterwards, a turn of the conversation, an answer that is not a plain number).
"""

from __future__ import annotations

import re

_BOX = "\\boxed"
_BOXED_NUMBER = re.compile(r"\\boxed\{\s*(-?(?:\\\$)?\d[\d,]*(?:\.\d+)?)\s*\}")
_FINAL_PHRASE = re.compile(r"(?:#### ?|The answer is:? )(-?\d+(?:\.\d+)?)\.?\s*$")
_AFTER = re.compile(r"```|<\||\\fbox|</think>")
_BARE_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MAX_BARE = 30
_MAX_BOX = 60
_MAX_PHRASE = 60


def stated_number(text: str) -> str | None:
    """Return the plain number that ``text`` states as its answer, where that is plain to see, else None."""
    if len(text) <= _MAX_BARE and _BARE_NUMBER.fullmatch(text):
        return text
    start = text.rfind(_BOX)
    if start >= 0:
        match = _BOXED_NUMBER.match(text, start, start + _MAX_BOX)
        if match is None or text.find(_BOX) != start:
            return None
    else:
        match = _FINAL_PHRASE.search(text, max(0, len(text) - _MAX_PHRASE))
        if match is None or "\n" in match[0].rstrip():
            return None
        start = match.start()
    if _AFTER.search(text, start) or text.count("```", 0, start) % 2:
        return None
    if "<" in text and ("</s>" in text or "<eoa>" in text or not _in_text(text, start)):
        return None
    return match[1]


def _in_text(text: str, start: int) -> bool:
    """Whether the last of MathCoder's tokens before ``start``, if any, opens a text block."""
    if "<|" not in text:
        return True
    token = text.rfind("<|", 0, start)
    return token < 0 or text.startswith("<|text|>", token)
