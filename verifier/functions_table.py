"""The one table of functions with a fixed meaning: how each is written, and what it is to exact and ball arithmetic
and to computer algebra.

A new function is one line here: lexer, parser, values, computer algebra and the extraction of bare answers read
this table. Roots (``sqrt``, ``cbrt``), ``exp``, ``cis`` and ``log`` to a base become powers in the parser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from verifier.tree import LimitError, NotRationalError, UndefinedError

MAX_FACTORIAL = 4_000  # of an integer whose factorial is written out
MAX_BINOMIAL = 20_000

ExactRule = Callable[[Sequence[Fraction]], Fraction | int]
BallRule = str | Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        name: its name in the tree.
        spellings: the names it is written by, typed or as a LaTeX command.
        exact: its value at rationals, where that is rational; raises ``NotRationalError`` elsewhere.
        ball: its value at balls: the name of a method of ``flint.arb`` and ``flint.acb``, or a rule for both.
        sympy: its name in sympy, or None where it has none.
        glues: whether it may be typed without a space before its argument or after a letter, as in ``sinx``.
        angle: whether its argument is an angle, so that a huge one has no value here.
    """

    name: str
    spellings: tuple[str, ...]
    exact: ExactRule | None = None
    ball: BallRule | None = None
    sympy: str | None = None
    glues: bool = False
    angle: bool = False


# --- exact rules


def _whole(arguments: Sequence[Fraction]) -> list[int]:
    if not arguments or any(a.denominator != 1 for a in arguments):
        raise NotRationalError
    return [a.numerator for a in arguments]


def _factorial(arguments: Sequence[Fraction]) -> int:
    (n,) = _whole(arguments)
    if n < 0:
        raise UndefinedError("a factorial of a negative integer")
    if n > MAX_FACTORIAL:
        raise LimitError(f"a factorial of more than {MAX_FACTORIAL:,}")
    return math.factorial(n)


def _binomial(arguments: Sequence[Fraction]) -> int:
    n, k = _whole(arguments)
    if n < 0:
        raise NotRationalError
    if n > MAX_BINOMIAL:
        raise LimitError(f"a binomial coefficient of more than {MAX_BINOMIAL:,}")
    return math.comb(n, k) if k >= 0 else 0


def _remainder(arguments: Sequence[Fraction]) -> Fraction:
    number, modulus = arguments
    if modulus == 0:
        raise UndefinedError("a remainder modulo zero")
    return number % modulus


def _sign(arguments: Sequence[Fraction]) -> int:
    return (arguments[0] > 0) - (arguments[0] < 0)


# --- rules for balls


def _complex() -> Any:
    # Names and spellings are read from this table without flint, which takes a while to load.
    from flint import acb

    return acb


def _real(arguments: Sequence[Any]) -> list[Any]:
    if any(isinstance(a, _complex()) for a in arguments):
        raise UndefinedError("an order between numbers that are not real")
    return list(arguments)


def _extreme(method: str) -> BallRule:
    def rule(arguments: Sequence[Any]) -> Any:
        first, *others = _real(arguments)
        for other in others:
            first = getattr(first, method)(other)
        return first

    return rule


def _binomial_ball(arguments: Sequence[Any]) -> Any:
    n, k = arguments
    return (n + 1).gamma() * (k + 1).rgamma() * (n - k + 1).rgamma()


def _of_inverse(method: str) -> BallRule:
    return lambda arguments: getattr(1 / arguments[0], method)()


def _argument(arguments: Sequence[Any]) -> Any:
    return _complex()(arguments[0]).arg()


def _part(method: str) -> BallRule:
    return lambda arguments: getattr(_complex()(arguments[0]), method)


