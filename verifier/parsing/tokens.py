"""Walk over tokens: look ahead, take, expect, and count how deep the brackets are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from verifier.parsing.lexer import Token
from verifier.tree import (
    MAX_DEPTH,
    Call,
    Items,
    LimitError,
    NamedSet,
    Node,
    ParseError,
    Ratio,
    Seq,
    SetOf,
    Sym,
    divide,
)


class Tokens:
    """A position in a list of tokens, and what surrounds it."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.in_set = False
        self.integrals = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return the token ``ahead`` of the position, without moving."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Return the next token and move past it."""
        token = self.peek()
        self.at += 1
        return token

    def is_op(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        token = self.peek()
        return token.kind == "op" and token.text in signs

    def is_cmd(self, *names: str) -> bool:
        """Whether the next token is one of these commands."""
        token = self.peek()
        return token.kind == "cmd" and token.text in names

    def expect(self, sign: str) -> None:
        """Move past ``sign``, or raise ``ParseError``."""
        if not self.is_op(sign):
            raise ParseError(f"expected {sign!r} at {self.peek().text!r}")
        self.at += 1

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitError(f"brackets are nested more than {MAX_DEPTH} deep")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Count what is read within as one level of brackets more."""
        self._deeper()
        yield
        self.depth -= 1

    def argument_text(self) -> str:
        """The letters of an argument, as they are written."""
        if not self.is_op("{"):
            return self.take().text
        self.at += 1
        parts: list[str] = []
        while not self.is_op("}"):
            token = self.take()
            if token.kind == "end":
                raise ParseError("a brace is not closed")
            parts.append(("\\" if token.kind == "cmd" else "") + token.text)
        self.at += 1
        return "".join(parts)


def is_vector(node: Node) -> bool:
    """Whether ``node`` is a letter under an arrow."""
    return isinstance(node, Sym) and node.name.startswith("vec(")


def as_quotient(node: Node) -> Node:
    """A ratio within a calculation is a division."""
    return divide(*node.parts) if isinstance(node, Ratio) and len(node.parts) == 2 else node


def bracketed(opening: str, closing: str, inside: Node | None) -> Node:
    """Return what stands in brackets: a group, a sequence, a set, an absolute value."""
    items = inside.items if isinstance(inside, Items) else () if inside is None else (inside,)
    if opening == "\\{":
        return SetOf(items) if items else NamedSet("empty")
    if opening == "|":
        return Call("abs", items)
    if len(items) == 1 and (opening, closing) in (("(", ")"), ("{", "}")):
        return items[0]
    if opening == "{":
        return SetOf(items)
    return Seq(opening, closing, items)
