"""Compare expressions once more where their notation leaves open what is meant."""

from __future__ import annotations

from itertools import permutations

from verifier.comparison.expressions import same_expression
from verifier.outcome import Comparison, correct, unverifiable
from verifier.patterns import pattern
from verifier.tree import Add, Apply, Node, Rel, Sym, free_symbols, multiplied_out, renamed, subtract, walk
from verifier.verdict import Rounding

_INTEGRATION = frozenset({"C", "c", "C_1", "c_1", "C_0", "K", "k"})
_CERTAIN = frozenset({"C", "c", "C_1", "c_1", "C_0", "K"})  # one of them a capital: a constant of integration


def read_otherwise(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Return an outcome if two expressions that differ may be the same in another reading; else None."""
    return _as_products(a, b, rounding) or _up_to_a_constant(a, b, rounding)


def _as_products(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Compare with ``P(1+r)`` read as a product; None where that makes no difference.

    It is a product for certain only if the letter stands alone somewhere, and is none that is used for functions.
    """
    calls = [n for n in (*walk(a), *walk(b)) if isinstance(n, Apply) and n.name.endswith("()")]
    names = {call.name.removesuffix("()") for call in calls}
    if not names or not same_expression(multiplied_out(a), multiplied_out(b), rounding).correct:
        return None
    if names <= (free_symbols(a) | free_symbols(b)) - {"f", "F", "g", "G"}:
        return correct("the same where letters before brackets are factors")
    return unverifiable("letters before brackets may be functions or factors")


def _up_to_a_constant(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """``x^2 + c`` is ``x^2 + C`` and ``x^2 + C_1``; it may be ``x^2 + k``, or that is another letter."""
    one, other = (_without_constant(node) for node in (a, b))
    if one is None or other is None:
        return None
    if not same_expression(one, other, rounding).correct:
        return _up_to_a_number(one, other, free_symbols(a) | free_symbols(b))
    letters = (free_symbols(a) ^ free_symbols(b)) & _INTEGRATION
    if letters <= _CERTAIN and any(letter[0] == "C" for letter in letters):
        return correct("the same up to the name of a constant of integration")
    return unverifiable("the same but for a letter that may be a constant of integration")


def _up_to_a_number(one: Node, other: Node, letters: frozenset[str]) -> Comparison | None:
    r"""``\sin^2 x + C`` is ``-\cos^2 x + C``: ``C`` takes up the number by which they differ; else None.

    So it is in one variable written small; ``180 - A + C`` is left alone.
    """
    names = free_symbols(one) | free_symbols(other)
    variable = next(iter(names))
    if len(names) > 1 or not variable.islower() or not (letters - names) <= _CERTAIN or "C" not in letters:
        return None
    gap = subtract(one, other)
    if not same_expression(gap, renamed(gap, {variable: "x" if variable != "x" else "t"})).correct:
        return None
    return correct("the same up to a number, which the constant of integration takes up")


_INDEXED = pattern(r"[Cc]_\d")
_CALLED_SO = frozenset({"C", "c"})
_BY_CUSTOM = frozenset({"A", "B", "D", "K", "k"})  # constants of integration at times, quantities at others
MAX_CONSTANTS = 3


def with_constants_named(a: Node, b: Node) -> tuple[list[Node], bool]:
    """Return ``b`` with its constants of integration (``C_1``, ``c``) called as those of ``a``, in each order.

    Beside them whether they are such for certain: ``A`` and ``B`` may be. Nothing is returned where they have none, or
    stand for all there is, as in ``c_1 = 3`` and ``A = 2x``.
    """
    if not any(name in _CALLED_SO | _BY_CUSTOM or _INDEXED.fullmatch(name) for name in free_symbols(a)):
        return [], False
    left, right = _constants(a, b), _constants(b, a)
    if not 0 < len(left) == len(right) <= MAX_CONSTANTS or free_symbols(a) <= {*left, "y"}:
        return [], False
    families = [renamed(b, dict(zip(right, order, strict=True))) for order in permutations(left)]
    named = [[bool(_INDEXED.fullmatch(n)) or n in _CALLED_SO for n in side] for side in (left, right)]
    return families, all(map(all, named)) or any(all(map(_INDEXED.fullmatch, side)) for side in (left, right))


def _constants(node: Node, other: Node) -> list[str]:
    """Return the letters of ``node`` that may be constants of integration, in order."""
    sides = node.sides if isinstance(node, Rel) else (node,)
    named = {side.name for side in sides if isinstance(side, Sym)}
    if any(
        _without_constant(side) is not None for side in sides
    ):  # x^2 + c: `_up_to_a_constant` compares those
        return sorted(filter(_INDEXED.fullmatch, free_symbols(node)))
    indexed = set(filter(_INDEXED.fullmatch, free_symbols(node)))
    return sorted(indexed | (free_symbols(node) - free_symbols(other) - named) & (_BY_CUSTOM | _CALLED_SO))


def _without_constant(node: Node) -> Node | None:
    """Return a sum in variables without the one letter in it that may be a constant; None for anything else."""
    constants = [n for n in walk(node) if isinstance(n, Sym) and n.name in _INTEGRATION]
    if not isinstance(node, Add) or len(constants) != 1 or constants[0] not in node.terms:
        return None
    rest = tuple(term for term in node.terms if term != constants[0])
    return Add(rest) if free_symbols(Add(rest)) else None
