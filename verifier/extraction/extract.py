r"""Find the final answer that a solution states.

Only what stands after the last tool output counts, and outside of code. In this order: the last
``\boxed{…}`` (boxes joined by "and", a comma or nothing are one list), the last ``<answer>…</answer>``, an answer
phrase (``【答案】``, ``#### 5``, "the answer is …", 答案是), then, marked as weak, bold text, the last formula, the
last number. Every search runs once over the text, so time grows with its length only. It does not interpret the
answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from verifier.extraction.boxes import boxed_answer
from verifier.extraction.choices import choice_in_prose, choice_letter
from verifier.extraction.prose import is_bare
from verifier.parsing.markup import MATH, strip_markup, unwrap
from verifier.parsing.notation import chinese_words, has_chinese
from verifier.parsing.plain_numbers import read_number

if TYPE_CHECKING:
    from sandbox.solution import Solution

Hint = Literal["any", "choice"]

MAX_TEXT = 2_000_000
MAX_PROSE = (
    20_000  # characters before the end in which an answer is looked for once no box or phrase holds it
)
MAX_HEDGE = 40  # characters between two numbers, at most, for "or" to stand between them
MAX_WEAK = 800  # characters before the end in which bold text, a formula or a number can be the answer


class Extraction(NamedTuple):
    """An answer as the solution states it, and where it was found."""

    answer: str
    source: str


def extract_answer(text: str | Solution) -> str | None:
    r"""Return the final answer that ``text`` states, or None.

    Args:
        text: a solution (text with code and output in Markdown fences or MathCoder tokens), a ``Solution``,
            or a bare answer.
    """
    found = extract(text)
    return found.answer if found else None


def extract(text: str | Solution, hint: Hint = "any") -> Extraction | None:
    """As ``extract_answer``, with the place it was found; ``hint`` says that a choice letter is wanted."""
    final = final_text(text[-MAX_TEXT:]) if isinstance(text, str) else text.final_text
    boxed = boxed_answer(final)
    stated = Extraction(boxed, "boxed") if boxed is not None else _tagged(final, hint) or _marked(final, hint)
    if stated is not None:
        return stated
    if hint == "choice":
        letter = choice_in_prose(final[-MAX_PROSE:])
        return Extraction(letter, "choice letter") if letter is not None else _bare(final)
    return _bare(final) or _weak(final)


# --- the part of a text that can hold the final answer

_OUTPUT_FENCE = "```output"
_EXECUTION = "<|execution|>"
_END_OF_BLOCK = "<|endofblock|>"
_END_TOKENS = re.compile(r"<\|endofmessage\|>|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|</s>|<eoa>")
_TOKEN = re.compile(r"<(?:[|/]|eoa>)")
_TURN = re.compile(r"<\|im_start\|>|<\|user\|>|<\|start_header_id\|>")


def final_text(text: str) -> str:
    """Return what ``text`` says after its last tool output, without code."""
    # One character is found much faster than a word, and a search that ends in nothing reads all of the text.
    if "<" not in text or _TOKEN.search(text) is None:
        return _without_code(text[_end_of_fenced_output(text) :]) if "`" in text else text
    if "</think>" in text and (after := text[text.rfind("</think>") + 8 :]).strip():
        text = after
    text = _without_code(text[_end_of_output(text) :])
    for pattern in (_TURN, _END_TOKENS):
        match = pattern.search(text)
        if match and text[: match.start()].strip():
            text = text[: match.start()]
    return text.replace(_END_OF_BLOCK, "\n").replace("<|text|>", "")


def _end_of_fenced_output(text: str) -> int:
    """Return where the last tool output in a Markdown fence ends, 0 if there is none."""
    output = text.rfind(_OUTPUT_FENCE)
    if output < 0:
        return 0
    closing = text.find("\n```", output + len(_OUTPUT_FENCE))
    return closing + 4 if closing >= 0 else len(text)


def _end_of_output(text: str) -> int:
    """Return where the last tool output ends, 0 if there is none."""
    start = _end_of_fenced_output(text)
    if _EXECUTION in text and (execution := text.rfind(_EXECUTION)) >= start:
        closing = text.find(_END_OF_BLOCK, execution)
        start = closing + len(_END_OF_BLOCK) if closing >= 0 else len(text)
    return start


def _without_code(text: str) -> str:
    if "<" in text and "<|code|>" in text:
        text = "".join(
            part.split(_END_OF_BLOCK, 1)[-1] if i else part for i, part in enumerate(text.split("<|code|>"))
        )
    if "`" not in text:
        return text
    parts = text.split("```")
    return "".join(part for i, part in enumerate(parts) if i % 2 == 0 or not _is_code(part))


def _is_code(fenced: str) -> bool:
    return "\\boxed" not in fenced or fenced.startswith(("python", "py\n", "sympy"))


# --- answers between tags


def _tagged(text: str, hint: Hint) -> Extraction | None:
    """Return what stands between the last ``<answer>`` and its ``</answer>``."""
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    content = text[start + len("<answer>") : end].strip()[:MAX_PROSE] if start >= 0 else ""
    if not content:
        return None
    stated = _marked(content, hint)
    return Extraction(stated.answer if stated else _from_segment(content, hint) or content, "answer tag")


# --- answer phrases

# The first character stands alone, so that the search goes from one such character to the next; the rest looks back
# at it. Only where a phrase ends is used, so words that may precede it (所以, 最终) are left out.
_MARK = re.compile(
    r"[【#答故所AaFfRrОо](?i:(?<=【)答案】\s*[:：]?"
    r"|(?<=#)###(?!#)"
    r"|(?<=答)案(?:应该|应当)?\s*(?:是|为|[:：]|选)+"
    r"|(?<=故)选\s*[:：]?|(?<=所)以选(?:项)?\s*[:：]?"
    r"|(?<=\bf)inal\s+answer(?:\s+is)?\b[\s*_:：]{0,4}(?:\bthe\s+final\s+answer\s+is\b)?\s*[:：]?"
    r"|(?<=\ba)nswer\b(?:\s+(?:should\s+be|must\s+be|will\s+be|would\s+be|to\s+\w+(?:\s+\w+){0,3}\s+is"
    r"|(?:is|are)(?:\s+for\s+sure|\s+therefore|\s+definitely)?)\b|\s*[:：=])\s*[:：]?|(?<=[#*] a)nswer[*:]*[ \t]*\n"
    r"|(?<=[#*]a)nswer[*:]*[ \t]*\n"
    r"|(?<=\br)(?:[ée]ponse\s+est|espuesta\s+es)\b|(?<=\ba)ntwort\s+ist\b|(?<=\bо)твет\s*:)"
)
# Each phrase has one of these in small letters; they are looked for first, since a word is found faster than a pattern.
_MARK_WORDS = ("nswer", "inal", "###", "案", "选", "ponse", "puesta", "ntwort", "твет")
_ASCII_MARK_WORDS = tuple(word for word in _MARK_WORDS if word.isascii())
_MARK_LEAD = 3  # characters of a phrase before its word, at most
_SEGMENT_END = re.compile(r"<eoa>|<eoe>|\n\s*\n|I hope it is correct|$")


def _first_mark(text: str, start: int) -> int:
    """Return a place at or before the first answer phrase from ``start`` on; the end of ``text`` if there is none."""
    tail = text[start:].lower()
    words = _ASCII_MARK_WORDS if tail.isascii() else _MARK_WORDS
    places = [place for word in words if (place := tail.find(word)) >= 0]
    if not places:
        return len(text)
    same_places = len(tail) == len(text) - start  # a few capital letters become two small ones
    return start + max(0, min(places) - _MARK_LEAD) if same_places else start


def _last_mark(text: str) -> re.Match[str] | None:
    """Return the last answer phrase that something follows; most stand near the end, so that is searched first."""
    for size in (300, 3000, len(text)):
        last: re.Match[str] | None = None
        for match in _MARK.finditer(text, _first_mark(text, max(0, len(text) - size))):
            if text[match.end() : match.end() + 200].strip(" *:：\n.$`_-=<|>") != "":
                last = match
        if last is not None or size >= len(text):
            return last
    return None


def _marked(text: str, hint: Hint) -> Extraction | None:
    last = _last_mark(text)
    if last is None:
        return None
    begin = last.end()
    while begin < len(text) and text[begin] in " \t\n*:：`":
        begin += 1
    end_match = _SEGMENT_END.search(text, begin)
    segment = text[begin : end_match.start() if end_match else len(text)].replace("`", "").strip()[:MAX_PROSE]
    answer = _from_segment(segment, hint)
    if answer is None:
        return None
    return Extraction(answer, "answer phrase")


def _from_segment(segment: str, hint: Hint) -> str | None:
    """Return the answer within the words that follow an answer phrase."""
    if hint == "choice":
        letter = choice_letter(segment)
        if letter is not None:
            return letter
    elif "$" not in segment and read_number(segment) is not None:
        return segment.removesuffix(".")
    segment = strip_markup(segment)
    first_line = segment.split("\n", 1)[0].strip()
    for part in (first_line, segment):
        candidate = _without_reason(_sentence(part))
        if candidate and is_bare(candidate):
            return strip_markup(candidate)
    sentence = _without_reason(_sentence(segment if len(first_line) < 3 else first_line))
    leading = MATH.match(sentence)
    if leading and not _GOES_ON.match(sentence, leading.end()):
        return unwrap(leading[0])
    tail = _COPULA.split(sentence)[-1].strip()
    if tail and tail != sentence and is_bare(tail):
        return strip_markup(tail)
    formulas = [m[0] for m in MATH.finditer(sentence)]
    numbers = list(_NUMBER.finditer(tail))
    if formulas and not (numbers and not MATH.search(tail)):
        return unwrap(formulas[-1])
    if numbers and (number := _stated_number(tail, numbers)) is not None:
        return number
    fraction = chinese_words(sentence)
    if fraction != sentence and (found := _FRACTION.search(fraction)):
        return found[0]
    if len(sentence) > 80 or sentence.endswith((":", "：")):
        return None
    return strip_markup(sentence)


def _stated_number(text: str, numbers: list[re.Match[str]]) -> str | None:
    """Return the number that a text states: its first where it begins with it, else its last; None for a hedge."""
    first, last = numbers[0], numbers[-1]
    if _HEDGE.search(text, first.end(), last.start()):
        return None
    leads = first.start() == 0 and _CALCULATES.match(text, first.end()) is None
    return _clean_number((first if leads else last)[0])


_HEDGE = re.compile(r"\b(?:or|maybe|perhaps)\b|或")
_CALCULATES = re.compile(r"\s*(?:[-+*/^=×÷<>]|\\[a-z]|and\b)")
_REASON = re.compile(
    r"\b(?:because|since|rather\s+than|instead\s+of|which|when|whenever|where|if|but|not|for)\b"
    r"|(?<=\s)\((?!or\b|p?mod\b)(?=[A-Za-z]{2})"
)


def _without_reason(sentence: str) -> str:
    """Leave out why, when or instead of what an answer holds, where an answer stands before that."""
    match = _REASON.search(sentence)
    if match is None:
        return sentence
    head = sentence[: match.start()].rstrip(" ,;:").removesuffix(" and").rstrip(" ,;:")
    complete = (
        _DIGIT_OR_FORMULA.search(head) and head.count("$") % 2 == 0 and head.count("(") == head.count(")")
    )
    return head if complete and is_bare(head) else sentence


_DIGIT_OR_FORMULA = re.compile(r"[\d$\\]")
_GOES_ON = re.compile(r"\s*(?:=|\bis\b|\bare\b|是|为)")
_FRACTION = re.compile(r"\\frac\{\d+\}\{\d+\}")
_COPULA = re.compile(r"\b(?:is|are|equals|est|ist|es)\b|是|为|等于|得到|=")
_SENTENCE_END = re.compile(
    r"(?:(?<![0-9A-Z])[.!?]|(?<=[0-9$)\]}A-Z])\.)(?=\s(?!(?:or|and)\b)|$)|。|！|；"  # "A. or B." goes on
)


def _sentence(text: str) -> str:
    match = _SENTENCE_END.search(text)
    return text[: match.start()].strip() if match else text.strip()


# --- bare answers

_SPACED_POINT = re.compile(r"(?<=\d)\.\s+(?=\d+\.?$)")
_FULL_STOP = re.compile(r"\.\s")


def _bare(text: str) -> Extraction | None:
    stripped = text.strip()
    if len(stripped) > MAX_PROSE:
        return Extraction(stripped, "bare") if not stripped[:2000].strip("0123456789") else None
    if read_number(stripped.strip("$")) is not None:  # a dollar sign on one side only is a currency
        return Extraction(stripped.strip("$") if stripped[0] == stripped[-1] else stripped, "bare")
    if not stripped or "\\boxed" in stripped or stripped.count("\n") > 8 or not is_bare(stripped):
        return None
    if _FULL_STOP.search(_SPACED_POINT.sub(".", MATH.sub(" ", stripped))):
        return None
    if stripped.replace("\\$", "").count("$") % 2 or (
        "\n" in stripped and "\\" not in stripped and "$" not in stripped
    ):
        return None
    return Extraction(strip_markup(stripped), "bare")


# --- weak places: bold text, the last formula, the last number

_LAST_FRACTION = re.compile(r"\\frac\{\d+\}\{\d+\}(?!.*\d)", re.DOTALL)
_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.\\])-?(?:\$\s*)?(?:\d{1,3}(?:[,，]\d{3})+(?![\d])|\d+)(?:[.,]\d+)?"
    r"(?:\s*/\s*\d+)?(?:\s*(?:\\?%|％))?(?![A-Za-z]*\d)"
)


def _clean_number(text: str) -> str:
    return text.replace("$", "").replace(" ", "").replace("，", ",")


def _weak(text: str) -> Extraction | None:
    tail = text.rstrip()[-MAX_WEAK:]
    bold = [m for m in _BOLD.finditer(tail) if _NUMBER.search(m[1])] if "**" in tail else []
    formulas = list(MATH.finditer(tail))
    last = _last_number(tail)
    words = chinese_words(tail[-400:]) if has_chinese(tail[-400:]) else ""
    fraction = _LAST_FRACTION.search(words) if "分之" in tail[-400:] else None
    if fraction:
        return Extraction(fraction[0], "last number")
    if bold and (last is None or bold[-1].end() >= last.start()):
        number = _NUMBER.findall(bold[-1][1])
        return Extraction(_clean_number(number[-1]), "bold text")
    stated = last is not None and _WORDS.search(_line(tail, last.start())) is not None
    if (
        last is not None and not stated
    ):  # alone on its line it is a list marker or a table entry, not a statement
        formulas = [f for f in formulas if f.end() >= last.start() and f["b"] is None and f["c"] is None]
    if formulas and (last is None or not stated or formulas[-1].end() >= last.start()):
        return Extraction(unwrap(formulas[-1][0]), "last formula")
    if last is not None and stated:
        return Extraction(_clean_number(last[0]), "last number")
    return None


def _last_number(text: str) -> re.Match[str] | None:
    """Return the last number in ``text``; most stand near the end, so that is searched first."""
    for begin in (max(0, len(text) - 80), 0):
        found = list(_NUMBER.finditer(text, begin))
        if found and (begin == 0 or found[-1].start() > begin + 4):  # else it may be the end of one: ,000
            return None if _is_doubted(text, found) else found[-1]
    return None


_DENIED = re.compile(r"(?:\bnot|n't|\bnever|不是|不等于|不为)\s*(?:[a-z]+\s+)?[$(]*$")


def _is_doubted(text: str, numbers: list[re.Match[str]]) -> bool:
    """Whether the last number is denied, or one of two between which the text does not decide."""
    last = numbers[-1]
    if _DENIED.search(text, max(0, last.start() - 24), last.start()):
        return True
    if len(numbers) < 2:
        return False
    between = text[numbers[-2].end() : last.start()]
    return len(between) < MAX_HEDGE and not _SENTENCE_END.search(between) and bool(_HEDGE.search(between))


_WORDS = re.compile("[^\\W\\d_]{2}|[\u3400-\u9fff]")


def _line(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else len(text)]
