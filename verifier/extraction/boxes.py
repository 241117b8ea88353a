r"""Find what the last ``\boxed{…}`` of a text states, in time that grows with its length only.

A box that is empty or torn off withdraws the boxes before it; one that is denied states nothing; boxes that only
a conjunction or the name of a part separates are one list.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.extraction.doubt import denied_before, doubted_before, left_open_after, may_be_taken_back
from verifier.patterns import pattern

MAX_BOXES = 32  # boxes looked at, from the last on: each may be searched for its end
MAX_BOX = 100_000  # characters in which a box must end
MAX_JOINED_CHARS = 2_000  # from the start of a box to that of one that it is joined to
MAX_GAP = 64  # characters between two boxes of one list, at most

# \boxed{5}, \boxed 5, \fbox{5}, \framebox{5}; \box{5} is left alone.
_COMMANDS = ("\\boxed", "\\fbox", "\\framebox")
_BOX = pattern(r"\\(?:boxed|fbox|framebox)\s*(?:\{(?:([^{}\\]*)\})?|([0-9A-Za-z]))")
# The end of the line or the formula in which a box that is not closed ends: "$\boxed{5$ so"; \{ is left alone.
_END_OF_FORMULA = pattern(r"\n|\\[)\]]|\$")
_JOINT = pattern(
    r"(?:\s|[$.,;:&*_]|\((?:[b-h2-9]|ii|iii|iv|v)\)|\\[()\[\]]|\\q?quad|\\text\s*\{|\}|\\(?=[,;!\s])|\\\\|、|，|；|和|或|与"
    r"|\b(?:and|or)\b|\b[A-Za-z]+\s+(?=(?:and|or)\b)|(?<=[\s$(])[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=)*"
)
# The name of a later part, at the start of a line: "(b) ", "Part 2: ", "(ii) The area is ". A sentence that only
# begins with a letter, "\nb is twice a, so b = ", is none.
_NEXT_PART = pattern(
    r"[^\n]{0,12}\n\s*[*_]*(?:[Pp]art\s*)?(?:\((?:[b-h2-9]|ii|iii|iv|v)\)|(?<=[Pp]art )[2-9b-h]|[2-9b-h][.)](?=\s))"
    r"[:.)*_]*[^\n.]{0,40}"
)


class Boxed(NamedTuple):
    """What the last box states, or "" where it withdraws what was boxed before it, and where it ends."""

    answer: str
    end: int


def boxed_answer(text: str) -> Boxed | None:
    """Return what the last box of ``text`` states; None where there is no box."""
    if "\\" not in text:
        return None
    for command in _COMMANDS:
        if (start := text.rfind(command)) >= 0:
            break
    else:
        return None
    answers: list[str] = []
    last_end = follower = floor = visited = 0
    while start >= 0 and visited < MAX_BOXES:
        visited += 1
        content, end = _box_content(text, start)
        encloses = visited > 1 and end > follower
        telling = may_be_taken_back(text, start)
        if visited == 1:
            last_end = end
            if not content:
                return Boxed("", end)
            if left_open_after(text, end) or (telling and doubted_before(text, start)):
                return Boxed("", len(text))
        elif answers and not encloses and not _joined(text, end, follower):
            break
        if encloses and answers:
            answers[-1] = _unboxed(content)
        elif content and not (telling and denied_before(text, start)):
            answers.append(content)
        elif answers:
            break
        follower, floor = start, max(0, start - MAX_JOINED_CHARS) if answers else 0
        start = text.rfind(command, floor, start)
    if len(set(answers)) == 1:
        return Boxed(answers[0], last_end)
    answers.reverse()
    return Boxed(", ".join(answers), last_end)


def _joined(text: str, end: int, follower: int) -> bool:
    """Whether only a conjunction or the name of a part stands between two boxes."""
    if not end <= follower <= end + MAX_GAP:
        return False
    return bool(_JOINT.fullmatch(text, end, follower) or _NEXT_PART.fullmatch(text, end, follower))


def _unboxed(content: str) -> str:
    """Return the content of a box with the boxes in it opened."""
    while match := _BOX.search(content):
        inner, end = _box_content(content, match.start())
        content = f"{content[: match.start()]} {inner} {content[end:]}".strip()
    return content


def _box_content(text: str, start: int) -> tuple[str, int]:
    """Return what the box at ``start`` holds, stripped, and where it ends; "" where it was torn off."""
    match = _BOX.match(text, start)
    if match is None:
        return "", start + 5
    begin = match.end()
    if match.lastindex:
        return match[match.lastindex].strip(), begin
    end = closing_brace(text, begin)
    if end is not None:
        return text[begin:end].strip(), end + 1
    # One brace is missing: the box ends with its line or its formula. What the text broke off in, such as
    # \boxed{12 or \boxed{\frac{1, may have gone on; after \boxed{\frac12} only the brace itself was forgotten.
    stop = _END_OF_FORMULA.search(text, begin, begin + MAX_BOX)
    end = stop.start() if stop else len(text)
    content = text[begin:end].rstrip(" .").strip()
    torn = stop is None and not content.endswith("}")
    return "" if torn or not _balanced(content) else content, end


# { and }, with what a backslash hides: \{ and \\ are left alone.
_BRACES = pattern(r"\\.|[{}]", re.DOTALL)


def _balanced(content: str) -> bool:
    braces = [m[0] for m in _BRACES.finditer(content)]
    return braces.count("{") == braces.count("}")


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
