r"""Notation that is rewritten before an answer is parsed, each into a form that the parser reads.

Each rule has beside it an input that it is for and one that it must leave alone. All are searches of a pattern whose
time grows with the length only; answers have single spaces by then.
"""

from __future__ import annotations

import re

from verifier.parsing.notation import TEXT_COMMAND
from verifier.parsing.number_words import PARTS
from verifier.patterns import pattern

# --- decoration: it changes how an answer looks, never what it says

# \color{red}{7}, \textcolor{blue}7; \colon is left alone.
_COLOR = pattern(r"\\(?:text)?color(?:box)? ?(?:\[[^\]]*\])? ?\{[^{}]*\} ?")
# 7\phantom{0}, \hspace{2mm}, \tag{1}; \tan{1} is left alone.
_INVISIBLE = pattern(r"\\(?:[hv]?phantom|[hv]space\*?|tag\*?|label|vskip|hskip|ref) ?\{[^{}]*\}")
# \large 7, \Huge{7}; \largest is left alone.
_SIZE = pattern(
    r"\\(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z]) ?"
)
# 7 \checkmark, 7 \square; \square + 3, where it is a thing, is left alone.
END_MARKS = "checkmark|square|blacksquare|Box|qed"
_END_MARK = pattern(rf"\\(?:{END_MARKS}|qedhere|bigstar)$|[✓✔∎□■]$")
# \; 42 \quad; the spaces in 1\ 1/2 and \\ are left alone.
_LEADING_SPACE = pattern(r"(?:\\(?:[,;:!> ]|q?quad(?![A-Za-z]))|~| )+")
_TRAILING_SPACES = (*(f"\\{sign}" for sign in ",;:!> "), "\\quad", "\\qquad", "~", " ")


def undecorated(text: str) -> str:
    """Take colours, sizes, invisible parts, end marks and outer spaces off."""
    if "\\" in text:
        for pattern in (_COLOR, _INVISIBLE, _SIZE):
            text = pattern.sub("", text)
    text = _without_outer_spaces(text)
    marked = _END_MARK.sub("", text)
    return _without_outer_spaces(marked) if marked != text and marked.strip() else text


def _without_outer_spaces(text: str) -> str:
    if match := _LEADING_SPACE.match(text):
        text = text[match.end() :]
    while text.endswith(_TRAILING_SPACES) and not text.endswith(("\\\\ ", "\\\\,")):
        text = (
            text[:-1].rstrip(" ")
            if text[-1] in " ~" and not text.endswith("\\ ")
            else text[: text.rindex("\\")]
        )
    return text


# --- spaces and digits

# 7\ 8 and 1\ 1/2; the \\ that ends a row is left alone.
_CONTROL_SPACE = pattern(r"(?<!\\)\\ ")
# 1'234'567; f'(3) and 30^\circ15' are left alone.
_APOSTROPHES = pattern(r"(?<![\d'])\d{1,3}(?:'\d{3})+(?![\d'])")
# 1.234.567 and 1.234.567,89 of languages with a decimal comma; 1.234 and 1.2.3 are left alone.
_POINTS = pattern(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.])(?:,(\d+)(?!\d))?")
# 1_000, 1_000_000 of programs; 204_5 and 101_{10} are in a base.
_UNDERSCORES = pattern(r"(?<![\w.])\d{1,3}(?:(?:_\d{3}){2,}|_0\d\d)(?!\w)")
# 3{:}45, 1{;}2; {-}5 is left alone.
_BRACED = pattern(r"\{([:;])\}")
# 0.(3), 0.1(6); 2(3) is left alone. That 2.5(4) may be a product is another reading.
_CYCLE_IN_BRACKETS = pattern(r"(?<![\d.])(\d+\.\d*)\((\d{1,12})\)(?!\d)")


# 12{,}50 and 12\,345{,}5 of languages with a decimal comma; 12{,}500 is left alone.
_BRACED_COMMA = pattern(r"(?<=\d)\{,\}(?=(?:\d{1,2}|\d{4,})(?!\d))")
# \mathrm{km\,h^{-1}}: what a unit holds; \mathrm{x^{2}} with letters of a product is read as before.
_UNIT_IN_BRACES = pattern(
    rf"(?<=[\d }},]){TEXT_COMMAND}\{{((?:[A-Za-z]|\\[,; ]|\\cdot(?![A-Za-z])|[ /~]|\^\{{?-?\d\}}?)+)\}}"
)

_BETWEEN_UNITS = pattern(r"\\(?:[,; ]|cdot)|~")


def _unit_written_out(match: re.Match[str]) -> str:
    inside = _BETWEEN_UNITS.sub(" ", match[1]).replace("{", "").replace("}", "")
    return rf"\text{{ {inside} }}"


