r"""Parse an answer, in LaTeX or as typed, into the tree of ``verifier.tree``.

A recursive-descent parser of its own: no code is ever run, brackets nest to ``MAX_DEPTH``, and time grows with
the length of the answer. Text that is no mathematics raises ``ParseError``; what to make of it is the reader's
business (``verifier.parsing.readings``). One class, from lists down to atoms, commands and functions: the grammar is
recursive, so that its parts call each other.
"""

from __future__ import annotations

from fractions import Fraction

from verifier.functions_table import COMMANDS_ONLY, SPELLINGS
from verifier.parsing.building import (
    ALWAYS,
    MATRICES,
    SYSTEMS,
    TRANSPOSES,
    arranged,
    as_operand,
    bound_name,
    bracketed,
    called,
    can_choose,
    chosen,
    distributed,
    double_factorial,
    is_vector,
    matrix_of_rows,
    transposed,
)
from verifier.parsing.cursor import Cursor
from verifier.parsing.lexer import Token, tokenize
from verifier.parsing.number_words import number_in_words
from verifier.parsing.numerals import decimal, repeating
from verifier.parsing.units import unit_of
from verifier.parsing.vocabulary import (
    CONSTANTS,
    ENGLISH_WORDS,
    GREEK,
    LETTER_LIKE,
    NO_FACTORS,
    RELATION_COMMANDS,
    SEPARATOR_WORDS,
)
from verifier.tree import (
    DOTS,
    INFINITY,
    MINUS_ONE,
    ZERO,
    Apply,
    Based,
    Big,
    Const,
    Degree,
    Items,
    Mul,
    NamedSet,
    Node,
    Num,
    ParseError,
    Percent,
    Pm,
    Pow,
    Ratio,
    Rel,
    Residue,
    Seq,
    SetOf,
    SetOp,
    Sym,
    UnknownOperatorError,
    add,
    divide,
    mul,
    negate,
)

_RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!="}
_SET_COMMANDS = {"cup": "cup", "cap": "cap", "setminus": "minus"}
_SIMPLE: dict[str, Node] = {
    "pi": Const("pi"),
    "infty": INFINITY,
    "emptyset": NamedSet("empty"),
    "ldots": DOTS,
}
_BIG = frozenset({"sum", "prod", "int"})
_PAIRS = {"lfloor": "rfloor", "lceil": "rceil", "langle": "rangle"}
_SIGNS = frozenset({"-", "+", "pm", "mp"})
_OPENINGS = frozenset({"(", "{", "[", "\\{"})
_BEFORE_FACTORS = _OPENINGS | {"*", "/", "|"}
_CLOSINGS = {"(": (")", "]"), "[": ("]", ")"), "{": ("}",), "\\{": ("\\}",), "|": ("|",)}
_POSTFIXES = frozenset({"!", "%", "circ", "'"})
_CHOOSERS = "CAP"  # C_5^2, A_5^2 and P_5^2: choices, and arrangements
_CASE_WORDS = frozenset({"if", "for", "when", "where", "whenever", "as"})
_REST_WORDS = frozenset({"otherwise", "else", "elsewhere"})


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