FUNCTIONS: tuple[Function, ...] = (
    *(
        Function(name, spellings, None, name, name, glues=True, angle=True)
        for name, spellings in (
            ("sin", ("sin",)), ("cos", ("cos",)), ("tan", ("tan", "tg")), ("cot", ("cot", "ctg")), ("sec", ("sec",)),
            ("csc", ("csc", "cosec")),
        )
    ),
    *(
        Function(name, spellings, None, name, name, glues=True)
        for name, spellings in (
            ("asin", ("arcsin", "asin")), ("acos", ("arccos", "acos")), ("atan", ("arctan", "atan", "arctg")),
            ("sinh", ("sinh", "sh")), ("cosh", ("cosh", "ch")), ("tanh", ("tanh", "th")),
        )
    ),
    *(
        Function(name, spellings, None, name, name)
        for name, spellings in (
            ("coth", ("coth",)), ("sech", ("sech",)), ("csch", ("csch",)),
            ("asinh", ("asinh", "arsinh", "arcsinh", "arsh")), ("acosh", ("acosh", "arcosh", "arccosh")),
            ("atanh", ("atanh", "artanh", "arctanh", "arth")),
        )
    ),
    Function("acot", ("arccot", "acot"), None, _of_inverse("atan"), "acot"),
    Function("asec", ("arcsec", "asec"), None, _of_inverse("acos"), "asec"),
    Function("acsc", ("arccsc", "acsc"), None, _of_inverse("asin"), "acsc"),
    Function("ln", ("ln", "Log", "Ln"), None, "log", "log", glues=True),
    Function("log", ("log",), None, "log", "log", glues=True),  # without a base: the natural logarithm
    Function("log10", ("log10", "lg")),
    Function("log2", ("log2",)),
    Function("exp", ("exp",), None, "exp", "exp", glues=True),
    Function("sqrt", ("sqrt",), glues=True),
    Function("cbrt", ("cbrt",)),
    Function("abs", ("abs", "Abs"), lambda a: abs(a[0]), lambda a: abs(a[0]), "Abs"),
    Function("floor", ("floor",), lambda a: math.floor(a[0]), lambda a: _real(a)[0].floor(), "floor"),
    Function("ceil", ("ceil", "ceiling"), lambda a: math.ceil(a[0]), lambda a: _real(a)[0].ceil(), "ceiling"),
    Function("sgn", ("sgn", "sign"), _sign, lambda a: _real(a)[0].sgn(), "sign"),
    Function("max", ("max", "Max"), lambda a: max(a), _extreme("max"), "Max"),
    Function("min", ("min", "Min"), lambda a: min(a), _extreme("min"), "Min"),
    Function("gcd", ("gcd", "GCD"), lambda a: math.gcd(*_whole(a)), None, "gcd"),
    Function("lcm", ("lcm", "LCM"), lambda a: math.lcm(*_whole(a)), None, "lcm"),
    Function("mod", ("mod",), _remainder, None, "Mod"),
    Function("factorial", ("factorial",), _factorial, lambda a: (a[0] + 1).gamma(), "factorial"),
    Function("gamma", ("Gamma",), None, "gamma", "gamma"),  # the letter, but for where brackets follow it
    Function("zeta", ("zeta",), None, "zeta", "zeta"),  # the letter, but for where a number in brackets follows it
    Function("cis", ("cis",), glues=True),
    Function("erf", ("erf",), None, "erf", "erf"),
    Function("erfc", ("erfc",), None, "erfc", "erfc"),
    Function("binom", ("binomial",), _binomial, _binomial_ball, "binomial"),
    Function("re", ("Re",), None, _part("real"), "re"),
    Function("im", ("Im",), None, _part("imag"), "im"),
    Function("arg", ("arg", "Arg"), None, _argument, "arg"),
    Function("det", ("det",)),
    Function("dim", ("dim",)),
    Function("deg", ("deg",)),
)  # fmt: skip

BY_NAME: dict[str, Function] = {function.name: function for function in FUNCTIONS}
# A letter of its own has a meaning already: \Gamma and \zeta are variables unless the parser sees brackets behind them,
# and sh, ch, th are functions only as commands, since they are parts of words.
SPELLINGS: dict[str, str] = {
    spelling: function.name
    for function in FUNCTIONS
    for spelling in function.spellings
    if spelling not in ("Gamma", "zeta", "sh", "ch", "th")
}
COMMANDS_ONLY: dict[str, str] = {"sh": "sinh", "ch": "cosh", "th": "tanh"}
GLUED: tuple[str, ...] = tuple(
    sorted((s for f in FUNCTIONS if f.glues for s in f.spellings if s in SPELLINGS and len(s) > 1), key=len)[
        ::-1
    ]
)


def exact_call(name: str, arguments: Sequence[Fraction]) -> Fraction | int:
    """Return the value of a function at rationals.

    Raises:
        NotRationalError: if it has no rational value there by a rule of this table.
        UndefinedError: if it has none at all.
        LimitError: if it is too large to be written out.
    """
    function = BY_NAME.get(name)
    if function is None or function.exact is None or not arguments:
        raise NotRationalError
    try:
        return function.exact(arguments)
    except (ValueError, TypeError) as error:
        if isinstance(error, NotRationalError | LimitError):
            raise
        raise NotRationalError from error
