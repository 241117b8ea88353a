r"""Find the final answer that a solution states, and how strongly it states it.

Only what stands after thoughts and the last tool output counts, and outside of code. In this order:

- ``boxed``: the last ``\boxed{…}`` (boxes joined by "and", a comma, the name of a part or nothing are one list),
  else the last ``<answer>…</answer>``, GLM box or ``\answer{…}``;
- ``stated``: the field ``answer`` of an object in JSON, an answer phrase (``【答案】``, ``#### 5``, "the answer is …",
  答案是, ``Respuesta:``), the whole text where it is no sentence, the last line where it is nothing but an answer;
- ``weak``: what the last sentence that holds a value comes to.

Every search runs once over the text, so time grows with its length only. It does not interpret the answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from verifier.extraction.boxes import boxed_answer
from verifier.extraction.choices import choice_in_prose, choice_letter
from verifier.extraction.doubt import gives_up, knows_nothing, leaves_open
from verifier.extraction.fields import in_json, in_open_tag, tagged
from verifier.extraction.lines import (
    beginning_of_sentence,
    last_line,
    last_row,
    parts_of,
    sentence_of,
    sentences_from_the_end,
)
from verifier.extraction.mentions import is_mentioned
from verifier.extraction.phrases import last_heading, last_phrase, with_decimal_points
from verifier.extraction.prose import MAX_BARE, is_bare
from verifier.extraction.statement import (
    NOTHING,
    OPEN,
    SEVERAL,
    SUPPOSED,
    Stated,
    marked_currency,
    stated_in,
    without_emphasis,
)
from verifier.extraction.suppositions import (
    MAX_CLAUSE,
    is_counterfactual,
    is_led,
    is_operated_on,
    is_said_directly,
    is_supposed,
    is_withdrawn,
    retraction_in,
)
from verifier.extraction.turn import final_text
from verifier.extraction.values import values_in
from verifier.parsing.choices import letters_of
from verifier.parsing.markup import MATH, strip_markup, unwrap
from verifier.parsing.plain_numbers import read_number
from verifier.parsing.rewriting import END_MARKS
from verifier.patterns import pattern
from verifier.verdict import Strength

if TYPE_CHECKING:
    from sandbox.solution import Solution

Hint = Literal["any", "choice", "agreement"]

MAX_TEXT = 2_000_000
MAX_PROSE = (
    20_000  # characters before the end in which an answer is looked for once no box or phrase holds it
)
MAX_NUMBER = 24  # characters after an answer phrase that are looked at for a number alone
MAX_OFFER = 500  # characters before the end in which a question to the reader stands
MAX_IDLE = 5  # characters after an answer in which it is not taken back: "**."
MAX_END_MARK = 32  # characters that the mark at the end of a proof takes
MAX_WEAK = 800  # characters before the end in which a sentence can state the answer


class Extraction(NamedTuple):
    """What a solution states.

    Attributes:
        answer: the answer as it stands there, or None where there is none.
        source: where it was found, such as ``boxed``; without an answer, what prevents one, or "none".
        strength: how strongly it is stated; None without an answer.
        beside: other values of the sentence in prose that it was read from.
    """

    answer: str | None
    source: str
    strength: Strength | None = None
    beside: tuple[str, ...] = ()


ABSENT = Extraction(None, "none")


def extract_answer(text: str | Solution) -> str | None:
    r"""Return the final answer that ``text`` states, or None.

    Args:
        text: a solution (text with code and output in Markdown fences or MathCoder tokens), a ``Solution``,
            or a bare answer.
    """
    return extract(text).answer


def extract(text: str | Solution, hint: Hint = "any") -> Extraction:
    """Return the final answer, its place and its strength; ``hint`` says what is wanted, where that is known."""
    final = final_text(text[-MAX_TEXT:] if isinstance(text, str) else text.final_text)
    if not final.isascii():
        final = _PICTURES.sub("", final)
    if final[-MAX_END_MARK:].rstrip(" .)\n")[-1:] in ("D", "d") and (
        ended := _QED.search(final, max(0, len(final) - MAX_END_MARK))
    ):
        final = final[: ended.start()]
    if "~~" in final:
        final = _STRUCK.sub("", final)
    if "\\" in final[-MAX_END_MARK:] and (ended := _END_MARK.search(final, len(final) - MAX_END_MARK)):
        final = final[: ended.start()]
    boxed = boxed_answer(final)
    if boxed is not None:
        after = final[boxed.end :]
        if (
            hint == "choice" and letters_of(boxed.answer) is None
        ):  # a formula is boxed, the letter named after it
            named = _phrased(after, hint)
            if named is not None and named.answer is not None:
                return named
        if boxed.answer:
            return (
                _renewed(after, hint)
                or _contradicted(boxed.answer, after, hint)
                or Extraction(_as_letter(boxed.answer, hint), "boxed", "boxed")
            )
        final = after
    return _said(final, hint)


def _without_offer(text: str) -> str:
    """Return a text without the question to its reader that ends it."""
    if text.rstrip()[-1:] != "?":
        return text
    offer = _OFFER.search(text, max(0, len(text) - MAX_OFFER))
    return text[: offer.start()] if offer else text


def _said(text: str, hint: Hint) -> Extraction:
    """Return what a text without boxes states."""
    text = _without_offer(text)
    return (
        _in_fields(text, hint)
        or _phrased(text, hint)
        or (_agreed(text) if hint == "agreement" else None)
        or (
            _chosen(text)
            if hint == "choice"
            else _parted(text) or _on_last_row(text) or _bare(text) or _on_last_line(text) or _in_prose(text)
        )
    )


def _renewed(after: str, hint: Hint) -> Extraction | None:
    """Return what the text after an answer states in its place, where it takes that back; None where it stands."""
    end = retraction_in(after) if len(after) > MAX_IDLE or not after.isascii() else None
    if end is None:
        return None
    rest = after[end:]
    if rest.startswith(",") and "\n" not in rest and not _DIGIT_OR_FORMULA.search(rest):
        return Extraction(None, SUPPOSED.why)  # "this is incorrect, see below"
    found = _said(rest, hint)
    return found if found.answer is not None else Extraction(None, SUPPOSED.why)


# "the answer to part (a) is", "the answer would be": such a phrase may answer something else than the box does.
_BESIDE = pattern(r"\b(?:would|to|for|of)\b")


def _contradicted(boxed: str, after: str, hint: Hint) -> Extraction | None:
    r"""Return that no one answer is stated, where one integer is boxed and a phrase after it states another.

    ``\boxed{10}. The answer is 12.`` states two. ``\boxed{3}. The answer is 2.9`` may round, and
    ``\boxed{90}. The answer is 1.5 hours`` may convert: there the box stands.
    """
    first = _integer(boxed) if hint == "any" and len(after) > MAX_IDLE else None
    mark = last_phrase(after) if first is not None else None
    if mark is None or _BESIDE.search(mark[0]):
        return None
    phrased = _after_mark(after, mark, hint)
    second = _integer(phrased.answer) if phrased is not None and phrased.answer is not None else None
    return None if second is None or second == first else Extraction(None, SEVERAL.why)


def _integer(answer: str) -> int | None:
    number = read_number(answer)
    return number.top if number and number.bottom == 1 and not (number.percent or number.decimals) else None


def _in_fields(text: str, hint: Hint) -> Extraction | None:
    """Return what the last answer tag, command or field holds; None where there is none."""
    field = tagged(text)
    if field is not None:
        return _in_field(field, "answer tag", "boxed", hint) if field else Extraction(None, OPEN.why)
    for read, source in ((in_open_tag, "answer tag"), (in_json, "JSON")):
        field = read(text)
        if field is not None:
            return _in_field(field, source, "stated", hint)
    return None


def _chosen(text: str) -> Extraction:
    """Return the letter that prose chooses, else the whole text where it is no sentence."""
    letter = choice_in_prose(text[-MAX_PROSE:])
    if letter is not None:
        return Extraction(letter, "choice letter", "stated")
    bare = _bare(text) or ABSENT
    return bare._replace(answer=_as_letter(bare.answer, "choice")) if bare.answer else bare


# "Yes, it is", "**No**. It"; "No solution" and "Yes or no" are left alone.
_AGREES = pattern(r"(yes|no|true|false)\b(?=\s*(?:[,.;:!—–-]|because|since|\Z))", re.IGNORECASE)
# "the statement is not true", "the claim is false"; "if it is true" is left alone.
_JUDGES = pattern(
    r"(?:\A|\b(?:so|thus|hence|therefore|that),?\s)(?:the|this|that|his|her)\s+(?:\w+\s+)?(?:statement|claim|assertion|conjecture|conclusion|proposition)\s+"
    r"(?:is|must\s+be)\s+(?P<not>not\s+(?:always\s+|necessarily\s+)?)?(?P<said>true|false|correct|incorrect)\b",
    re.IGNORECASE,
)


def _agreed(text: str) -> Extraction | None:
    """Return the yes or no with which a sentence begins, or what it says of the statement, from the last one on."""
    for sentence in sentences_from_the_end(without_emphasis(text.rstrip()[-MAX_WEAK:])[0]):
        if leaves_open(sentence) or knows_nothing(sentence) or sentence.endswith("?"):
            return None
        if agreed := _AGREES.match(sentence):
            return Extraction(agreed[1], "prose", "weak")
        if judged := _JUDGES.search(sentence):
            said = judged["said"].lower() in ("true", "correct")
            return Extraction("yes" if said != (judged["not"] is not None) else "no", "prose", "weak")
    return None


# "The roots are:", "Final results:" above bullets; "We know:" is left alone.
_LISTS = pattern(
    r"(?:solutions?|roots|zeros|answers?|values|pairs|numbers)\b[^\n]{0,60}\b(?:is|are)\s*:\s*\Z"
    r"|(?:\A|\n)[\s*_#]*(?:final\s+)?(?:answers|results)[\s*_]*:[\s*_]*\Z",
    re.IGNORECASE,
)


_NAME = pattern(r"[*_$]*([A-Za-z](?:_\w|[₀-₉])?)[*_]*\s*=(?=[^=]*\Z)")  # **x** = 8


def _parted(text: str) -> Extraction | None:
    parts = parts_of(text)
    if parts is None and (items := parts_of(text, numbered=True)) is not None:
        above = text[: text.rfind(items[0])].rpartition("\n")[0].rstrip()
        names = [_NAME.match(item) for item in items]
        named = len({name[1] for name in names if name}) == len(items)
        parts = items if named or _LISTS.search(above) else None
    return None if parts is None else _of_parts(parts)


# "Would you like a chart?" at the end of a text; "Is it 5?" is left alone.
_OFFER = pattern(
    r"(?:\A|(?<=[.!\n]))\W*(?:would|do|want|shall|should|can|could|need|is\s+there\s+anything)\b[^?.!\d\n]{0,200}\b(?:you|me|I|else)\b"
    r"[^?.!\d\n]{0,200}\?\s*\Z",
    re.IGNORECASE,
)
# "so it is 7. $\blacksquare$"; "$7 \square$" is left to the parser.
_END_MARK = pattern(rf"(?:\$|\\\()\s*\\(?:{END_MARKS}|qedsymbol)\s*(?:\$|\\\))\s*\Z")
_QED = pattern(r"[\s,;.(]*Q\.?E\.?D\.?\)?\.?\s*\Z", re.IGNORECASE)  # "x = 5, QED"
_STRUCK = pattern(r"~~(?=\S)[^~\n]{1,200}(?<=\S)~~")  # ~~12~~ 15; 5~~cm is left alone
_PICTURES = pattern("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\ufe0f]")  # check marks, hands, stars
# "(c)", "c."; "cm" is left alone.
_SMALL_LETTER = pattern(r"\(?[a-e]\)?[.]?")


def _as_letter(answer: str, hint: Hint) -> str:
    """Return a choice written small, ``c`` or ``(c)``, as its capital where a choice is wanted."""
    return answer.strip("().").upper() if hint == "choice" and _SMALL_LETTER.fullmatch(answer) else answer


# --- fields and phrases


def _in_field(content: str, source: str, strength: Strength, hint: Hint) -> Extraction:
    phrased = _phrased(content, hint)
    if phrased is not None:
        return phrased._replace(source=source, strength=strength if phrased.answer else None)
    stated = _after_phrase(content, hint)
    if stated.answer is None and stated.why:
        return Extraction(None, stated.why)
    return Extraction(stated.answer or content, source, strength)


_ARROW = pattern(r"\A(?:[-=]+>|→|⇒)\s*")  # Final answer -> 5
# "5 I hope it is correct", a blank line; one line break is left alone.
_SEGMENT_END = pattern(r"<eoa>|<eoe>|\n\s*\n|I hope it is correct|$")


def _phrased(text: str, hint: Hint) -> Extraction | None:
    """Return what the last answer phrase, or the name of the last line, states; None where it states nothing."""
    mark = last_phrase(text) or last_heading(text)
    return None if mark is None else _after_mark(text, mark, hint)


def _after_mark(text: str, mark: re.Match[str], hint: Hint) -> Extraction | None:
    """Return what the answer phrase ``mark`` of ``text`` states; None where it states nothing."""
    before = beginning_of_sentence(text, mark.start())
    if before.strip(" *_#>-") not in _ARTICLES:
        if is_supposed(before, len(before)) or (mark[0].lower().startswith(_NAMES) and not is_led(before)):
            return None
        if leaves_open(before):
            return Extraction(None, OPEN.why)
        if is_counterfactual(f"{before[-MAX_CLAUSE:]}{mark[0]} {text[mark.end() : mark.end() + MAX_NUMBER]}"):
            return Extraction(None, SUPPOSED.why)
    after = text[mark.end() :]
    if hint == "any" and len(after) < MAX_NUMBER and (number := _number_alone(after)) is not None:
        return Extraction(number, "answer phrase", "stated")
    if (renewed := _renewed(after, hint)) is not None:
        return renewed
    said = _ARROW.sub("", without_emphasis(after)[0].lstrip(" \t\n*:：`_"))
    said = _QUESTION.sub("", said)
    introduced = _INTRODUCTION.match(said)
    said = said[introduced.end() :] if introduced else said
    formula = MATH.match(said)  # may hold blank lines
    end_match = _SEGMENT_END.search(said, formula.end() if formula else 0)
    segment = said[: end_match.start() if end_match else len(said)].replace("`", "").strip()[:MAX_PROSE]
    first = sentence_of(segment)
    directly = introduced is not None or _IS.search(mark[0]) is None or is_said_directly(first)
    if is_counterfactual(f"{mark[0]} {first}") or not directly:
        return Extraction(None, SUPPOSED.why)
    stated = _after_phrase(with_decimal_points(segment, mark[0]), hint)
    if stated.answer is not None:
        return Extraction(stated.answer, "answer phrase", "stated", stated.beside)
    asked = stated is OPEN and "question" in mark[0]  # the answer to the question: How many are left?
    return Extraction(None, stated.why) if stated.why and not asked else None


# What may stand before "answer" and supposes nothing; "Her answer" and 小明说答案 do not.
_ARTICLES = frozenset(["", "The", "the", "So", "Final", "final"])
_NAMES = ("answer", "final", "答")  # of an answer, before which only such words may stand as lead to one
# "the answer is"; "answer:", after which a sentence may stand, is left alone.
_IS = pattern(r"\bis\s*$")


def _number_alone(after: str) -> str | None:
    """Return the number that is all that follows an answer phrase; None for anything else."""
    number = after.strip(" \n*").removesuffix(".")
    return number if number and number[0] in "-0123456789" and read_number(number) is not None else None


_ASKED = pattern(r"\A[^.。\n]*(?:[?？]|吗[?？]?)\s*\Z")  # Answer: 5?
# "31 for even n and 32 for odd n"; "31 for n = 3, m = 5" is left alone.
_BY_CASE = pattern(
    r"\W*[\d\\](?:[^.]|\.(?=\d)){0,80}?\b(?:for|if|when)\b(?:[^.]|\.(?=\d)){0,80}?(?:(?:\band|\bor|\bbut|,|;)\s+\$?-?[\d\\](?:[^.]|\.(?=\d)){0,80}?"
    r"\b(?:for|if|when|otherwise)\b|\b(?:else|otherwise)\b(?!\}))"
)
_REJECTED = pattern(  # x=5 (rejected), x=7
    r"[^,;，；\n]{0,80}[(（]\s*(?:reject(?:ed)?|extraneous|invalid|discard(?:ed)?|not\s+valid|舍去?)\s*[)）]\s*[,;，；]?\s*"
)
# "(the answer) to the question 'How far?' is 5", "for the expression $3+4$ is 7"; "of 5" is left alone.
_QUESTION = pattern(r"\A(?:to|for|of)\b.{3,300}?[\s\"”)\]$]is:?\s+(?=(?:\\[(\[])?[$\s]*-?[\d\\])", re.DOTALL)
# "as follows: 5", "verified and is:", ": 5"; "5: 3" is left alone.
_INTRODUCTION = pattern(
    r"\A\W{0,3}(?:(?:as|follows|the|following|indeed|verified|confirmed|correct|remains|is|be|to|and|thus|therefore|given|by|still)"
    r"\b\s*)*[:：]\s*",
    re.IGNORECASE,
)
_EXCLAIMED = pattern(r"[$*]*(-?\d[\d.,/]*)[$*]*!+")  # "The answer is 7!", which may be a factorial
_INLINE_PARTS = pattern(r"[(（]1[)）][^。；;]{1,80}[；;]\s*[(（]2[)）][^。]{1,80}\Z")  # (1) 3；(2) 5
_PAIRS = (("\\begin{", "\\end{"), ("{", "}"), ("\\[", "\\]"))
# "verified and correct", "correct": what is said about an answer; "correct answers" and "corrected" are left alone.
_JUDGED = pattern(
    r"(?:(?:indeed|also|now|to\s+be|been|thus|therefore|fully|still)\s+)*(?:(?:verified|confirmed|checked|consistent|unchanged)\b[^\d$\\]*|(?:correct|right|accurate)\s*(?:as\s+well)?[.!]?)",
    re.IGNORECASE,
)
_POLITE_END = pattern(  # 12です, 12個です, 12입니다, 12개
    r"(?<=[\d)\]}$%])\s*(?:(?:個|人|円|本|枚|匹|回|つ|개|명|원|마리|번|권|시간)\s*(?:です|である|だ|입니다|이다|이에요|예요)?"
    r"|です|である|だ|입니다|이다|이에요|예요)[。.]?$"
)
# "5" in quotation marks; a text that goes on after them is left alone.
_QUOTED = pattern(r"""["“”'‘’「]([^"“”「」]{1,400}?)["“”'’」]\.?""")


