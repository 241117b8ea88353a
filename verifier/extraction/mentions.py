r"""Sentences that speak of a value and do not come to it: as their subject, their topic, or under a denial.

"7 fails", "x = 7 must be rejected", "For 7 the equation has no root", "It is not the case that x = 7", "Prove that
x = 7": the value is mentioned. A plain statement comes to it: "7 apples are left", "x = 7 is the only root", "The
maximum occurs at x = 7", "We find that x = 7".
"""

from __future__ import annotations

import re

from verifier.extraction.suppositions import is_led
from verifier.patterns import pattern

MAX_MATRIX = 120  # characters before a value in which the clause stands that it depends on

_CLOSED = r"(?:[)\]$}*]|\\[)\]])*"
# What is said of an answer: "is the only root", "will be needed"; "is an extraneous root", "will not do" are not.
_OF_AN_ANSWER = (
    r"(?:the|our|also\s+the|left|needed|required|possible|correct|right|valid|indeed"
    r"|an?\s+(?:valid\s+|real\s+)?(?:solution|root)\b|\d)"
)
_BE = r"(?:is|was|are|were)"
_MODAL = r"(?:must|should|will|would|can|could|may|might|shall|cannot|does|did|do|has|have|had)"
_PREDICATE = (
    rf"{_BE}\s+the\s+(?:answer|solution|value)\s+(?:to|of|for|in)\s+(?:an?|another|the\s+other)\b"
    rf"|{_BE}\b(?!\s+{_OF_AN_ANSWER})|{_MODAL}\b(?!\s+be\s+{_OF_AN_ANSWER})|(?:{_BE[3:-1]}|{_MODAL[3:-1]}|wo|ca)n['’]t\b"
    r"|never\b|turn(?:s|ed)\s+out\b|remains?\s+(?:to|un|open)\w*|for\s+(?:instance|example)\b"
    r"|(?:fails?|breaks?|clash(?:es)?|leads?|comes?|came|seems?|looks?|appears?)\b|(?!satisf)[a-z]+(?:[^s]s|ed)\s+(?:the|our|its|no|both"
    r"|about|right|wrong|off|like|too|good|fine|odd|strange|plausible|reasonable|promising|suspicious|nothing|nowhere)\b"
)
# "7 fails", "23 is ruled out", "23 keeps it even"; "7 apples are left", "23 is the answer" are left alone.
_SUBJECT = pattern(
    rf"{_CLOSED}\s+(?:{_PREDICATE}|(?:works?|gives?|keeps?|yields?|makes?|divides|satisf\w+)\b)"
)
# "x = 7 is a trap", "x = 7 leads nowhere"; "n = 31 works" is left alone.
_EQUATION_AS_SUBJECT = pattern(rf"{_CLOSED}\s+(?:{_PREDICATE}|(?:gives?|yields?|makes?)\b)")
_PREDICATE_BEFORE = pattern(
    r"(?:\b(?:is|are|was|were|be|equals?|gets?|gives?|(?:has|have|had)(?!\s+\w+(?:ed|wn|en)\b)|makes?"
    r"|becomes?|yields?|leaves?|totals?)\b|=|:)[^,;.]*\Z",
    re.IGNORECASE,
)
_ONLY = pattern(r"\bonly\s+[$(\\]*\Z")

# "For 7 the equation fails", "When x = 7, the fraction is undefined"; "In 7 days they finish" and "The maximum occurs
# at x = 7" are left alone.
_TOPIC = pattern(
    r"(?:\A|[,;:]\s+|\b(?:so|thus|but|and|since|because|then|hence|therefore)\s+)\W*(?:(?:only|except|even|just|also|now)\s+)?"
    r"(?:for|with|at|when|if|given|in\s+the\s+case|taking|trying|setting|letting|choosing|using|plugging\s+in)\s+"
    r"(?:the\s+(?:case|value)\s+|of\s+)?[$(\\]*\Z",
    re.IGNORECASE,
)
_CLAUSE_AFTER = pattern(rf"{_CLOSED},?\s+(?:the|an?|we|it|this|there|one|you|our|its|both|nothing|no|each)\b")
_CLAUSE_AFTER_EQUATION = pattern(rf"{_CLOSED},?\s+(?!(?:and|or|is|are)\b)[A-Za-z$\\]")

