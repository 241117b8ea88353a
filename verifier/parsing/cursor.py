"""The position of the parser in its tokens, and what is read without a grammar: signs, commands, letters as written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from verifier.parsing.lexer import Token
from verifier.tree import MAX_DEPTH, LimitError, ParseError


class Cursor:
    """Tokens, and the place in them from which is read on."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return the token ``ahead`` of the position, without moving."""
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else self.tokens[-1]

    def take(self) -> Token:
        """Return the next token and move past it."""
        token = self.peek()
        self.at += 1
        return token

    def is_op(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else self.tokens[-1]
        return token.text in signs and token.kind == "op"

    def is_cmd(self, *names: str) -> bool:
        """Whether the next token is one of these commands."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else self.tokens[-1]
        return token.kind == "cmd" and token.text in names

    def is_word(self, *words: str) -> bool:
        """Whether the next token is one of these words, set as text or typed."""
        token = self.peek()
        return token.kind in ("text", "name") and token.text.strip(" ,.:").lower() in words

    def expect(self, sign: str) -> None:
        """Move past ``sign``, or raise ``ParseError``."""
        if not self.is_op(sign):
            raise ParseError(f"expected {sign!r} at {self.peek().text!r}")
        self.at += 1

    def put_back(self, *texts: str) -> None:
        """Put letters before the position, as tokens of their own."""
        self.tokens[self.at : self.at] = [Token("name", text, False) for text in texts]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Count what is read within as one level of brackets more."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitError(f"brackets are nested more than {MAX_DEPTH} deep")
        yield
        self.depth -= 1

    def argument_text(self) -> str:
        """The letters of an argument, as they are written."""
        if not self.is_op("{"):
            token = self.take()
            return ("\\" if token.kind == "cmd" else "") + token.text
        self.at += 1
        parts: list[str] = []
        while not self.is_op("}"):
            token = self.take()
            if token.kind == "end":
                raise ParseError("a brace is not closed")
            parts.append(("\\" if token.kind == "cmd" else "") + token.text)
        self.at += 1
        return "".join(parts)