def _after_phrase(segment: str, hint: Hint) -> Stated:
    """Return the answer within the words that follow an answer phrase."""
    first = sentence_of(segment)
    if (
        leaves_open(first)
        or knows_nothing(first)
        or _ASKED.search(segment)
        or segment.startswith(f"{first}?")
    ):
        return OPEN
    if is_withdrawn(first, 0) or is_operated_on(first):
        return SUPPOSED
    if _BY_CASE.match(first):
        return SEVERAL
    if hint == "choice":
        letter = choice_letter(segment)
        if letter is not None:
            return Stated(letter)
    elif "$" not in segment and read_number(segment) is not None:
        return Stated(segment.removesuffix("."))
    if exclaimed := _EXCLAIMED.fullmatch(segment):
        return Stated(exclaimed[1], beside=(f"{exclaimed[1]}!",))
    segment = _REJECTED.sub("", segment)
    parts = parts_of(segment, numbered=True)
    if parts is not None:
        found = _of_parts(parts)
        return Stated(found.answer, found.source if found.answer is None else "")
    segment = _POLITE_END.sub("", strip_markup(without_emphasis(segment)[0]))
    if quoted := _QUOTED.fullmatch(segment):
        segment = quoted[1].strip()
    if agreed := _AGREES.match(segment):
        return Stated(agreed[1])
    if _JUDGED.fullmatch(first):
        return NOTHING
    first_line = segment.split("\n", 1)[0].strip()
    if _INLINE_PARTS.match(first_line):
        return Stated(first_line)
    if any(first_line.count(a) != first_line.count(b) for a, b in _PAIRS):  # a formula of several lines
        first_line = segment
    for part in (first_line, segment):
        candidate = _without_reason(sentence_of(part))
        if candidate and is_bare(candidate):
            return Stated(_as_value(strip_markup(candidate)))
    sentence = _without_reason(sentence_of(segment if len(first_line) < 3 else first_line))
    leading = MATH.match(marked_currency(sentence))
    if (
        leading
        and not _GOES_ON.match(sentence, leading.end())
        and not _AND_ANOTHER.match(sentence, leading.end())
    ):
        return Stated(unwrap(leading[0]))
    stated = stated_in(sentence)
    if stated != NOTHING:
        return stated
    return (
        NOTHING
        if len(sentence) > 80 or sentence.endswith((":", "："))
        else Stated(strip_markup(sentence) or None)
    )


