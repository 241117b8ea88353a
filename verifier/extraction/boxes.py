r"""Find what the last ``\boxed{…}`` of a text holds, in time that grows with its length only."""

from __future__ import annotations

import re

MAX_BOXES = 32  # boxes looked at, from the last on: each may be searched for its end
MAX_BOX = 100_000  # characters in which a box must end
MAX_JOINED_CHARS = 2_000  # from the start of a box to that of one that it is joined to

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{(?:([^{}\\]*)\})?|([0-9A-Za-z]))")
_END_OF_FORMULA = re.compile(r"\n|\\[)\]]|\$")
_JOINT = re.compile(
    r"(?:\s|[$.,;:&]|\\[()\[\]]|\\q?quad|\\text\s*\{|\}|\\(?=[,;!\s])|\\\\|、|，|；|和|或|与"
    r"|\b(?:and|or)\b|\b[A-Za-z]+\s+(?=(?:and|or)\b)|(?<=[\s$(])[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=)*"
)


def boxed_answer(text: str) -> str | None:
    """Return what the last box of ``text`` holds; boxes that only a conjunction separates are one list."""
    if "\\" not in text:
        return None
    command = "\\boxed"
    start = text.rfind(command)
    if start < 0:
        command = "\\fbox"
        start = text.rfind(command)
    answers: list[str] = []
    follower = floor = visited = 0
    while start >= 0 and visited < MAX_BOXES:
        visited += 1
        content, end = _box_content(text, start)
        if content:
            if answers and not (end <= follower <= end + 48 and _JOINT.fullmatch(text, end, follower)):
                break
            answers.append(content)
            follower, floor = start, max(0, start - MAX_JOINED_CHARS)
        start = text.rfind(command, floor, start)
    if not answers:
        return None
    if len(set(answers)) == 1:
        return answers[0]
    answers.reverse()
    return ", ".join(answers)


def _box_content(text: str, start: int) -> tuple[str, int]:
    """Return what the box at ``start`` holds, stripped, and where it ends."""
    match = _BOX.match(text, start)
    if match is None:
        return "", start + 5
    begin = match.end()
    if match.lastindex:
        return match[match.lastindex].strip(), begin
    end = closing_brace(text, begin)
    if end is None:  # an unbalanced box ends with its line or its formula
        stop = _END_OF_FORMULA.search(text, begin, begin + MAX_BOX)
        end = stop.start() if stop else len(text)
        return text[begin:end].rstrip(" .}").strip(), end
    return text[begin:end].strip(), end + 1


_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


def closing_brace(text: str, begin: int) -> int | None:
    """Return the index of the brace that closes the one before ``begin``, or None if there is none near it."""
    depth = 1
    for match in _BRACES.finditer(text, begin, begin + MAX_BOX):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None
