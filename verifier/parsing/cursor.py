"""The position of the parser in its tokens, and what is read without a grammar: signs, commands, letters as written."""

from __future__ import annotations

from verifier.parsing.lexer import Token
from verifier.tree import MAX_DEPTH, LimitError, ParseError


class Cursor:
    """Tokens, and the place in them from which is read on."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self._level = _Level(self)

    def peek(self, ahead: int = 0) -> Token:
        """Return the token ``ahead`` of the position, without moving."""
        try:
            return self.tokens[self.at + ahead]
        except IndexError:
            return self.tokens[-1]

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

    def deeper(self) -> _Level:
        """Count what is read within as one level of brackets more."""
        return self._level

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


class _Level:
    """One level of brackets."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def __enter__(self) -> None:
        self.cursor.depth += 1
        if self.cursor.depth > MAX_DEPTH:
            raise LimitError(f"brackets are nested more than {MAX_DEPTH} deep")

    def __exit__(self, *raised: object) -> None:
        self.cursor.depth -= 1