# 4.7 k\Omega, 10\,\Omega; \Omega and x\Omega are left alone.
_OHM = pattern(rf"(?<=\d)(?:\\[,;: ]| )*(?:{TEXT_COMMAND}\{{ ?)?([kM]?) ?\\Omega ?\}}?$")


def spaces_written_out(text: str) -> str:
    """Write control spaces as spaces, and numbers grouped by apostrophes, points or underscores without them."""
    if text.rstrip(" }").endswith("\\Omega"):
        text = _OHM.sub(r"\\text{ \1ohm}", text)
    if "{,}" in text:
        text = _BRACED_COMMA.sub(".", text)
    if "^" in text and "\\" in text:
        text = _UNIT_IN_BRACES.sub(_unit_written_out, text)
    if "\\ " in text:
        text = _CONTROL_SPACE.sub(" ", text)
    if "'" in text:
        text = _APOSTROPHES.sub(lambda m: m[0].replace("'", ""), text)
    if "_" in text:
        text = _UNDERSCORES.sub(lambda m: m[0].replace("_", ""), text)
    if text.count(".") > 1:
        text = _POINTS.sub(lambda m: m[0].replace(".", "").replace(",", "."), text)
    return _BRACED.sub(r"\1", text) if "{:}" in text or "{;}" in text else text


def cycle_written_out(text: str) -> str:
    r"""Write ``0.(3)`` as ``0.\overline{3}``."""
    return _CYCLE_IN_BRACKETS.sub(r"\1\\overline{\2}", text) if "(" in text else text


# --- words between numbers

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_SAID = rf"(?: |~|\\[,; ])*(?:{TEXT_COMMAND}\{{)? *%s *\}}?(?: |~|\\[,; ])*"
# 5 out of 6, 1 in 6, 5\text{ out of }6; "5 out of 6 people" is left alone.
_OUT_OF = pattern(rf"{_NUMBER}{_SAID % '(?:out of|in)'}{_NUMBER}")
# 3 to 4, 3 \text{ to } 4; "3 to 4 hours" is left alone.
_TO = pattern(rf"{_NUMBER}{_SAID % 'to'}{_NUMBER}")
# 5 below zero, 5^\circ\text{ below zero}; "5 below" is left alone.
_BELOW_ZERO = pattern(rf"{_NUMBER}(.{{0,30}}?)(?: |\\[,; ])*(?:{TEXT_COMMAND}\{{)? *below zero *\}}?")


# 4 and a half; "4 and a half hours" is left alone.
_AND_A_PART = pattern(r"(\d+) and (?:a|an|one) (half|third|quarter)")


def words_written_out(text: str) -> str:
    """Write a number out of another, the ratio of two, and a number below zero as formulas."""
    if match := _OUT_OF.fullmatch(text):
        return rf"\frac{{{match[1]}}}{{{match[2]}}}"
    if match := _TO.fullmatch(text):
        return f"{match[1]}:{match[2]}"
    if match := _AND_A_PART.fullmatch(text):
        return f"{match[1]} 1/{PARTS[match[2]]}"
    if match := _BELOW_ZERO.fullmatch(text):
        return f"-{match[1]}{match[2]}"
    return text


# --- parts of one answer

# "(a) 3", "\text{(b)} 5", "(ii) x"; "(a)+" and "f(a) 3" are left alone.
_LABEL = pattern(
    rf"(?:^|(?<=[;, }}]))(?:{TEXT_COMMAND}\{{ ?)?\(([a-h]|[1-9]|i{{1,3}}|iv|v)\)(?= ?[^ +*/=^)])(?: ?\}})? ?"
)
_LABELS = ("abcdefgh", "123456789", ("i", "ii", "iii", "iv", "v"))
# What a part can say: "3", "x+1"; "+", "and" between two commas is left alone.
_SAYS = pattern(r"[-+]?[\w\\$(\[{].*[\w)\]}%$]|\w")


def parts_written_out(text: str) -> str:
    """Write ``(a) 3 (b) 5`` as the list ``3; 5``; ``(1)(2)`` and ``(a) + (b)`` are left alone."""
    found = list(_LABEL.finditer(text)) if "(" in text else []
    names = tuple(match[1] for match in found)
    if (
        len(found) < 2
        or found[0].start() > 0
        or not any(tuple(row[: len(names)]) == names for row in _LABELS)
    ):
        return text
    ends = [match.start() for match in found[1:]] + [len(text)]
    said = [
        _without_outer_spaces(text[match.end() : end]).strip(" ,;.")
        for match, end in zip(found, ends, strict=True)
    ]
    if not all(_SAYS.fullmatch(part) and part.count("{") == part.count("}") for part in said):
        return text
    return "; ".join(said)


