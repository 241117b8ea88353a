"""Cut a text into its sentences, and read its last line where that is nothing but an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.extraction.prose import is_bare
from verifier.extraction.statement import marked_currency, without_emphasis
from verifier.extraction.values import values_in
from verifier.parsing.markup import MATH, strip_markup
from verifier.parsing.plain_numbers import read_number
from verifier.patterns import pattern

MAX_LINE = 400

# "A. or B.", "Rs. 7", "i.e. 7", "Mrs. Smith" and "approx. 5" go on. The mark stands first in the pattern, so that the
# search goes from one mark to the next; the rest looks back at it.
_SENTENCE_END = pattern(
    r"[.!?。！？；](?:(?<=[。！？；])|(?=\s(?!(?:or|and)\b)|$)(?:(?<![0-9A-Z].)(?<!\bRs.)(?<!\bNo.)(?<!\bi\.e.)(?<!\be\.g.)(?<!\bMr.)"
    r"(?<!\bMrs.)(?<!\bMs.)(?<!\bDr.)(?<!\bvs.)(?<!approx.)|(?<=[0-9$)\]}A-Z]\.)|(?<=[0-9]\?)))"
)


def sentence_of(text: str) -> str:
    """Return the first sentence of ``text``."""
    match = _SENTENCE_END.search(text)
    return text[: match.start()].strip() if match else text.strip()


def beginning_of_sentence(text: str, place: int) -> str:
    """Return what stands before ``place`` in its sentence, of the last characters before it."""
    before = text[max(0, place - MAX_LINE) : place]
    before = before[before.rfind("\n") + 1 :]
    ends = [match.end() for match in _SENTENCE_END.finditer(before)]
    return before[ends[-1] :] if ends else before


def sentences_from_the_end(text: str) -> Iterator[str]:
    """Yield the sentences of ``text`` from the last on; a question keeps its mark, and a blank line ends one."""
    end = len(text)
    cuts = sorted(
        {*(m.end() for m in _SENTENCE_END.finditer(text)), *(m.end() for m in _BREAK.finditer(text))}
    )
    for cut in reversed(cuts):
        if cut < end and (sentence := text[cut:end].strip()):
            yield _closed(sentence)
        end = min(end, cut)
    if sentence := text[:end].strip():
        yield _closed(sentence)


_BREAK = pattern(r"\n(?=\s*(?:\n|[-*#>]|\d+[.)]\s)|[^\n]*$)")


# "1. 5", "- 5", "> 5"; "1.5" and "-5" are left alone.
_BULLET = pattern(r"\s*(?:\d+[.)](?=\s|$)|[-*•>](?=\s))\s*")


def _closed(sentence: str) -> str:
    """Return a sentence without the bullet or number that begins it and the full stop that ends it."""
    if bullet := _BULLET.match(sentence):
        sentence = sentence[bullet.end() :]
    return sentence.rstrip("。！；").removesuffix(".") if not sentence.endswith("..") else sentence


# "- 5", "∴ x = 5", "So, 5"; "-5" and "Some 5" are left alone.
_LEAD = pattern(
    r"(?:[-*>•]\s+|\d+[.)]\s+)?(?:\\(?:therefore|implies|Rightarrow|quad)\s*|[∴⇒→=]+>?\s*|(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore|所以|因此)[,，:：]?\s*)?"
)
# "1. Add" at the start of a line; "1.5" is left alone.
_NUMBERED = pattern(r"^\s*\d+[.)]\s", re.MULTILINE)
# "2." alone on a line; "2.5" is left alone.
_MARKER = pattern(r"\d+[.)]")


def last_line(text: str) -> str | None:
    """Return the answer that the last line of ``text`` is, or None where it is a sentence, a marker or a row."""
    body = text.rstrip()
    display = _last_display(body)
    line = display if display is not None else body[body.rfind("\n") + 1 :]
    if len(line) > MAX_LINE:
        return None
    if _MARKER.fullmatch(line.strip()) and _NUMBERED.search(body):
        return None
    line = marked_currency(without_emphasis(line)[0])
    line = line[_LEAD.match(line).end() :].strip()  # type: ignore[union-attr]
    if not line or line.startswith("|"):
        return None
    if MATH.fullmatch(line.rstrip(". ")):
        return strip_markup(line)
    if read_number(line) is not None:
        return line.removesuffix(".")
    values = values_in(line.rstrip(". "))
    if len(values) != 1 or values[0].start > 0 or values[0].end < len(line.rstrip(". ")):
        return None
    return values[0].text if is_bare(values[0].text) else None


# \begin{align*} x &= 3 \cdot 4 \\ &= 12 \end{align*} at the end of a text; cases and matrices are left alone.
_ROWS = pattern(
    r"\\begin\{(align|aligned|gather|gathered|eqnarray|split|equation)\*?\}(?P<rows>.{1,2000}?)\\end\{\1\*?\}[.\s]*(?:\$\$|\\\])?[.\s]*\Z",
    re.DOTALL,
)


def last_row(text: str) -> str | None:
    r"""Return what the computation in rows that ends ``text`` comes to: 12 of ``x &= 3 \cdot 4 \\ &= 12``.

    None where its last row does not go on from the one before it.
    """
    begin = text.rfind("\\begin{") if "\\end{" in text[-40:] else -1
    match = _ROWS.match(text, begin) if begin >= 0 else None
    if match is None:
        return None
    *before, row = match["rows"].strip().removesuffix("\\\\").split("\\\\")
    row = row.replace("&", "").strip()
    if before and not row.startswith("="):
        return None
    value = row.rpartition("=")[2].strip(" .,") if before else row.strip(" .,")
    return value or None


# "x = 5\]", "5$$."; "$5$" is left alone.
_DISPLAY_END = pattern(r"(?:\$\$|\\\])[.\s]*\Z")


def _last_display(body: str) -> str | None:
    """Return the formula on lines of its own that ends ``body``."""
    if _DISPLAY_END.search(body, max(0, len(body) - 8)) is None:
        return None
    last = None
    for match in MATH.finditer(body, max(0, len(body) - MAX_LINE)):
        last = match
    alone = (
        last is not None
        and body[last.end() :].strip(" .\n") == ""
        and body[body.rfind("\n", 0, last.start()) + 1 : last.start()].strip() == ""
    )
    return last[0] if last is not None and alone else None


# "(a) 5", "b) 7", "Part B: 7"; the numbers of steps are no names of parts
_PART = pattern(
    r"\s*[*_]*(?:\(([a-h])\)|([a-h])\)|[Pp]art\s+\(?([A-Ha-h1-9])\)?\s*[:.)])[*_:]*\s*(?P<said>\S.*)"
)
# "(1) 5", "2. 5", "- 5"; "1.5" is left alone.
_ITEM = pattern(r"\s*(?:\(?[1-9]\d?[.)]|[-*•])\s+(?P<said>\S.*)")


def parts_of(text: str, numbered: bool = False) -> list[str] | None:
    """Return what the last lines of ``text`` say of one part each; None where fewer than two lines name a part.

    With ``numbered``, bullets and numbers name parts as well: so they do right after an answer phrase.
    """
    said: list[str] = []
    for line in reversed(text[-MAX_LINE * 4 :].rstrip().split("\n")):
        match = _PART.fullmatch(line) or (_ITEM.fullmatch(line) if numbered else None)
        if match is None:
            if line.strip():
                break
            continue
        said.append(match["said"].strip())
    return said[::-1] if len(said) > 1 else None
