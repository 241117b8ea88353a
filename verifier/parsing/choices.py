"""The letters of multiple choice that a bare answer names.

Not covered: letters in prose (``verifier.extraction.choices``), and how two answers compare
(``verifier.comparison.choices``).
"""

from __future__ import annotations

import re
from functools import lru_cache

from verifier.parsing.notation import TEXT_COMMAND, plain
from verifier.patterns import pattern

Letters = frozenset[str]

# "\text", "\(", "{", "$", "*" around letters; "\frac" is left alone.
_MARKUP = pattern(rf"{TEXT_COMMAND}|\\[()\[\]]|\\(?=[ ,])|[{{}}$*]")
# "B) is wrong", B错; "B) is right" is left alone.
REJECTED = pattern(r"[)\]$*}]*\s*(?:(?:is|are)\s+(?:wrong|incorrect|false|not)\b|isn't\b|错|不对|不正确)")
# "Option B", 选项B, B项; "optional" is left alone.
_NAMED = pattern(r"^(?:(?:option|choice)\b|选项?)\s*:?\s*|\s*(?:选项|项)$", re.IGNORECASE)
# "(B).", "[B]", "(b)"; "b" and "BC" are left alone.
_ALONE = pattern(r"\(?\s*([A-J])\s*\)?\s*[.:,]?|\[\s*([A-J])\s*\]|\(([a-e])\)")
_OPTION = r"[(\[]?[A-J](?![A-Za-z'])[)\].]{0,2}(?::(?= ))?"
_SEVERAL = pattern(rf"{_OPTION}(?:(?:[ ,;、]|or\b|and\b|或者?|和|与)*{_OPTION})+")
_WITH_TEXT = pattern(  # "A rectangle" is none
    r"(?:[(\[] ?([A-J]) ?[)\]]|([A-J]) ?[.:、)]|(?![AI] +[a-z])([A-J])(?= +[A-Za-z\u3400-\u9fff]{2}))\s*\S"
)
# "B. A triangle", "(D) A and B only", "E: A score" label their text; "A. B", "(A) or (B)" and "A, B" are lists
_LABEL = pattern(r"(?:[(\[] ?([A-J]) ?[)\]][.:]?|([A-J]) ?[.:、)])\s+(?=\S)")
_MARKED = pattern(r"(?<![A-Za-z0-9])(?:[(\[] ?([A-J]) ?[)\]]|(?<!\()([A-J])(?:\)|[.:、](?=\s+\S)))")
# The text of an option that begins with a letter: "A triangle", "A and B only"; in "B. C. 12" C is an option too
_LABELLED_TEXT = pattern(r"[A-J](?: (?!(?:or|and)\b)[A-Za-z]|(?:,? [A-J]\b|,? and [A-J]\b)+ \w)")
_LETTER = pattern(r"[A-J]")


def letters_of(answer: str) -> tuple[Letters, bool] | None:
    """Return the choices that an answer names, and whether it says nothing else; None if it is no choice."""
    bare = _NAMED.sub("", " ".join(_MARKUP.sub("", plain(answer)).split()))
    if match := _ALONE.fullmatch(bare):
        return frozenset((match[1] or match[2] or match[3]).upper()), True
    if match := _SEVERAL.match(bare):
        label = _LABEL.match(bare)
        if label and match.end() < len(bare) and _LABELLED_TEXT.match(bare, label.end()):
            others = (found[1] or found[2] for found in _MARKED.finditer(bare, label.end()))
            return frozenset((label[1] or label[2], *others)), False
        return frozenset(_LETTER.findall(match[0])), match.end() == len(bare)
    if (match := _WITH_TEXT.match(bare)) and not REJECTED.match(bare, match.end() - 1):
        others = (found[1] or found[2] for found in _MARKED.finditer(bare, match.end()))
        return frozenset((match[1] or match[2] or match[3], *others)), False
    return None


@lru_cache(maxsize=4096)
def is_choice(gold: str) -> bool:
    """Whether a gold answer is the letter of one choice, so that a letter is to be looked for in prose."""
    found = letters_of(gold)
    return found is not None and len(found[0]) == 1