# "It is not the case that the answer equals 7", "There isn't enough to say it is 7", "Don't answer 7"; "It does not
# include the driver, so 7" and "The number of girls who are not there is 7" are left alone.
_DENIED = pattern(
    r"(?:\A|[;:—]\s*)\W*(?:(?:but|and|so|however|yet|still|unfortunately|honestly|also)\b,?\s+)*"
    r"(?:(?:it|this|that|there|I|we|you|one|they)(?:\s+\w+)?(?:n['’]t|['’]s\s+not|['’]m\s+not|\s+not|\s+never|not)\b"
    r"|(?:do\s+not|don['’]t|never)\s|I\s+(?:refuse|decline|hesitate|hate)\s)(?!\s*only\b)"
    r"(?:(?!,\s*(?:giving|leaving|which|and)\b|\b(?:so|but|hence|thus|therefore|because|since)\b|[;:—]).)*\Z",
    re.IGNORECASE | re.DOTALL,
)
# "Prove that x = 7", "There is no proof that it is 7"; "We find that x = 7" is left alone.
_COMPLEMENT = pattern(
    r"\b(?:that|if)\s+(?:(?:it|this)\s+(?:is|was|equals)\s+|(?:the|his|her|its|their)\s+(?:correct\s+|final\s+)?"
    r"(?:result|total|value|solution|sum|number|root)\s+(?:is|was|equals|must\s+be)\s+)?[$(\\]*\Z"
)
# "My classmate got 7.", "One student found 7."; "My friend has 7 apples" is left alone.
_SOMEBODY = pattern(
    r"(?:\A|[,;:]\s+)\W*(?:my|one|some|another|an?|every|other|several|many|most|the)\s+(?:\w+\s+)?"
    r"(?:student|pupil|classmate|friend|teacher|professor|colleague|solver|neighbou?r|tutor|calculator|computer|website"
    r"|author|chatbot|people)s?\s+(?:\w+ly\s+)?"
    r"(?:got|gets?|found|finds?|obtain(?:s|ed)?|shows?|showed|has|have|had|came\s+up\s+with|chose|picked|ended\s+up\s+with)"
    r"\s+[$(\\]*\Z",
    re.IGNORECASE,
)
_BARE_END = pattern(rf"{_CLOSED}\W*(?:\Z|,)")

# "All 12 attempts failed", "These 12 are"; "all of the 12" and "The answer 12" are left alone.
_GIVEN = pattern(
    r"(?:\A|[,;:]\s+|\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore|[Tt]hat)\s+)\W*(?:[Tt]he|[Aa]ll|[Tt]hese|[Tt]hose|[Ee]ach\s+of\s+the)\s+[$(\\]*\Z"
)
# "Add 12 to get the answer", "We still have to add 12"; "Tom needs to add 12 blocks" is left alone.
_OPERAND = pattern(
    r"(?:\A\W*|[,;:]\s*|\bwe\s+(?:\w+\s+){0,4}|\bthen\s+)(?:add|subtract|multiply|divide|take\s+away|replace|swap|change|switch)\b"
    r"(?:(?!\b(?:to\s+get|and\s+get|gives?|is|equals?|have|obtain)\b)[^=,;:])*\Z",
    re.IGNORECASE,
)
# "The first of them is 12", "For instance, 12"; "the smallest of them is 12" is left alone.
_ONE_OF_SEVERAL = pattern(
    r"(?:\A\W*|[,;:]\s*)(?:the\s+)?(?:one|first|second|third|some|two)\s+of\s+(?:them|these|those)\s+(?:is|are|was)\s+[$(\\]*\Z"
    r"|(?:\A\W*|[,;:]\s*)(?:for\s+(?:instance|example)|e\.g\.)[,\s$(\\]*\Z|\b(?:an?|another)\s+(?:\w+\s+)?example\s+is\s+[$(\\]*\Z",
    re.IGNORECASE,
)


def is_mentioned(sentence: str, start: int, end: int) -> bool:
    """Whether the value between ``start`` and ``end`` is what a sentence speaks of, not what it comes to."""
    begin = max(0, start - MAX_MATRIX)
    equation = "=" in sentence[start:end]
    if _TOPIC.search(sentence, begin, start):
        return (_CLAUSE_AFTER_EQUATION if equation else _CLAUSE_AFTER).match(sentence, end) is not None
    if any(words.search(sentence, begin, start) for words in (_GIVEN, _ONE_OF_SEVERAL)):
        return True
    if not equation and _OPERAND.search(sentence, begin, start):
        return True
    if _DENIED.match(sentence, 0, start) or (
        _SOMEBODY.search(sentence, begin, start) and _BARE_END.match(sentence, end)
    ):
        return True
    clause = _COMPLEMENT.search(sentence, begin, start)
    if clause and (equation or clause[0].count(" ") > 1) and not is_led(sentence[begin : clause.start()]):
        return True
    return _is_subject(sentence, start, end, equation)


def _is_subject(sentence: str, start: int, end: int, equation: bool) -> bool:
    if equation:
        return _EQUATION_AS_SUBJECT.match(sentence, end) is not None
    if _ONLY.search(sentence, 0, start):  # "only 23 works"
        return False
    return _SUBJECT.match(sentence, end) is not None and not _PREDICATE_BEFORE.search(sentence, 0, start)
