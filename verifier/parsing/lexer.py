r"""Cut an answer into tokens: numbers, names, words, commands, signs. Linear time, no meaning yet.

Grouping commas and spaces in numbers (``1,234``, ``1 000``, ``11,\! 111``) are joined here, where no
bracket makes them a list.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.functions_table import COMMANDS_ONLY, SPELLINGS
from verifier.parsing.notation import TEXT_COMMANDS
from verifier.parsing.vocabulary import glued_names
from verifier.patterns import pattern
from verifier.tree import MAX_TOKENS, LimitError, ParseError


class Token(NamedTuple):
    """``kind`` is ``num``, ``name`` (letters), ``text`` (words), ``cmd`` (without backslash), ``op`` or ``end``."""

    kind: str
    text: str
    spaced: bool  # white space stood before it


_SKIP = (
    "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle limits nolimits mathstrut"
    " hline cline noindent nonumber rm bf it sf tt cal scriptstyle scriptscriptstyle middle strut null relax"
)
_SKIPPED = frozenset(_SKIP.split())
_SPACE_COMMANDS = frozenset({"quad", "qquad", "hspace", "thinspace", "enspace"})
_TEXT_COMMANDS = frozenset((*TEXT_COMMANDS, "boxed"))
_ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "leqq": "le", "geq": "ge",
    "geqslant": "ge", "geqq": "ge", "lt": "<", "gt": ">", "neq": "ne", "dots": "ldots", "cdots": "ldots",
    "dotsc": "ldots",
    "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]",
    "dbinom": "binom", "tbinom": "binom", "ast": "*", "star": "*", "bullet": "cdot", "varnothing": "emptyset",
    "empty": "emptyset", "land": "and", "wedge": "and", "lor": "or", "vee": "or", "colon": ":", "div": "/",
    "slash": "/",
    "lparen": "(", "rparen": ")", "bigcup": "cup", "bigcap": "cap", "backslash": "setminus", "simeq": "approx",
    "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "degree": "circ", "prime": "'", "arcsinh": "asinh",
    "Longrightarrow": "Rightarrow", "longrightarrow": "to", "rightarrow": "to", "implies": "Rightarrow", "hat": "vec",
    "overrightarrow": "vec", "bar": "overline", "widehat": "vec", "tilde": "vec", "iff": "Leftrightarrow",
    "lg": "log10",
}  # fmt: skip

_TOKEN = pattern(
    r"(?P<space>(?:\s|~|\\[,!;:> ]|\\/)+)|(?P<num>\d+(?:\.\d+|\.(?=\\overline|\\dot|\\bar))?|\.\d+)"
    r"|\\(?P<cmd>[A-Za-z]+|[{}|%$#&_\\])"
    # "<=", "**"; "< =" is left alone.
    r"|(?P<name>[A-Za-z]+)|(?P<two><=|>=|!=|\*\*|==|<>|:=|=<|=>)|(?P<op>[-+*/^_=<>!%,;:(){}\[\]|.&'?@\"$#])"
)
_ONE_FOR_TWO = {"=<": "<=", "<>": "!=", "**": "^", "==": "=", ":=": "="}
# "1,234", "1\,000", "1 000"; "x_1,2" is left alone.
_DIGIT_RUN = pattern(r"(?<![\d.,_^])\d+(?:(?:,(?:\\!)?\s?|\{,\}|\\,|\\ | |\\!)\d+)+(?![\d])")
# "1,234,567"; "1,23" and "0,123" are left alone.
_GROUPS = pattern(r"[1-9]\d{0,2}(?:(?:,(?:\\!)?\s?|\{,\}|\\,|\\ | |\\!)\d{3})+")
_ARGUMENT_OPENINGS = ("frac{", "}{", "sqrt{", "^{", "text{", "mathrm{", "mathbf{")
# "1{,}000", "1\,000", which no list writes; "1,000" is left alone.
_EXPLICIT = pattern(r"\\|\{,\}")
# "1.5e-07"; "2e" and "2ex" are left alone.
_EXPONENT = pattern(r"(?<=\d)[eE]([-+]?\d{1,3})(?![\w.])")


def join_groups(text: str) -> str:
    """Join the digit groups of numbers; within brackets only where the grouping is explicit."""
    bracketed = re.search(r"[(\[{<]|\\\{|\\begin", text) is not None

    def join(match: re.Match[str]) -> str:
        run = match[0]
        if not _GROUPS.fullmatch(run):
            return run
        in_argument = text[: match.start()].endswith(_ARGUMENT_OPENINGS) and text.startswith("}", match.end())
        if in_argument or _EXPLICIT.search(run) or not (bracketed or ", " in run):
            return re.sub(r"\D", "", run)
        return run

    return _DIGIT_RUN.sub(join, text)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of ``text``, ended by an ``end`` token.

    Raises:
        ParseError: if it holds a character that no notation uses.
        LimitError: if there are more than ``MAX_TOKENS``.
    """
    text = _EXPONENT.sub(r"\\times 10^{\1}", join_groups(text))
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        if len(tokens) > MAX_TOKENS:
            raise LimitError(f"the answer has more than {MAX_TOKENS} tokens")
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(f"no meaning for {text[position]!r}")
        position = match.end()
        kind, found = match.lastgroup or "", match[0]
        if kind == "space":
            spaced = True
            continue
        if kind == "cmd":
            position = _command(text, position, found[1:], spaced, tokens)
        elif kind == "name":
            for name in glued_names(found):
                tokens.append(Token(kind, name, spaced))
                spaced = False
        elif kind == "two":
            tokens.append(Token("op", _ONE_FOR_TWO.get(found, found), spaced))
        elif found != "$":
            tokens.append(Token(kind, found, spaced))
        spaced = kind == "cmd" and found[1:] in _SPACE_COMMANDS
    tokens.append(Token("end", "", False))
    return tokens


