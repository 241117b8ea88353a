"""Integrals, infinite series and limits by sympy, where no number settles them.

``same_symbolically`` sends two expressions to a worker process, since sympy has no time limit; ``same_by_sympy``
answers there. Expressions are built node by node from the parsed tree; nothing is evaluated from text.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verifier.functions_table import BY_NAME
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.tree import Add, Apply, Big, Const, Degree, Mul, Node, Num, ParseError, Percent, Pow, Sym, walk
from verifier.values.calculus import is_analysis
from verifier.workers.pool import WorkerError, ask

SECONDS = 1.2  # all that a comparison may take, a worker's start included


def has_analysis(node: Node) -> bool:
    """Whether ``node`` holds a limit, an integral or an infinite series."""
    return any(isinstance(n, Big) and is_analysis(n) for n in walk(node))


def same_symbolically(a: Node, b: Node) -> Comparison:
    """Compare two expressions with sympy in a worker."""
    try:
        request = {"op": "symbolic", "a": repr_of(a), "b": repr_of(b)}
        same = ask(request, SECONDS).get("same")
    except ParseError:
        return unverifiable("a part that computer algebra does not take")
    except WorkerError as error:
        return unverifiable(f"computer algebra gave no answer: {error}")
    if same is None:
        return unverifiable("computer algebra could not decide")
    return (
        correct("the same by computer algebra")
        if same
        else incorrect("computer algebra gives different values")
    )


# --- sending trees


def repr_of(node: Node) -> list[Any]:
    """Return an expression as nested lists for JSON."""
    match node:
        case Num(value):
            return ["num", str(value)]
        case Sym(name):
            return ["sym", name]
        case Const(name):
            return ["const", name]
        case Add(nodes):
            return ["add", *map(repr_of, nodes)]
        case Mul(nodes):
            return ["mul", *map(repr_of, nodes)]
        case Pow(base, exponent, root):
            return ["root" if root else "pow", repr_of(base), repr_of(exponent)]
        case Apply(name, nodes):
            return ["call", name, *map(repr_of, nodes)]
        case Big(kind, variable, low, high, body):
            return ["big", kind, variable, repr_of(low), repr_of(high), repr_of(body)]
        case Percent(value):
            return ["mul", repr_of(value), ["num", "1/100"]]
        case Degree(value):
            return ["mul", repr_of(value), ["const", "pi"], ["num", "1/180"]]
    raise ParseError("not an expression")


# --- in the worker


def same_by_sympy(a: list[Any], b: list[Any]) -> bool | None:
    """Return whether two expressions are equal, or None where sympy cannot say."""
    import sympy

    difference = sympy.simplify((_build(a, {}, sympy) - _build(b, {}, sympy)).doit())
    if difference == 0:
        return True
    if difference.free_symbols:
        value = sympy.simplify(sympy.expand(difference, complex=False))
        return True if value == 0 else None
    number = sympy.N(difference, 30, chop=False)
    if not number.is_number or number.has(sympy.nan, sympy.Integral, sympy.Sum):
        return None
    return None if abs(number) < sympy.Float("1e-20") else False


def _build(node: list[Any], bound: dict[str, Any], sympy: Any) -> Any:
    kind, *rest = node

    def build(part: list[Any]) -> Any:
        return _build(part, bound, sympy)

    builders: dict[str, Callable[[], Any]] = {
        "num": lambda: sympy.Rational(*Fraction(rest[0]).as_integer_ratio()),
        "sym": lambda: bound.get(rest[0], sympy.Symbol(rest[0], positive=True)),
        "const": lambda: bound.get(
            rest[0], {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}[rest[0]]
        ),
        "add": lambda: sympy.Add(*map(build, rest)),
        "mul": lambda: sympy.Mul(*map(build, rest)),
        "pow": lambda: sympy.Pow(*map(build, rest)),
        "root": lambda: sympy.Pow(*map(build, rest)),
        "call": lambda: getattr(sympy, BY_NAME[rest[0]].sympy or "")(*map(build, rest[1:])),
        "big": lambda: _build_big(rest, bound, sympy),
    }
    return builders[kind]()


def _build_big(parts: list[Any], bound: dict[str, Any], sympy: Any) -> Any:
    kind, name, low, high, body = parts
    variable = sympy.Symbol(name, integer=True) if kind in ("sum", "prod") else sympy.Symbol(name, real=True)
    start, end = _build(low, bound, sympy), _build(high, bound, sympy)
    inside = _build(body, {**bound, name: variable}, sympy)
    if kind == "lim":
        return sympy.limit(inside, variable, start)
    return {"sum": sympy.Sum, "prod": sympy.Product, "int": sympy.Integral}[kind](
        inside, (variable, start, end)
    )