class Parser(Cursor):
    """One pass over the tokens; each method reads one level of the grammar and leaves the position after it."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.bars = 0
        self.in_set = False
        self.in_rows = False
        self.integrals = 0
        self.congruent = False  # whether \equiv was read, so that \mod names a modulus

    # --- lists and relations

    def items(self) -> Node:
        """Several items between commas, semicolons, "and" or "or"; one item is itself."""
        found, disjoint, logical = [self.relation()], False, False
        while True:
            logical = logical or self.is_cmd("and", "or")
            if (separator := self._separator()) is None:
                break
            disjoint = disjoint or separator == "or"
            if self._ends_list():
                break
            found.append(self.relation())
        if logical and all(isinstance(f, Sym | Mul) for f in found):
            # p \land q is a statement, not two answers
            return Apply("or()" if disjoint else "and()", tuple(sorted(found, key=repr)))
        return found[0] if len(found) == 1 else Items(distributed(found), disjoint)

    def _ends_list(self) -> bool:
        if self.peek().kind == "end" or self.is_op(")", "]", "\\}", "}", "&"):
            return True
        return self.in_rows and (self.is_cmd("\\") or self.peek().text.startswith("end "))

    def _separator(self) -> str | None:
        separator = None
        while True:
            token = self.peek()
            if token.kind == "op":
                if token.text not in ",;":
                    return separator
                separator = separator or ","
            elif token.kind in ("text", "name", "cmd") and token.text.strip(" ,").lower() in SEPARATOR_WORDS:
                separator = SEPARATOR_WORDS[token.text.strip(" ,").lower()]
            elif self.is_cmd("\\") and separator and not self.in_rows:
                pass
            else:
                return separator
            self.at += 1

    def relation(self) -> Node:
        """A chain ``a < b <= c``, or one side."""
        congruent = self.congruent
        sides, ops = [self.ratio()], []
        while (op := self._relation_op()) is not None:
            ops.append(op)
            sides.append(self.ratio())
        self.congruent = congruent
        return Rel(tuple(sides), tuple(ops)) if ops else sides[0]

    def _relation_op(self) -> str | None:
        aligned = int(self.in_rows and self.is_op("&"))  # x &= 5: the sign only says what stands below what
        token = self.peek(aligned)
        op = _RELATIONS.get(token.text) if token.kind == "op" else None
        if token.kind == "cmd":
            op = RELATION_COMMANDS.get(token.text)
            self.congruent = self.congruent or token.text == "equiv"
        if op is None:
            return None
        self.at += 1 + aligned
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
        r"""Unions, intersections and differences, from the left; a binomial ``n \\choose k``; a residue."""
        node = self.sum()
        if self.peek().kind == "op" and self.peek().text != "(":
            return node
        while self.peek().kind == "cmd" and self.peek().text in _SET_COMMANDS:
            op = _SET_COMMANDS[self.take().text]
            right = self.sum()
            node = SetOp(
                op, (*node.parts, right) if isinstance(node, SetOp) and node.op == op else (node, right)
            )
        if self.is_cmd("choose"):
            self.at += 1
            node = Apply("binom", (node, self.sum()))
        modulus = self._modulus()
        return node if modulus is None else Residue(node, modulus)

    def _modulus(self) -> Node | None:
        r"""Read ``\pmod 7``, ``(\bmod 7)``, ``(mod 7)``; ``\mod 7`` and ``mod 7`` only after ``\equiv``.

        ``x \equiv 5 \mod 7`` names a modulus; ``12 \mod 7`` is left alone: there it is an operation.
        """
        bracketed = self.is_op("(") and self._is_mod(1)
        if not (bracketed or self.is_cmd("pmod") or (self.congruent and self._is_mod(0))):
            return None
        self.at += 2 if bracketed else 1
        modulus = self.argument() if not bracketed and self.is_op("{") else self.sum()
        if bracketed:
            self.expect(")")
        return modulus

    def _is_mod(self, ahead: int) -> bool:
        token = self.peek(ahead)
        if token.kind == "cmd":
            return token.text in ("bmod", "mod", "pmod")
        return token.kind in ("name", "text") and token.text.strip(" ,").lower() in ("mod", "modulo")

    # --- arithmetic

    def sum(self) -> Node:
        """Terms between plus, minus and plus-minus; a set minus a set is their difference."""
        terms = [self.product()]
        while self.peek().text in _SIGNS:
            if self.is_op("+"):
                self.at += 1
                terms.append(self.product())
            elif self.is_op("-"):
                self.at += 1
                term = self.product()
                if isinstance(terms[-1], NamedSet | SetOf) and isinstance(term, SetOf | NamedSet):
                    terms[-1] = SetOp("minus", (terms[-1], term))
                else:
                    terms.append(negate(as_operand(term)))
            elif self.is_cmd("pm", "mp"):
                flip = self.take().text == "mp"
                terms.append(mul([Pm(flip), as_operand(self.product())]))
            else:
                break
        return add([as_operand(t) for t in terms]) if len(terms) > 1 else terms[0]

    def product(self) -> Node:
        """Factors, with or without a sign between them."""
        sign = self._signs()
        factors = [self.power()]
        while self.peek().kind != "op" or self.peek().text in _BEFORE_FACTORS:
            if self.is_op("*") or self.is_cmd("cdot", "times"):
                crosses = self.take().text == "times" and is_vector(factors[-1])
                factors.append(self._signed_power())
                if crosses and is_vector(factors[-1]):
                    raise UnknownOperatorError("a product whose order matters")
            elif self.is_op("/"):
                self.at += 1
                factors[-1:] = [factors[-1], Pow(as_operand(self._signed_power()), MINUS_ONE)]
            elif self._is_remainder():
                self.at += 1
                number = mul([as_operand(f) for f in factors])
                factors = [Apply("mod", (number if sign is None else mul([sign, number]), self.power()))]
                sign = None
            elif self._starts_factor():
                if isinstance(factors[-1], Num) and self.peek().kind == self.peek(-1).kind == "num":
                    raise ParseError("two numbers side by side")  # 7 8 is neither 78 nor 56
                factors.append(self.power())
            else:
                break
        node = mul([as_operand(f) for f in factors]) if len(factors) > 1 or sign else factors[0]
        return mul([sign, node]) if sign is not None else node

    def _is_remainder(self) -> bool:
        r"""Whether ``\bmod``, ``\mod`` or ``mod`` stands here as an operation."""
        return not self.congruent and self._is_mod(0) and not self.is_cmd("pmod")

    def _signs(self) -> Node | None:
        negative, plus_minus = False, None
        while self.peek().text in _SIGNS and (self.is_op("-", "+") or self.is_cmd("pm", "mp")):
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
            word = token.text.lower()
            return not (token.kind == "name" and (word in SEPARATOR_WORDS or word == "mod"))
        if token.kind == "cmd":
            return (
                token.text not in NO_FACTORS
                and token.text not in RELATION_COMMANDS
                and not token.text.startswith(("end ", "r"))
            )
        if token.kind == "op":
            if token.text == "(" and self._is_mod(1):
                return False
            return token.text in _OPENINGS or (token.text == "|" and not self.bars)
        return False

    def power(self) -> Node:
        """An atom with its postfix signs and exponents."""
        node = self.postfix(self.atom())
        while self.is_op("^"):
            self.at += 1
            if self._degree_sign():
                node = self.postfix(self._minutes(Degree(node)))
                continue
            if self.is_op("'"):
                self.at += 1
                continue
            exponent = self._exponent()
            flipped = transposed(node) if exponent in TRANSPOSES else None
            node = self.postfix(Pow(as_operand(node), exponent) if flipped is None else flipped)
        return node

    def _degree_sign(self) -> bool:
        if self.is_cmd("circ") or (self.peek().text == "o" and self.peek(1).kind == "end"):
            self.at += 1
            return True
        if self.is_op("{") and self.peek(1)[:2] == ("cmd", "circ") and self.peek(2).text == "}":
            self.at += 3
            return True
        return False

    def _minutes(self, degrees: Degree) -> Node:
        """Read the minutes and seconds of ``30°15'36''``; ``90° 2`` is left alone."""
        total, found = [degrees.value], False
        for marks, part in ((1, 60), (2, 3600)):
            ticks = [self.peek(1 + k) for k in range(marks)]
            if self.peek().kind != "num" or not (
                all(t.text == "'" for t in ticks) or (marks == 2 and ticks[0].text == '"')
            ):
                continue
            number = decimal(self.take().text)
            self.at += 1 if ticks[0].text == '"' else marks
            total.append(mul([number, Num(Fraction(1, part))]))
            found = True
        return Degree(add(total)) if found else degrees

    def _exponent(self) -> Node:
        sign = self._signs()
        base = self.argument()
        if self.is_op("^"):
            with self.deeper():
                self.at += 1
                base = Pow(base, self._exponent())
        return mul([sign, base]) if sign is not None else base

    def postfix(self, node: Node) -> Node:
        """``!``, ``%``, degree signs and primes after ``node``."""
        while self.peek().text in _POSTFIXES:
            if self.is_op("!") and self.peek(1).text == "!" and not self.peek(1).spaced:
                self.at += 2
                node = double_factorial(node)
            elif self.is_op("!"):
                self.at += 1
                node = Apply("factorial", (as_operand(node),))
            elif self.is_op("%"):
                self.at += 1
                node = Percent(as_operand(node))
            elif self.is_cmd("circ") and isinstance(node, Num):
                self.at += 1
                node = self._minutes(Degree(node))
            elif self.is_op("'") and isinstance(node, Sym):
                self.at += 1
                node = Sym(node.name + "'")
                if not self.is_op("'") and self._is_function_letter(node.name):
                    return self._apply_unknown(node.name)
            else:
                break
        return node

    # --- atoms

    def atom(self) -> Node:
        """A number, a name, a command with its arguments, or brackets."""
        token = self.take()
        if token.kind == "num":
            return self._numeral(token)
        if token.kind == "name":
            return self._name(token)
        if token.kind == "cmd":
            return self._command(token.text)
        if token.kind == "op" and token.text in ("(", "[", "{", "\\{", "|"):
            if token.text == "{" and self.is_op("}") and self.peek(1).text in ("_", "^"):
                self.at += 1  # {}_5 C_2
                return self._prescript()
            return self._brackets(token.text)
        if token.kind == "op" and token.text in ("_", "^"):
            self.at -= 1
            return self._prescript()
        raise ParseError(f"no meaning for {token.text!r} here")

    def _numeral(self, token: Token) -> Node:
        """The number that starts with ``token``: with its base, its repeating digits, or a fraction after it."""
        after = self.peek()
        if after.kind == "op" and after.text not in ("_", "("):
            return decimal(token.text)
        if self.is_op("_"):
            self.at += 1
            return self._based(token.text)
        if "." in token.text and self.is_cmd("overline", "dot"):
            return self._repeating(token.text)
        number = decimal(token.text)
        if self._chooses(after, self.peek(1)) and isinstance(number.value, int):
            letter = self.take().text
            return chosen(letter, number, decimal(self.take().text))
        return self._mixed(number) if isinstance(number.value, int) else number

    def _chooses(self, letter: Token, after: Token) -> bool:
        """Whether ``C2`` follows a number that it touches, as in ``5C2``; ``5 C`` and ``5C + 2`` are products."""
        touching = not letter.spaced and not after.spaced
        return touching and letter.kind == "name" and letter.text in ("C", "P") and after.kind == "num"

    def _based(self, digits: str) -> Node:
        base = self._base()
        if base is None or not digits.replace(".", "").isalnum():
            raise ParseError("a number with a subscript that is no base")
        return Based(digits, base)

    def _base(self) -> int | None:
        text = self.argument_text().strip("()").strip().lower()
        if text.isdecimal():
            return int(text)
        number = number_in_words(text)
        return int(number) if number is not None and number.denominator == 1 else None

    def _repeating(self, text: str) -> Node:
        r"""``0.1\overline{6}``: the digits under the line repeat; ``0.\dot{1}4\dot{2}``: those between the dots do."""
        dotted = self.take().text == "dot"
        repeated = self.argument_text()
        if dotted and self.peek().kind == "num":
            repeated += self.take().text
        if dotted and self.is_cmd("dot"):
            self.at += 1
            repeated += self.argument_text()
        return repeating(text, repeated)

    def _mixed(self, whole: Num) -> Node:
        r"""``1 1/2``, ``1\frac{1}{2}`` or ``1(1/2)`` where a proper fraction follows, else the number."""
        start = self.at
        bracket = self.is_op("(") and not self.peek().spaced
        if self.is_cmd("frac"):
            self.at += 1
            top, bottom = self.argument(digit=True), self.argument(digit=True)
        elif (self.peek().kind == "num" and self.peek().spaced) or bracket:
            self.at += bracket
            texts = [self.take() for _ in range(3)]
            closes = not bracket or (self.is_op(")") and bool(self.take()))
            if [t.kind for t in texts] != ["num", "op", "num"] or texts[1].text != "/" or not closes:
                self.at = start
                return whole
            top, bottom = decimal(texts[0].text), decimal(texts[2].text)
        else:
            return whole
        if isinstance(top, Num) and isinstance(bottom, Num) and 0 < top.value < bottom.value:
            return Num(whole.value + Fraction(top.value) / bottom.value)
        self.at = start
        return whole

    def _name(self, token: Token) -> Node:
        word = token.text
        known = word in SPELLINGS or word in CONSTANTS or word in GREEK
        lower = word if known else word.lower()
        if lower in SPELLINGS and len(word) > 1:
            return self.function(SPELLINGS[lower])
        if lower in CONSTANTS:
            return CONSTANTS[lower]
        if lower in GREEK:
            return self._subscripted(lower)
        if word in ("Eq", "Rational", "Fraction", "FiniteSet", "Matrix") and self.is_op("("):
            return self._from_sympy(word)
        if word.lower() in ENGLISH_WORDS and (token.spaced or self.at == 1):
            raise ParseError(f"{word!r} is a word")
        before = self.peek(-2) if self.at > 1 else token
        is_unit = len(word) > 1 and unit_of(word) is not None and before[:2] != ("cmd", "pi")  # \pi hr^2
        if len(word) > self._longest_product(token) or (is_unit and not self._starts_factor()):
            raise ParseError(f"{word!r} is a word")
        if len(word) > 1:  # letters side by side are a product; the last one takes what follows
            self.put_back(*word[1:])
        return self._letter(word[0])

    def _from_sympy(self, name: str) -> Node:
        """``Eq(x, 5)`` and the other forms that programs print."""
        inside = self._brackets(self.take().text)
        parts = inside.items if isinstance(inside, Seq) else (inside,)
        if name == "Eq" and len(parts) == 2:
            return Rel(parts, ("=",))
        if name in ("Rational", "Fraction") and len(parts) == 2:
            return divide(*parts)
        if name == "FiniteSet":
            return SetOf(parts)
        if name == "Matrix" and (matrix := matrix_of_rows(inside)) is not None:
            return matrix
        raise ParseError(f"{name} of something else")

    def _longest_product(self, token: Token) -> int:
        """How many letters side by side are taken for a product: a few more after a number that they touch."""
        touches = self.at > 1 and not token.spaced and self.peek(-2).kind == "num"
        return 6 if touches else 3

    def _letter(self, letter: str) -> Node:
        if letter in ("e", "i") and not self.is_op("_"):
            return Const(letter)
        return self._subscripted(letter)

    def _subscripted(self, name: str) -> Node:
        if name in _CHOOSERS and (choice := self._choice_after(name)) is not None:
            return choice
        if not self.is_op("_"):
            return self._applied(name)
        self.at += 1
        start = self.at
        text = self.argument_text()
        if text.replace(",", "").isalnum() and (text.isdecimal() or len(text) > 1 or not text.islower()):
            return self._applied(f"{name}_{text}")
        if text.startswith("\\") and text[1:].isalpha():  # x_{\max}, S_{\triangle ABC}
            return self._applied(f"{name}_{text}")
        self.at = start
        return Apply(f"{name}_", (self.argument(),))

    def _choice_after(self, letter: str) -> Node | None:
        """Read ``C_5^2``, ``C^2_5`` or ``C_n^2``; the ``C_k^2`` of a sequence is left alone, as is ``P_1^2``."""
        start = self.at
        if not self.is_op("_", "^"):
            return None
        marks: dict[str, Node] = {}
        while self.is_op("_", "^") and self.peek().text not in marks:
            mark = self.take().text
            if self.peek().kind == "end":
                break
            marks[mark] = self.argument(digit=True)
        total, part = marks.get("_"), marks.get("^")
        if total is not None and part is not None and can_choose(total, part):
            return chosen(letter, total, part)
        self.at = start
        return None

    def _prescript(self) -> Node:
        """Read ``{}_5C_2`` or ``^5P_2`` from its first index on."""
        self.at += 1
        total = self.argument()
        letter = self.take().text
        if letter not in _CHOOSERS or not self.is_op("_"):
            raise ParseError("an index before nothing that chooses")
        self.at += 1
        return chosen(letter, total, self.argument())

    def _is_function_letter(self, name: str) -> bool:
        return name[0] in "fghFGPQ" and self.is_op("(") and not (self.peek().spaced and len(name) > 1)

    def _applied(self, name: str) -> Node:
        """A function that has no fixed meaning, such as ``f(x)``, where a bracket follows its letter."""
        if name in ("C", "P") and (choice := self._typed_choice(name)) is not None:
            return choice
        if self._is_inverse(name):
            self.at += 1
            self.argument()
            return self._apply_unknown(f"{name}^-1")
        if self._is_function_letter(name) or self._defines():
            return self._apply_unknown(name)
        return Sym(name)

    def _apply_unknown(self, name: str) -> Node:
        with self.deeper():
            self.at += 1
            inside = self.items()
            self.expect(")")
        return Apply(f"{name}()", inside.items if isinstance(inside, Items) else (inside,))

    def _is_inverse(self, name: str) -> bool:
        """Whether ``^{-1}(`` follows the letter of a function."""
        if name not in ("f", "g", "h"):
            return False
        return [self.peek(k).text for k in range(6)] == ["^", "{", "-", "1", "}", "("]

    def _typed_choice(self, name: str) -> Node | None:
        """Read ``C(5,2)``, and ``P(5,2)``, with a number of things and no more that are taken of them."""
        texts, kinds = [self.peek(k).text for k in range(5)], [self.peek(k).kind for k in range(5)]
        if texts[0::2] != ["(", ",", ")"] or kinds[1] != "num" or kinds[3] != "num":
            return None
        total, part = decimal(texts[1]), decimal(texts[3])
        if not (isinstance(total.value, int) and isinstance(part.value, int) and total.value >= part.value):
            return None
        self.at += 5
        return chosen(name, total, part)

    def _defines(self) -> bool:
        """Whether ``(t) =`` or ``(A, B) =`` follows: the letter before it is a function that is being stated."""
        return self.is_op("(") and any(
            [self.peek(k).text for k in (*range(2, end, 2), end)] == [",", ")", "="][(5 - end) // 2 :]
            and all(self.peek(k).kind == "name" for k in range(1, end, 2))
            for end in (3, 5)
        )

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
        if token.kind == "name" and token.spaced and token.text in ENGLISH_WORDS:
            raise ParseError(f"{token.text!r} is a word")
        is_letters = token.kind == "name" and len(token.text) > 1
        if is_letters and token.text not in SPELLINGS and token.text not in CONSTANTS:
            self.tokens[self.at : self.at + 1] = [
                Token("name", token.text[0], token.spaced), Token("name", token.text[1:], False)
            ]  # fmt: skip
        if self.peek().kind == "num":
            return decimal(self.take().text)
        with self.deeper():  # commands without braces, such as \frac\frac, nest as deep as brackets do
            return self.atom()

    def _brackets(self, opening: str) -> Node:
        bars, in_set, in_rows = self.bars, self.in_set, self.in_rows
        with self.deeper():
            self.bars, self.in_set, self.in_rows = int(opening in ("|", "\\{")), opening == "\\{", False
            closers = _CLOSINGS[opening]
            if self.is_op(*closers) and opening != "|":
                closing, inside = self.take().text, None
            else:
                inside = self.items()
                if opening == "\\{" and self.is_op("|", ":"):
                    self.at += 1
                    self.in_set = False
                    inside, closing = self._condition(), "condition"
                else:
                    if not self.is_op(*closers):
                        raise ParseError(f"{opening!r} is not closed at {self.peek().text!r}")
                    closing = self.take().text
        self.bars, self.in_set, self.in_rows = bars, in_set, in_rows
        return (
            inside if closing == "condition" and inside is not None else bracketed(opening, closing, inside)
        )

    def _condition(self) -> Node:
        """The condition of a set such as ``{x | x > 2}``, which stands for the set."""
        condition = self.items()
        self.expect("\\}")
        return condition

    # --- commands

    def _command(self, name: str) -> Node:
        if name in _SIMPLE:
            return _SIMPLE[name]
        if name in SPELLINGS:
            return self.function(SPELLINGS[name])
        if name in COMMANDS_ONLY:
            return self.function(COMMANDS_ONLY[name])
        if name == "Gamma" and self.is_op("("):
            return Apply("gamma", self._arguments())
        if name == "zeta" and self.is_op("(") and self.peek(1).kind == "num" and self.peek(2).text == ")":
            return Apply("zeta", self._arguments())
        if name in GREEK:
            return self._subscripted(name)
        match name:
            case "frac":
                top = self.argument(digit=True)
                if top == Sym("d"):
                    raise UnknownOperatorError("a derivative that is not carried out")
                return divide(as_operand(top), as_operand(self.argument(digit=True)))
            case "binom":
                return Apply("binom", (self.argument(digit=True), self.argument(digit=True)))
            case "vec" | "overline" | "underbrace":
                below = self.argument_text()
                if name == "overline" and not below.replace("_", "").isalnum():
                    raise UnknownOperatorError("a bar over an expression")
                return Sym(f"{name}({below})")
            case "angle" | "triangle":
                if name == "angle" and self._between_factors() and self.peek().kind != "name":
                    return called("cis", None, (self._signed_power(),))  # 2\angle 60^\circ, in polar form
                return Sym(f"{name}({self._vertices(name)})")
            case "mathbb":
                return self._named_set()
            case "lfloor" | "lceil" | "langle":
                return self._paired(name)
            case "lim":
                return self._limit()
            case "partial":
                return Sym("partial")
        if name in _BIG:
            return self._integral() if name == "int" else self._big(name)
        if name.startswith("begin "):
            return self._environment(name.removeprefix("begin "))
        if name[:-1] in SPELLINGS or name[:-1] in GREEK:  # ``\\cotx``: a letter stuck to its function
            self.put_back(name[-1])
            return self._command(name[:-1])
        return self._unknown_command(name)

    def _unknown_command(self, name: str) -> Node:
        """A command that may stand for a thing, but for no operation between two."""
        if name.isalpha() and name not in MATRICES | SYSTEMS:
            if name not in LETTER_LIKE and self._between_factors():
                raise UnknownOperatorError(f"no rules for \\{name}")
            if not name.startswith(("left", "right", "end")):
                return Sym(f"\\{name}")
        raise ParseError(f"no meaning for \\{name}")

    def _between_factors(self) -> bool:
        """Whether the command just taken stands between two things, as an operator does."""
        before = self.peek(-2) if self.at > 1 else None
        ends_factor = before is not None and (
            before.kind in ("num", "name")
            or (before.kind == "cmd" and before.text not in NO_FACTORS)
            or before.text in (")", "]", "}", "!")
        )
        after = self.peek()
        return ends_factor and (
            after.kind in ("num", "name", "cmd") or after.text in ("(", "[", "{", "|", "-")
        )

    def _vertices(self, name: str) -> str:
        """The letters of an angle or a triangle; ``DCA`` is the angle ``ACD``, and a triangle's order is free."""
        letters = ""
        while self.peek().kind == "name":
            letters += self.take().text
        if name == "triangle" and len(letters) == 3:
            return "".join(sorted(letters))
        return min(letters, letters[::-1]) if len(letters) == 3 else letters

    def _named_set(self) -> Node:
        letter = self.argument_text()
        if letter not in ("R", "Z", "N", "Q", "C"):
            raise ParseError(f"no set called {letter!r}")
        return NamedSet(letter)

    def _paired(self, name: str) -> Node:
        with self.deeper():
            inside = self.items()
            if not self.is_cmd(_PAIRS[name]):
                raise ParseError(f"\\{name} is not closed")
            self.at += 1
        if name == "langle":
            return Seq("(", ")", inside.items if isinstance(inside, Items) else (inside,))
        return Apply({"lfloor": "floor", "lceil": "ceil"}[name], (inside,))

    # --- functions

    def function(self, name: str) -> Node:
        r"""Read the argument of the function ``name``, its power (``\sin^2 x``) and its base (``\log_2 x``)."""
        if name in ("sqrt", "cbrt"):
            return self._root(name)
        power: Node | None = None
        base: Node | None = None
        while self.is_op("^", "_"):
            if self.take().text == "^":
                if self._degree_sign():
                    raise ParseError("a degree sign after a function")
                power = self._exponent()
            else:
                base = self.argument(digit=True)
        inverse = power == MINUS_ONE and name in ("sin", "cos", "tan")
        call = called("a" + name if inverse else name, base, self._arguments())
        return call if power is None or inverse else Pow(call, power)

    def _root(self, name: str) -> Node:
        degree: Node = Num(3 if name == "cbrt" else 2)
        if self.is_op("["):
            self.at += 1
            degree = self.items()
            self.expect("]")
        inside = as_operand(self.argument())
        if isinstance(degree, Num) and isinstance(degree.value, int) and degree.value > 0:
            return Pow(inside, Num(Fraction(1, degree.value)), root=True)
        return Pow(inside, divide(Num(1), degree), root=True)

    def _arguments(self) -> tuple[Node, ...]:
        """Brackets after the function, or the factors up to the next sign, function or separator."""
        if self.is_op("(", "{", "[", "\\{"):
            with self.deeper():
                inside = self.power() if not self.is_op("{") else self.argument()
            if isinstance(inside, Seq | Items | SetOf):
                return inside.items
            return (inside,)
        negative = False
        while self.is_op("-", "+"):
            negative ^= self.take().text == "-"
        with self.deeper():
            factors = [self.power()]
        while self._continues_argument():
            if self.is_op("/") or self.is_cmd("cdot", "times") or self.is_op("*"):
                divides = self.take().text == "/"
                factors.append(Pow(self.power(), MINUS_ONE) if divides else self.power())
            else:
                factors.append(self.power())
        node = mul(factors)
        return (negate(node) if negative else node,)

    def _continues_argument(self) -> bool:
        token, following = self.peek(), self.peek(1)
        if token.kind == "name":
            if self.integrals and token.text[0] == "d":
                return False
            return token.text not in SPELLINGS and self._starts_factor()
        if token.kind == "num":
            return True
        if token.kind == "cmd":
            return token.text in ("pi", "frac") or token.text in GREEK
        if token.text == "/":
            return following.kind == "num"
        return False

    # --- sums, integrals, limits

    def _bounds(self) -> tuple[Node | None, Node | None]:
        low: Node | None = None
        high: Node | None = None
        while self.is_op("_", "^"):
            if self.take().text == "_":
                low = self.argument()
            else:
                high = self._exponent()
        return low, high

    def _big(self, kind: str) -> Node:
        low, high = self._bounds()
        if not (isinstance(low, Rel) and low.ops == ("=",) and high is not None):
            raise ParseError(f"a {kind} without its range")
        variable, start = low.sides
        with self.deeper():
            body = self.product()
        return Big(kind, bound_name(variable), start, high, body)

    def _integral(self) -> Node:
        low, high = self._bounds()
        if low is None or high is None:
            raise ParseError("an integral without bounds")
        self.integrals += 1
        with self.deeper():
            body = self.sum()
        self.integrals -= 1
        factors = body.factors if isinstance(body, Mul) else (body,)
        if len(factors) >= 2 and factors[-2] == Sym("d") and isinstance(factors[-1], Sym):
            return Big("int", factors[-1].name, low, high, mul(list(factors[:-2]) or [Num(1)]))
        raise ParseError("an integral without its differential")

    def _limit(self) -> Node:
        self.expect("_")
        braced = self.is_op("{")
        self.at += braced
        variable = self.atom()
        if not self.is_cmd("to"):
            raise ParseError("a limit without an arrow")
        self.at += 1
        point = self.sum()
        if braced:
            self.expect("}")
        with self.deeper():
            body = self.product()
        return Big("lim", bound_name(variable), point, ZERO, body)

    # --- matrices, systems and functions in pieces

    def _environment(self, name: str) -> Node:
        if name not in MATRICES | SYSTEMS:
            raise ParseError(f"no meaning for the environment {name!r}")
        in_rows, self.in_rows = self.in_rows, True
        rows: list[list[Node]] = [[]]
        with self.deeper():
            while not self.is_cmd(f"end {name}"):
                if self.is_cmd("\\"):
                    self.at += 1
                    rows.append([])
                elif self.is_op("&") or (self.is_op(",", ".", ";") and name != "array"):
                    self.at += 1
                elif self.peek().kind == "end":
                    raise ParseError(f"\\begin{{{name}}} is not closed")
                elif name in SYSTEMS and self.is_word(*_CASE_WORDS, *_REST_WORDS):
                    if self.take().text.strip(" ,.:").lower() in _REST_WORDS:
                        rows[-1].append(ALWAYS)
                else:
                    rows[-1].append(self.relation())
            self.at += 1
        self.in_rows = in_rows
        return arranged(name, [row for row in rows if row])