def _command(text: str, position: int, name: str, spaced: bool, tokens: list[Token]) -> int:
    r"""Append the token of ``\name`` and return where reading goes on."""
    name = _ALIASES.get(name, name)
    if name in _SKIPPED or name == "$":
        return (
            position + 1 if name in ("left", "right") and text[position : position + 1] == "." else position
        )
    if name in _SPACE_COMMANDS:
        return position
    if name in _TEXT_COMMANDS:
        return _text_argument(text, text.rfind("\\", 0, position), position, spaced, tokens)
    if name in ("{", "}", "|", "&", "_", "%", "#", "<", ">", "[", "]", "(", ")", "*", "/", ":", "'"):
        tokens.append(Token("op", {"{": "\\{", "}": "\\}"}.get(name, name), spaced))
    elif name in ("begin", "end"):
        closing = text.find("}", position)
        if closing < 0 or text[position : position + 1] != "{":
            raise ParseError(f"\\{name} without an environment")
        tokens.append(Token("cmd", f"{name} {text[position + 1 : closing].strip('*')}", spaced))
        position = closing + 1
        if tokens[-1].text == "begin array":
            columns = re.compile(r"\s*\{[^{}]*\}").match(text, position)
            position = columns.end() if columns else position
    elif name.startswith("quad") and len(name) > 4:
        tokens.append(Token("name", name[4:], True))
    else:
        tokens.append(Token("cmd", name, spaced))
    return position


_ARGUMENT = pattern(r"\*?\s*\{([^{}]*)\}")
# Text that is a formula: 2/3, (1,2), 1,000. Left alone: cm, 10 cm, (B).
_FORMULA = pattern(r"(?=.*\d)[\d\s.,;:+\-*/^=()%]+")
# \text{AB}, a segment; \text{AM} and \text{OR} are left alone.
_SEGMENT = pattern(r"(?!AM|PM|AD|BC|CE|OR|IF|NO|ON|AND)[A-Z]{2}")
_UNIT_VECTOR = pattern(r"[ijk]")
# "\mathbf{i}" is a unit vector; "\mathrm{i}" is left alone.
_BOLD = pattern(r"\\(?:mathbf|boldsymbol|textbf|bold)")


def _text_argument(text: str, start: int, position: int, spaced: bool, tokens: list[Token]) -> int:
    r"""Append what a command that sets words, such as ``\text``, holds, and return where reading goes on."""
    match = _ARGUMENT.match(text, position)
    if match is None:  # its argument holds braces, or it has none: read on as mathematics
        return position
    content = match[1].replace("~", " ").strip()
    if _FORMULA.fullmatch(content):
        tokens.extend(tokenize(content)[:-1])
    elif _UNIT_VECTOR.fullmatch(content) and _BOLD.match(text, start):
        tokens.append(Token("cmd", "vec", spaced))
        tokens.append(Token("name", content, False))
    elif content in COMMANDS_ONLY:
        tokens.append(Token("cmd", content, spaced))
    elif content:
        is_name = (len(content) == 1 and content.isascii() and content.isalpha()) or _SEGMENT.fullmatch(
            content
        )
        tokens.append(Token("name" if is_name or content in SPELLINGS else "text", content, spaced))
    return match.end()