# "Perimeter: 24 cm", "**Total cost:** 5" where each part has such a name; "AB: 5" is left alone.
_PART_NAME = pattern(r"[*_]*[A-Z][a-z]{2,}(?: [A-Za-z]+){0,3}[*_]*:[*_]*\s+(?=[-\d$\\])")


def _of_parts(parts: list[str]) -> Extraction:
    """Return the answers of several parts as one list, where each part says no more than its own."""
    if all(label := [_PART_NAME.match(part) for part in parts]):
        parts = [part[m.end() :] for part, m in zip(parts, label, strict=True) if m]
    answers = [_after_phrase(part, "any").answer for part in parts]
    if None in answers:
        return Extraction(None, SEVERAL.why)
    return Extraction(", ".join(map(str, answers)), "parts", "stated")


def _as_value(answer: str) -> str:
    r"""Return an answer with its unit told from letters, ``3×10^8\text{ m/s}``, where it is one value."""
    values = values_in(answer) if not answer.isascii() or " " in answer else []
    whole = len(values) == 1 and values[0].start == 0 and values[0].end == len(answer)
    return values[0].text if whole and _TOLD.search(values[0].text) else answer


# Values in which a unit was told from letters: "5\text{ m}"; "5m" is left alone.
_TOLD = pattern(r"\\text|[€£¥₹]")
# "5 because", "5 (which is", "5; 6 would be wrong"; "5 (mod 7)" and "5; 6" are left alone.
_REASON = pattern(
    r"\b(?:because|since|rather\s+than|instead\s+of|which|when|whenever|where|if|but|not|for)\b"
    r"|;(?=[^;]*\b(?:is|are|was|would|cannot|can|does|must|will)\b)|(?<=\s)\((?!or\b|p?mod\b)(?=[A-Za-z]{2})"
)
# "5", "$x$"; "yes" is left alone.
_DIGIT_OR_FORMULA = pattern(r"[\d$\\]")
# "$x$ is 5", "$5$ or 6", "$x$ = 5"; "$5$ metres" is left alone.
_GOES_ON = pattern(r"\s*(?:[-+*/=<>]|\bis\b|\bare\b|\bor\b|\band\b|是|为|或|和|,\s*\$)")
# "$15$ boys and $9$ girls"; "$15$ boys and girls" is left alone.
_AND_ANOTHER = pattern(r"[^.;]{1,60}?\band\s+(?:\\[(\[]|\$|\d)")


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


