"""The letters of multiple choice: in a bare answer, in prose, and two answers compared by them."""

from __future__ import annotations

import re
from functools import lru_cache

from verifier.notation import TEXT_COMMAND, plain
from verifier.outcome import Outcome, correct, incorrect, unverifiable

Letters = frozenset[str]

# --- in a bare answer

_MARKUP = re.compile(rf"{TEXT_COMMAND}|\\[()\[\]]|\\(?=[ ,])|[{{}}$*]")
_REJECTED = re.compile(r"[)\]$*}]*\s*(?:(?:is|are)\s+(?:wrong|incorrect|false|not)\b|isn't\b|错|不对|不正确)")
_NAMED = re.compile(r"^(?:(?:option|choice)\b|选项?)\s*:?\s*|\s*(?:选项|项)$", re.IGNORECASE)
_ALONE = re.compile(r"\(?\s*([A-J])\s*\)?\s*[.:,]?|\[\s*([A-J])\s*\]|\(([a-e])\)")
_OPTION = r"[(\[]?[A-J](?![A-Za-z'])[)\].]{0,2}(?::(?= ))?"
_SEVERAL = re.compile(rf"{_OPTION}(?:(?:[ ,;、]|or\b|and\b|或者?|和|与)*{_OPTION})+")
_WITH_TEXT = re.compile(  # "A rectangle" is none
    r"(?:[(\[] ?([A-J]) ?[)\]]|([A-J]) ?[.:、)]|(?![AI] +[a-z])([A-J])(?= +[A-Za-z\u3400-\u9fff]{2}))\s*\S"
)
_MARKED = re.compile(r"(?<![A-Za-z0-9])(?:[(\[] ?([A-J]) ?[)\]]|(?<!\()([A-J])(?:\)|[.:、](?=\s+\S)))")
_LETTER = re.compile(r"[A-J]")


def letters_of(answer: str) -> tuple[Letters, bool] | None:
    """Return the choices that an answer names, and whether it says nothing else; None if it is no choice."""
    bare = _NAMED.sub("", " ".join(_MARKUP.sub("", plain(answer)).split()))
    if match := _ALONE.fullmatch(bare):
        return frozenset((match[1] or match[2] or match[3]).upper()), True
    if match := _SEVERAL.match(bare):
        return frozenset(_LETTER.findall(match[0])), match.end() == len(bare)
    if (match := _WITH_TEXT.match(bare)) and not _REJECTED.match(bare, match.end() - 1):
        others = (found[1] or found[2] for found in _MARKED.finditer(bare, match.end()))
        return frozenset((match[1] or match[2] or match[3], *others)), False
    return None


_LIKELY = frozenset("ABCDE")
_JOINED = re.compile(r"[A-J]{2,}")


def compare_choices(a: str, b: str) -> Outcome | None:
    """Compare two answers of which at least one is a choice; None where they are no choices."""
    if (circled := _compare_circled(a, b)) is not None:
        return circled
    x, y = letters_of(a), letters_of(b)
    if x is None or y is None:
        if a != b and a.upper() == b.upper() and a.upper() in _LIKELY:
            return unverifiable("a choice, or a letter with a meaning of its own")
        return _compare_joined(a, b, x, y)
    if len(x[0]) == len(y[0]) == 1:
        if not (x[1] or y[1]):
            return None
        return correct(f"both choose {_shown(x[0])}") if x[0] == y[0] else incorrect(_differ(x[0], y[0]))
    if len(x[0]) > 1 and len(y[0]) > 1:  # in brackets they may be a tuple, whose order counts
        listed = x[1] and y[1] and "(" not in a + b
        return correct(f"both choose {_shown(x[0])}") if listed and x[0] == y[0] else None
    return incorrect(_differ(x[0], y[0])) if x[1] or y[1] else None


