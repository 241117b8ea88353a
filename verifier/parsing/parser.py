r"""Parse an answer, in LaTeX or as typed, into the tree of ``verifier.tree``.

A recursive-descent parser of its own: no code is ever run, brackets nest to ``MAX_DEPTH``, and time grows with
the length of the answer. Text that is no mathematics raises ``ParseError``; what to make of it is the reader's
business (``verifier.parsing.readings``).
"""

from __future__ import annotations

from verifier.parsing.lexer import Token, tokenize
from verifier.parsing.numerals import decimal, read_numeral
from verifier.parsing.tokens import Tokens, as_quotient, bracketed, is_vector
from verifier.parsing.units import unit_of
from verifier.parsing.vocabulary import (
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    NO_FACTORS,
    RELATION_COMMANDS,
    SEPARATOR_WORDS,
)
from verifier.tree import (
    MINUS_ONE,
    Call,
    Const,
    Degree,
    Items,
    Mul,
    Node,
    Num,
    ParseError,
    Percent,
    Pm,
    Pow,
    Ratio,
    Rel,
    SetOp,
    Sym,
    UnknownOperatorError,
    add,
    mul,
    negate,
)  # fmt: skip

_RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!="}
_SET_COMMANDS = {"cup": "cup", "cap": "cap", "setminus": "minus"}


def parse(text: str) -> Node:
    """Return the tree of ``text``.

    Raises:
        ParseError: if it is not mathematics in a known notation.
        LimitError: if it is too long or nested too deeply.
    """
    parser = Parser(tokenize(text))
    node = parser.items()
    if parser.peek().kind == "cmd":
        raise UnknownOperatorError(f"cannot read on at {parser.peek().text!r}")
    if parser.peek().kind != "end":
        raise ParseError(f"cannot read on at {parser.peek().text!r}")
    return node