# --- the whole text, and its last line

_SPACED_POINT = pattern(r"(?<=\d)\.\s+(?=\d+\.?$)")
_IN_BRACKETS = pattern(
    r"\[\s*(-?[\d.]+ [^\[\],\n]{1,60})\]"
)  # [45 degrees]; [45] and [3, 4] are read as they are
_ANYTHING = pattern(r"\w|\\[A-Za-z]")
_FULL_STOP = pattern(r"\.\s")
_SIGN = pattern(
    r"^(?:\\(?:therefore|implies|Rightarrow)\b|[∴⇒→]|(?:解?得|即|故|则|所以|因此|于是)[，,:：]?(?=\s*[-A-Za-z\d$\\(])|[-=]*>(?=\s)|=|[A-Za-z]:\s(?=[-\d$\\(]))\s*"
)  # = 5, ∴ x = 5, x: 5


_VALUE_FIRST = pattern(r"[$(\\]*(?:[a-zA-Z]\s*=\s*)?-?[\d.,/]+(?=\s[a-z])")  # x = 7 fails


def _bare(text: str) -> Extraction | None:
    stripped = text.strip()
    if len(stripped) > MAX_PROSE:
        return Extraction(stripped, "bare", "stated") if not stripped[:2000].strip("0123456789") else None
    if len(stripped) > MAX_BARE and " " in stripped[:MAX_BARE]:
        return None
    if read_number(stripped.strip("$")) is not None:  # a dollar sign on one side only is a currency
        answer = stripped.strip("$") if stripped[0] == stripped[-1] else stripped
        return Extraction(answer, "bare", "stated")
    stripped = _SIGN.sub("", without_emphasis(stripped)[0])
    subject = _VALUE_FIRST.match(stripped)
    alone = subject is not None and not _DIGIT_OR_FORMULA.search(stripped, subject.end())
    if subject is not None and alone and is_mentioned(stripped, 0, subject.end()):
        return Extraction(None, SUPPOSED.why)
    if stripped.endswith(("?", "？", "吗")) or (leaves_open(stripped) and re.search(r"\d", stripped)):
        return Extraction(None, OPEN.why)
    if (agreed := _AGREES.match(stripped)) and not re.search(r"\d", stripped) and "\n" not in stripped:
        return Extraction(agreed[1], "bare", "stated")
    if bracketed := _IN_BRACKETS.fullmatch(stripped):
        return Extraction(bracketed[1].strip(), "bare", "stated")
    if (
        not _ANYTHING.search(stripped)
        or knows_nothing(stripped)
        or "\\boxed" in stripped
        or stripped.count("\n") > 8
        or not is_bare(stripped)
    ):
        return None
    if _FULL_STOP.search(_SPACED_POINT.sub(".", MATH.sub(" ", stripped))):
        return None
    if stripped.replace("\\$", "").count("$") % 2 or (
        "\n" in stripped and "\\" not in stripped and "$" not in stripped
    ):
        return None
    return Extraction(strip_markup(stripped), "bare", "stated")