def _compare_joined(
    a: str, b: str, x: tuple[Letters, bool] | None, y: tuple[Letters, bool] | None
) -> Outcome | None:
    """``BCD`` is ``B, C, D``."""
    listed, joined = (x, b) if x is not None else (y, a)
    if listed is None or len(listed[0]) < 2 or not listed[1] or not _JOINED.fullmatch(joined.strip()):
        return None
    same = frozenset(joined.strip()) == listed[0] and len(joined.strip()) == len(listed[0])
    return correct(f"both choose {_shown(listed[0])}") if same else None


_CIRCLED = re.compile("[①-⑳]")
_ALL_CIRCLED = re.compile("[①-⑳](?:[ ,，、;；]|和|与)*")


def _compare_circled(a: str, b: str) -> Outcome | None:
    """``①③`` is ``①、③``; in another order it is the same choice, but another sequence."""
    if _CIRCLED.match(a.strip()) is None or _CIRCLED.match(b.strip()) is None:
        return None
    if _ALL_CIRCLED.sub("", a.strip()) or _ALL_CIRCLED.sub("", b.strip()):
        return None
    x, y = _CIRCLED.findall(a), _CIRCLED.findall(b)
    if x == y:
        return correct("the same statements")
    return (
        unverifiable("the same statements in another order")
        if sorted(x) == sorted(y)
        else incorrect("other statements")
    )


def _shown(letters: Letters) -> str:
    return ", ".join(sorted(letters))


def _differ(x: Letters, y: Letters) -> str:
    return f"{_shown(x)} is not {_shown(y)}"


@lru_cache(maxsize=4096)
def is_choice(gold: str) -> bool:
    """Whether a gold answer is the letter of one choice, so that a letter is to be looked for in prose."""
    found = letters_of(gold)
    return found is not None and len(found[0]) == 1


# --- in prose

_STATED = re.compile(
    rf"(?<![A-Za-z\\{{_^])[(（]?\s*(?:{TEXT_COMMAND})?\{{?\(?([A-J])\)?\}}?(?![A-Za-z0-9_'’^*/+=])"
)
_NEGATION = re.compile(
    r"(?:\bnot|n't\s+be|\bneither|\bcannot\s+be|不是|不选|不正确|错误)\s*[(（$]?\s*$", re.IGNORECASE
)
_NEGATED_LIST = re.compile(
    r"(?:\bnot|n't\s+be|\bneither|cannot\s+be|不是)[^.。]{0,12}?[A-J]\s*(?:,|or|nor|和|或)\s*$", re.IGNORECASE
)
_ARTICLE = re.compile(r"\s+(?!(?:or|and|is)\b)[a-z]")


def choice_letter(text: str) -> str | None:
    """Return the one choice letter that ``text`` names; None for none, or where it hedges between several."""
    letters: set[str] = set()
    for match in _STATED.finditer(text[:2000]):
        before = text[max(0, match.start() - 24) : match.start(1)]
        if _NEGATION.search(before) or _NEGATED_LIST.search(before) or _REJECTED.match(text, match.end()):
            continue
        if match[1] == "I" or (match[1] == "A" and _ARTICLE.match(text, match.end())):
            continue
        letters.add(match[1])
    return letters.pop() if len(letters) == 1 else None


_PIECE_END = re.compile(r"[.。\n!！]\s*|，|,\s")
_CHOOSING = re.compile(
    r"\b(?:answer|option|choice|choose|select|pick|correct|right|it's|it is|it must be)\b|选|答|正确|对"
    r"|\b(?:so|thus|hence|therefore)\s*,?\s*(?:\\\(|[$*(])*[A-J](?:\\\)|[$*)])*\s*(?:is\b|$)|^[^A-Za-z]*[A-J]不是",
    re.IGNORECASE,
)


def choice_in_prose(text: str) -> str | None:
    """Return the letter that the last piece of prose about a choice names, or None."""
    for piece in reversed(_PIECE_END.split(text)):
        letter = choice_letter(piece)
        if letter is not None and (_CHOOSING.search(piece) or letters_of(piece) is not None):
            return letter
    return None