class Parser(Tokens):
    """One pass over the tokens; each method reads one level of the grammar and leaves the position after it."""

    # --- lists and relations

    def items(self) -> Node:
        """Several items between commas, semicolons, "and" or "or"; one item is itself."""
        found, disjoint, logical = [self.relation()], False, False
        while True:
            logical = logical or self.is_cmd("and", "or")
            if (separator := self._separator()) is None:
                break
            disjoint = disjoint or separator == "or"
            if self.peek().kind == "end" or self.is_op(")", "]", "\\}", "}"):
                break
            found.append(self.relation())
        if logical and all(
            isinstance(f, Sym | Mul) for f in found
        ):  # p \land q is a statement, not two answers
            return Call("or()" if disjoint else "and()", tuple(sorted(found, key=repr)))
        return found[0] if len(found) == 1 else Items(tuple(found), disjoint)

    def _separator(self) -> str | None:
        separator = None
        while True:
            token = self.peek()
            if token.kind == "op" and token.text in ",;":
                separator = separator or ","
            elif token.kind in ("text", "name", "cmd") and token.text.strip(" ,").lower() in SEPARATOR_WORDS:
                separator = SEPARATOR_WORDS[token.text.strip(" ,").lower()]
            elif self.is_cmd("\\") and separator:
                pass
            else:
                return separator
            self.at += 1

    def relation(self) -> Node:
        """A chain ``a < b <= c``, or one side."""
        sides, ops = [self.ratio()], []
        while True:
            op = self._relation_op()
            if op is None:
                break
            ops.append(op)
            sides.append(self.ratio())
        return Rel(tuple(sides), tuple(ops)) if ops else sides[0]

    def _relation_op(self) -> str | None:
        token = self.peek()
        op = _RELATIONS.get(token.text) if token.kind == "op" else None
        if token.kind == "cmd":
            op = RELATION_COMMANDS.get(token.text)
        if op is None:
            return None
        self.at += 1
        if op in ("<", ">") and self.is_op("="):
            self.at += 1
            op += "="
        return op

    def ratio(self) -> Node:
        """``a : b : c``, or one part."""
        parts = [self.sets()]
        while self.is_op(":") and not self.in_set:
            self.at += 1
            parts.append(self.sets())
        return Ratio(tuple(parts)) if len(parts) > 1 else parts[0]

    def sets(self) -> Node:
        """Unions, intersections and differences, from the left."""
        node = self.sum()
        while self.peek().kind == "cmd" and self.peek().text in _SET_COMMANDS:
            op = _SET_COMMANDS[self.take().text]
            right = self.sum()
            node = SetOp(
                op, (*node.parts, right) if isinstance(node, SetOp) and node.op == op else (node, right)
            )
        return node

    # --- arithmetic

    def sum(self) -> Node:
        """Terms between plus, minus and plus-minus."""
        terms = [self.product()]
        while True:
            if self.is_op("+"):
                self.at += 1
                terms.append(self.product())
            elif self.is_op("-"):
                self.at += 1
                terms.append(negate(self.product()))
            elif self.is_cmd("pm", "mp"):
                flip = self.take().text == "mp"
                terms.append(mul([Pm(flip), self.product()]))
            else:
                return add([as_quotient(t) for t in terms]) if len(terms) > 1 else terms[0]

    def product(self) -> Node:
        """Factors, with or without a sign between them."""
        sign = self._signs()
        factors = [self.power()]
        while True:
            if self.is_op("*") or self.is_cmd("cdot", "times"):
                crosses = self.take().text == "times" and is_vector(factors[-1])
                factors.append(self._signed_power())
                if crosses and is_vector(factors[-1]):
                    raise UnknownOperatorError("a product whose order matters")
            elif self.is_op("/"):
                self.at += 1
                factors[-1:] = [factors[-1], Pow(as_quotient(self._signed_power()), MINUS_ONE)]
            elif self._starts_factor():
                factors.append(self.power())
            else:
                node = mul([as_quotient(f) for f in factors]) if len(factors) > 1 or sign else factors[0]
                return mul([sign, node]) if sign is not None else node

    def _signs(self) -> Node | None:
        negative, plus_minus = False, None
        while self.is_op("-", "+") or self.is_cmd("pm", "mp"):
            token = self.take()
            if token.kind == "cmd":
                plus_minus = Pm(token.text == "mp")
            else:
                negative ^= token.text == "-"
        if plus_minus is not None:
            return negate(plus_minus) if negative else plus_minus
        return MINUS_ONE if negative else None

    def _signed_power(self) -> Node:
        sign = self._signs()
        node = self.power()
        return mul([sign, node]) if sign is not None else node

    def _starts_factor(self) -> bool:
        token = self.peek()
        if token.kind in ("num", "name"):
            return not (token.kind == "name" and token.text.lower() in SEPARATOR_WORDS)
        if token.kind == "cmd":
            return (
                token.text not in NO_FACTORS
                and token.text not in RELATION_COMMANDS
                and not token.text.startswith(("end ", "r"))
            )
        if token.kind == "op":
            return token.text in ("(", "{", "[") or (token.text == "|" and not self.bars)
        return False

    def power(self) -> Node:
        """An atom with its postfix signs and exponents."""
        node = self.postfix(self.atom())
        while self.is_op("^"):
            self.at += 1
            if self._degree_sign():
                node = self.postfix(Degree(node))
                continue
            if self.is_op("'"):
                self.at += 1
                continue
            node = self.postfix(Pow(node, self._exponent()))
        return node

    def _degree_sign(self) -> bool:
        if self.is_cmd("circ") or (self.peek().text == "o" and self.peek(1).kind == "end"):
            self.at += 1
            return True
        if self.is_op("{") and self.peek(1)[:2] == ("cmd", "circ"):
            self.at += 2
            self.expect("}")
            return True
        return False

    def _exponent(self) -> Node:
        sign = self._signs()
        base = self.argument()
        if self.is_op("^"):
            self._deeper()
            self.at += 1
            base = Pow(base, self._exponent())
            self.depth -= 1
        return mul([sign, base]) if sign is not None else base

    def postfix(self, node: Node) -> Node:
        """``!``, ``%``, degree signs and primes after ``node``."""
        while True:
            if self.is_op("!"):
                self.at += 1
                node = Call("factorial", (node,))
            elif self.is_op("%"):
                self.at += 1
                node = Percent(node)
            elif self.is_cmd("circ") and isinstance(node, Num):
                self.at += 1
                node = Degree(node)
            elif self.is_op("'") and isinstance(node, Sym):
                self.at += 1
                node = Sym(node.name + "'")
            else:
                return node

    # --- atoms

    def atom(self) -> Node:
        """A number, a name, a command with its arguments, or brackets."""
        token = self.take()
        if token.kind == "num":
            return read_numeral(self, token)
        if token.kind == "name":
            return self._name(token)
        if token.kind == "cmd":
            return self._command(token.text)
        if token.kind == "op" and token.text in ("(", "[", "{", "\\{", "|"):
            return self._brackets(token.text)
        raise ParseError(f"no meaning for {token.text!r} here")

    def _name(self, token: Token) -> Node:
        word = token.text
        lower = word if word in FUNCTIONS or word in CONSTANTS or word in GREEK else word.lower()
        if lower in FUNCTIONS and len(word) > 1:
            return self._function(lower)
        if lower in CONSTANTS:
            return CONSTANTS[lower]
        if lower in GREEK:
            return self._subscripted(lower)
        if len(word) > self._longest_product(token) or (
            len(word) > 1 and unit_of(word) is not None and not self._starts_factor()
        ):
            raise ParseError(f"{word!r} is a word")
        if len(word) > 1:  # letters side by side are a product; the last one takes what follows
            self.tokens[self.at : self.at] = [Token("name", letter, False) for letter in word[1:]]
            return self._letter(word[0])
        return self._letter(word)

    def _longest_product(self, token: Token) -> int:
        """How many letters side by side are taken for a product: a few more after a number that they touch."""
        touches = self.at > 1 and not token.spaced and self.peek(-2).kind == "num"
        return 6 if touches else 3

    def _letter(self, letter: str) -> Node:
        if letter in ("e", "i") and not self.is_op("_"):
            return Const(letter)
        return self._subscripted(letter)

    def _subscripted(self, name: str) -> Node:
        if not self.is_op("_"):
            return self._applied(name)
        self.at += 1
        start = self.at
        text = self.argument_text()
        if name in "CAP" and text.isdecimal() and self.is_op("^") and self.peek(1).kind == "num":
            self.at += 1
            chosen = decimal(self.take().text)
            binomial = Call("binom", (decimal(text), chosen))
            return binomial if name == "C" else mul([binomial, Call("factorial", (chosen,))])
        if text.replace(",", "").isalnum() and (text.isdecimal() or len(text) > 1 or not text.islower()):
            return self._applied(f"{name}_{text}")
        self.at = start
        return Call(f"{name}_", (self.argument(),))

    def _applied(self, name: str) -> Node:
        """A function that has no fixed meaning, such as ``f(x)``, where a bracket follows its letter."""
        is_function = name[0] in "fghFGPQ" and self.is_op("(") and not (self.peek().spaced and len(name) > 1)
        if is_function or self._defines():
            self._deeper()
            self.at += 1
            inside = self.items()
            self.expect(")")
            self.depth -= 1
            return Call(f"{name}()", inside.items if isinstance(inside, Items) else (inside,))
        return Sym(name)

    def _defines(self) -> bool:
        """Whether ``(t) =`` follows: the letter before it is a function that is being stated."""
        kinds = [self.peek(k) for k in range(4)]
        return (kinds[0].text, kinds[1].kind, kinds[2].text, kinds[3].text) == ("(", "name", ")", "=")

    def argument(self, digit: bool = False) -> Node:
        """The argument of a command: a group, or one token (one digit with ``digit``, as LaTeX reads it)."""
        if self.is_op("{"):
            self.at += 1
            return self._brackets("{")
        token = self.peek()
        if token.kind == "num" and digit and len(token.text) > 1 and token.text.isdecimal():
            self.tokens[self.at : self.at + 1] = [
                Token("num", token.text[0], token.spaced), Token("num", token.text[1:], False)
            ]  # fmt: skip
        if (
            token.kind == "name"
            and len(token.text) > 1
            and token.text not in FUNCTIONS
            and token.text not in CONSTANTS
        ):
            self.tokens[self.at : self.at + 1] = [
                Token("name", token.text[0], token.spaced), Token("name", token.text[1:], False)
            ]  # fmt: skip
        if self.peek().kind == "num":
            return decimal(self.take().text)
        with self.deeper():  # commands without braces, such as \frac\frac, nest as deep as brackets do
            return self.atom()

    def _brackets(self, opening: str) -> Node:
        self._deeper()
        bars, self.bars = self.bars, int(opening in ("|", "\\{"))
        in_set, self.in_set = self.in_set, opening == "\\{"
        closers = {"(": (")", "]"), "[": ("]", ")"), "{": ("}",), "\\{": ("\\}",), "|": ("|",)}[opening]
        if self.is_op(*closers) and opening != "|":
            closing, inside = self.take().text, None
        else:
            inside = self.items()
            if opening == "\\{" and self.is_op("|", ":"):
                self.at += 1
                self.in_set = False
                condition = self.items()
                self.expect("\\}")
                self.bars, self.in_set = bars, in_set
                self.depth -= 1
                return condition
            if not self.is_op(*closers):
                raise ParseError(f"{opening!r} is not closed at {self.peek().text!r}")
            closing = self.take().text
        self.bars, self.in_set = bars, in_set
        self.depth -= 1
        return bracketed(opening, closing, inside)

    def _function(self, name: str) -> Node:
        from verifier.parsing.functions import read_function

        return read_function(self, name)

    def _command(self, name: str) -> Node:
        from verifier.parsing.functions import read_command

        return read_command(self, name)