# --- intervals and sets

# ]3,5[ and [3,5[ of French and German books; [1,2],[3,4] is left alone.
_OUTWARD = pattern(r"(\\?[\[\]])([^\[\]]+[,;][^\[\]]+)([\[\]])")
_SIZED = pattern(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z]) ?")
# [1 2; 3 4] of programs; [1; 2] and [1, 2] are left alone.
_ROWS = pattern(r"\[ ?[-\d./]+(?: [-\d./]+)+(?: ?; ?[-\d./]+(?: [-\d./]+)+)+ ?\]")
# all real numbers except 0; "all real numbers" is left alone.
_EXCEPT = pattern(
    rf"^(?:{TEXT_COMMAND}\{{)? *(?:x is )?all real(?: numbers|s)(?: x)? *,? *(?:except|other than|but)(?: for)?"
    r" *\}? *(?:x ?= ?)?(?=[-\d\\$])",
    re.IGNORECASE,
)
# \mathbb{R}^+, R_{>0}; \mathbb{R}^2 is left alone.
_POSITIVE_REALS = pattern(
    r"\\mathbb ?\{? ?R ?\}? ?(?:\^ ?\{? ?\+ ?\}?|_ ?\{? ?> ?0 ?\}?|_ ?\{? ?\+ ?\+ ?\}?)$"
)


def sets_written_out(text: str) -> str:
    """Write intervals with outward brackets, and sets named in words, as the parser reads them."""
    if ";" in text and _ROWS.fullmatch(text):
        rows = (", ".join(row.split()) for row in text.strip("[]").split(";"))
        return f"[{', '.join(f'[{row}]' for row in rows)}]"
    bare = _SIZED.sub("", text) if "]" in text or "[" in text else ""
    if bare.startswith("]") or bare.endswith("["):
        text = _OUTWARD.sub(
            lambda m: f"{'(' if m[1] == ']' else '['}{m[2]}{')' if m[3] == '[' else ']'}", bare
        )
    if match := _EXCEPT.match(text):
        text = rf"x \ne {text[match.end() :].rstrip('} ')}"
    return _POSITIVE_REALS.sub(r"(0,\\infty)", text) if "R" in text else text


# --- qualifiers

_FOLLOWS = (
    r"(?:(?:all|any|some|each|every)(?! ?\}? ?\d)|real|integers?|positive|constants?"
    r"|\\?[a-zA-Z]\w{0,2}(?:_\w+)?\b ?(?:,|\\|[<>=≥≤]|is\b|in\b|are\b|\}|\$))"
)
# 2^n-1 \text{ for } n \ge 1, 2x \text{ where } x > 0; 5 \text{ for } 3 and 5 \text{ (for main seats)} are left alone.
_QUALIFIER = pattern(
    rf"(?:{TEXT_COMMAND}\{{)?[ ,;(]{{0,3}}(?<![A-Za-z])(?:for|where|with)\b *(?:\}} ?)?(?:\$|\\\()? *(?={_FOLLOWS}).*$"
)
_QUALIFYING = ("for", "where", "with")
# x^2, \forall x \in R; \forall x: x > 0 is left alone.
_FOR_ALL = pattern(r"(?<=.)\\forall.*$")
# \forall x > 0, f(x) = 0; \forall x: x > 0 is left alone.
_FOR_ALL_BEFORE = pattern(r"^\\forall[^,:=]*, ?(?=[^,:]*=)")
# 12 \text{ (apples)}: brackets around words; 5 \text{ (not)} and (a+b) are left alone.
_REJECTED = pattern(
    rf"(?:^|,|;|\bor\b) *[^,;]{{1,40}}?(?:{TEXT_COMMAND}\{{)? *\((?:rejected|reject|extraneous)\) *,? *\}}? *,?"
)


def unqualified(text: str) -> str:
    r"""Take off what an answer says about its letters (``for n \\ge 1``), and solutions that it rejects."""
    if "reject" in text or "extraneous" in text:
        text = _REJECTED.sub("", text).strip(" ,;") or text
    if "\\forall" in text:
        text = _without_outer_spaces(_FOR_ALL.sub("", _FOR_ALL_BEFORE.sub("", text))).rstrip(" ,")
    match = _QUALIFIER.search(text) if any(map(text.__contains__, _QUALIFYING)) else None
    head = _without_outer_spaces(text[: match.start()].rstrip(" ,;(")).rstrip(" ,;(") if match else ""
    # A brace that the head leaves open belongs to the qualifier: \text{...} around both.
    return (
        head if head and re.search(r"[\dA-Za-z)}\]]$", head) and head.count("{") == head.count("}") else text
    )
