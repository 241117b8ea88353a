"""Where a text says "the answer is", in English, Chinese and the languages that models also answer in."""

from __future__ import annotations

import re

from verifier.patterns import pattern

# The first character stands alone, so that the search goes from one such character to the next; the rest looks back
# at it. Only where a phrase ends is used, so words that may precede it (所以, 最终) are left out.
_ENGLISH_AND_CHINESE = (
    r"[【#答故所AaFf](?i:(?<=【)答案】\s*[:：]?"
    r"|(?<=#)###(?!#)"
    r"|(?<=答)案(?:应该|应当)?\s*(?:是|为|[:：]|选)+|(?<=答)\s*[:：]"
    r"|(?<=故)选\s*[:：]?|(?<=所)以选(?:项)?\s*[:：]?"
    r"|(?<=\bf)inal\s+answer(?:\s+is)?\b[\s*_:：\]]{0,4}(?:\bthe\s+final\s+answer\s+is\b)?\s*[:：]?"
    r"|(?<![a-z]a)nswers?(?![a-z])(?:\s+(?:should\s+be|must\s+be|will\s+be|would\s+be|(?:to|for|of)\s+[^.:\n]{1,40}?(?:\s+is\b|(?=[:：]))"
    r"|(?:is|are)(?:\s+for\s+sure|\s+therefore|\s+definitely)?)\b|[*_]{0,3}\s*[:：=])\s*[:：]?"
    r"|(?<=[#*] a)nswer[*:]*[ \t]*\n"
    r"|(?<=[#*]a)nswer[*:]*[ \t]*\n"
    r"|(?<=\ba)ns(?:\s*[:：=]|\.\s*[:：]?(?=\s)))"
)
# Word for "answer" in other languages, and what may stand between it and the answer.
_WORDS = (
    r"r[ée]ponse|respuesta|resposta|risposta|antwort|antwoord|ответ|відповідь|odpowiedź|odpověď|svar|vastaus|cevap|yanıt|jawaban"
    r"|đáp\s+(?:án|số)|απάντηση|答え|解答|答案|정답|답|คำตอบ|उत्तर|الإجابة|الجواب|התשובה|תשובה"
)
_LINKS = (
    r"(?:\s+(?:finale?|correcta|correcte|corretta|correta|final|richtige))?[*_]*\s*"
    r"(?:(?:est|es|è|é|ist|lautet|is|равен|равно|är|er|jest|je|là|adalah|on|είναι|は|은|는|คือ|है|هي|هو|היא)(?:\s+donc|\s+also)?(?!\w)\s*[:：]?"
    r"|(?:は|은|는)\s*[:：]?|[:：=—])"
)
# "3,5" after "Antwort:"; "3,500" and "1,2,3" are left alone.
_DECIMAL_COMMA = pattern(r"(?<![\d,.])(\d+),(\d{1,2})(?![\d,])")
# 1.250 Euro, 12.500 €; 1.25 Euro is left alone.
_POINTED_MONEY = pattern(
    r"(?<![\d.,])\d{1,3}(?:\.\d{3})+(?=\s?(?:€|Euros?|euros?|pesos|reais|Dollar|dólares|руб))"
)
# Words of languages with a decimal comma that are no English ones: "Der Zug braucht also 2,5 Stunden".
_COMMA_WORDS = pattern(
    r"\b(?:der|das|ist|sind|und|beträgt|braucht|also\s+\d|les|est|donc|obtient|et|los|las|por|tanto|del|è|sono|della|quindi"
    r"|portanto|een|het|dus|är|och|jest|więc)\b|[а-яё]{2}",
    re.IGNORECASE,
)
_MARK = pattern(_ENGLISH_AND_CHINESE)
_MARK_ANYWHERE = pattern(rf"{_ENGLISH_AND_CHINESE}|(?<!\w)(?i:{_WORDS}){_LINKS}")
_COMMA_LANGUAGE = pattern(
    r"(?:r[ée]ponse|respuesta|resposta|risposta|antwo|ответ|відповідь|odpov|svar|vastaus|cevap|yanıt|jawaban|đáp)",
    re.IGNORECASE,
)
# A line that begins with one of these and a colon names its answer as the word does: "Result: 5", "Conclusion = 5".
_HEADING = pattern(
    r"(?:^|\n)[ \t]*[#*_>\- ]*(?:final\s+)?(?:final|result|output|conclusion|solution|total|结果|结论)[*_]*\s*[:：=]"
    r"(?=[^\n]*\Z)",
    re.IGNORECASE,
)
# Each phrase has one of these in small letters; they are looked for first, since a word is found faster than a pattern.
_USUAL_WORDS = ("nswer", "inal", "###", "ans:", "ans.", "ans =", "ans=", "案", "选", "答")
_OTHER_WORDS = (
    "ponse", "puesta", "posta", "ntwo", "svar", "vastaus", "cevap", "jawaban", "твет", "відповідь", "odpow", "odpov",
    "yanıt", "đáp", "απάντηση", "답", "答え", "คำตอบ", "उत्तर", "الإجابة", "الجواب", "תשובה",
)  # fmt: skip
_LEAD = 4  # characters of a phrase before its word, at most
_EMPTY = " *:：\n.$`_-=<|>"


def last_phrase(text: str) -> re.Match[str] | None:
    """Return the last answer phrase that something follows; most stand near the end, so that is searched first."""
    for size in (300, 3000, len(text)):
        last: re.Match[str] | None = None
        place, pattern = _first_place(text, max(0, len(text) - size))
        for match in pattern.finditer(text, place):
            if text[match.end() : match.end() + 200].strip(_EMPTY) != "":
                last = match
        if last is not None or size >= len(text):
            return last
    return None


def with_decimal_points(segment: str, mark: str = "") -> str:
    """Return a sentence, or what follows the phrase ``mark``, with ``3,5`` written ``3.5`` where its language does so.

    ``1.250 Euro`` is 1250 there; ``1.250`` without a currency is left alone.
    """
    if not ("," in segment or "." in segment) or not (
        _COMMA_LANGUAGE.match(mark) or _COMMA_WORDS.search(segment)
    ):
        return segment
    return _DECIMAL_COMMA.sub(r"\1.\2", _POINTED_MONEY.sub(lambda m: m[0].replace(".", ""), segment))


def last_heading(text: str) -> re.Match[str] | None:
    """Return the name that the last line of ``text`` gives to its value, such as "Result:"."""
    line = text.rstrip()
    begin = max(0, line.rfind("\n"))
    return _HEADING.match(line, begin)


def _first_place(text: str, start: int) -> tuple[int, re.Pattern[str]]:
    """Return a place at or before the first answer phrase from ``start`` on, and the pattern to look for from there.

    The place is the end of ``text`` where there is none.
    """
    tail = text[start:].lower()
    usual = [place for word in _USUAL_WORDS if (place := tail.find(word)) >= 0]
    other = [place for word in _OTHER_WORDS if (place := tail.find(word)) >= 0]
    pattern = _MARK_ANYWHERE if other else _MARK
    if not usual and not other:
        return len(text), pattern
    same_places = len(tail) == len(text) - start  # a few capital letters become two small ones
    return (start + max(0, min(usual + other) - _LEAD) if same_places else start), pattern