def _on_last_row(text: str) -> Extraction | None:
    answer = last_row(text[-MAX_PROSE:])
    return Extraction(answer, "last line", "stated") if answer is not None else None


def _on_last_line(text: str) -> Extraction | None:
    answer = last_line(text[-MAX_PROSE:])
    return Extraction(answer, "last line", "stated") if answer is not None else None


# --- prose

# "If you have 3 more questions, ask", and the row of a table
_ASIDE = pattern(r"\b(?:let\s+me\s+know|feel\s+free|if\s+you\s+(?:have|need|want))\b|^\s*\|", re.IGNORECASE)


# "P = 1/2.\n$$", where the full stop ends the sentence and the formula
_STOP_IN_DISPLAY = pattern(r"([.,;])(\s*(?:\$\$|\\\]))(?=\s)")


def _in_prose(text: str) -> Extraction:
    """Return what the last sentence that holds a value comes to."""
    text = _STOP_IN_DISPLAY.sub(r"\2\1", text.rstrip()[-MAX_WEAK:])
    for sentence in sentences_from_the_end(text):
        if gives_up(sentence):
            return ABSENT
        if _ASIDE.search(sentence):
            continue
        stated = stated_in(sentence)
        if stated.answer is not None and (answer := stated.answer.replace("$", "")):
            return Extraction(answer, "prose", "weak", stated.beside)
        if stated.why:
            return Extraction(None, stated.why)
        if retraction_in(sentence) is not None:
            return Extraction(None, SUPPOSED.why)
    return ABSENT
