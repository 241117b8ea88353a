"""The numbers of a program: what its later cells retype of earlier results, and what its comments say.

``carry_code`` writes changed values into a later cell; ``literals`` reads the numbers a cell starts from;
``follow_in_comments`` keeps the comments of a mutated cell in step with a changed literal. Programs are tokenised and
parsed, never run.

Not covered: numbers inside strings. A cell whose strings hold a changed value is given up.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from scdpo.corrupt.rewriting.changes import Known
from scdpo.corrupt.rewriting.numbers_in_text import Mention, find_mentions, write_like
from scdpo.corrupt.rewriting.plausible import Inconsistent, ValueContext
from scdpo.corrupt.rewriting.propagate import COMMON, carry_text, edited

_DECIMAL: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_NOT_DATA: Final = frozenset(["round", "symbols", "Symbol"])


def tokens_of(code: str) -> list[tokenize.TokenInfo]:
    """Return the tokens of a program.

    Raises:
        Inconsistent: ``unreadable_code`` if it is no Python.
    """
    try:
        return list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError) as error:
        raise Inconsistent("unreadable_code") from error


def literals(code: str) -> set[Fraction]:
    """Return the numbers written in a program, exponents and numbers of digits left out; empty if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[Fraction] = set()
    level: list[ast.AST] = [tree]
    while level:
        node = level.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            level.append(node.left)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NOT_DATA:
            level.extend(node.args[:1])
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                found.update(_finite(node.value))
        else:
            level.extend(ast.iter_child_nodes(node))
    return found


def _finite(value: int | float) -> list[Fraction]:
    if abs(value) > 10**15:
        return []  # infinities, and nothing a text would repeat
    return [Fraction(str(value))]


def carry_code(code: str, known: Known, expressions: Sequence[tuple[str, str]], limits: ValueContext) -> str:
    """Return a later cell with the changed values put in for the literals and comments that repeat old ones.

    Raises:
        Inconsistent: if it cannot be told whether a literal repeats a changed value, or a string holds one.
    """
    tokens = tokens_of(code)
    starts = _line_starts(code)
    edits: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        start = starts[token.start[0] - 1] + token.start[1]
        if token.type == tokenize.NUMBER:
            written = _carried_literal(tokens, index, known, limits)
        elif token.type == tokenize.COMMENT:
            written = "#" + carry_text(token.string[1:], known, expressions, limits, lenient=True)
        elif token.type == tokenize.STRING:
            _check_string(token.string, known)
            continue
        else:
            continue
        if written != token.string:
            edits.append((start, start + len(token.string), written))
    return edited(code, edits)


def _line_starts(code: str) -> list[int]:
    starts = [0]
    for line in io.StringIO(code):
        starts.append(starts[-1] + len(line))
    return starts


def _carried_literal(
    tokens: Sequence[tokenize.TokenInfo], index: int, known: Known, limits: ValueContext
) -> str:
    source = tokens[index].string
    if not _DECIMAL.fullmatch(source) or (index and tokens[index - 1].string == "**"):
        return source
    places = len(source.partition(".")[2])
    value = Fraction(source if source[-1] != "." else source[:-1])
    mention = Mention(0, len(source), source, value, "decimal" if places else "integer", places)
    match = known.match(mention)
    if match.kind in ("kept", "unknown") or match.new is None:
        if match.kind == "lost" and value not in COMMON:
            raise Inconsistent("lost_value")
        known.keep([value])
        return source
    retyped = _is_assigned_alone(tokens, index)
    if match.kind == "both" or value in COMMON:
        if not retyped and value in COMMON:
            return source
        if not retyped or value not in known.recent:
            raise Inconsistent("ambiguous_value")
    limits.check(value, match.new)
    written = write_like(mention, match.new, match.rounded)
    if written is None:
        raise Inconsistent("no_form")
    return written


def _is_assigned_alone(tokens: Sequence[tokenize.TokenInfo], index: int) -> bool:
    """Whether a number is all that is assigned: ``total = 28``."""
    after = tokens[index + 1].type if index + 1 < len(tokens) else tokenize.ENDMARKER
    ends = after in (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
    return ends and index >= 2 and tokens[index - 1].string == "=" and tokens[index - 2].type == tokenize.NAME


def _check_string(source: str, known: Known) -> None:
    for mention in find_mentions(source):
        if mention.value not in COMMON and known.match(mention).kind in ("changed", "both"):
            raise Inconsistent("value_in_string")


def follow_in_comments(code: str, old: Fraction, new: str, line: int) -> str:
    """Put a literal's new form into the comments of its cell that state the old one.

    Args:
        code: the mutated cell.
        old: the value of the literal that was changed.
        new: the source of the literal in its place.
        line: the line (from 0) of the literal; comments elsewhere may speak of another number of the same size.

    Raises:
        Inconsistent: ``stated_in_comment`` if a comment states the old value and it cannot be told which one is meant.
    """
    starts = _line_starts(code)
    edits: list[tuple[int, int, str]] = []
    elsewhere = old in literals(code)
    for token in tokens_of(code):
        if token.type != tokenize.COMMENT:
            continue
        for mention in find_mentions(token.string[1:]):  # after a "#", a number would be that of a heading
            if mention.value != old or mention.role != "value":
                continue
            if elsewhere and token.start[0] - 1 != line:
                raise Inconsistent("stated_in_comment")
            start = starts[token.start[0] - 1] + token.start[1] + 1
            edits.append((start + mention.start, start + mention.end, new))
    return edited(code, edits)
