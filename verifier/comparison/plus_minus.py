"""Write out answers with a plus-minus sign as the list of their two readings."""

from __future__ import annotations

from dataclasses import replace

from verifier.tree import (
    Add,
    Apply,
    Degree,
    Items,
    Mul,
    Node,
    Num,
    Percent,
    Pm,
    Pow,
    Quantity,
    Rel,
    Seq,
    SetOf,
    includes,
    mul,
)


def expanded(node: Node) -> Node:
    """Write an answer with a plus-minus sign as the list of its two readings."""
    if not includes(node, Pm):
        return node
    if isinstance(node, Items):
        parts = [expanded(item) for item in node.items]
        flat = [x for p in parts for x in (p.items if isinstance(p, Items) else (p,))]
        return Items(tuple(flat), node.disjoint)
    if isinstance(node, SetOf):
        inner = expanded(Items(node.items))
        return SetOf(inner.items) if isinstance(inner, Items) else node
    return Items((_signed(node, 1), _signed(node, -1)), True)


def _signed(node: Node, sign: int) -> Node:
    match node:
        case Pm(flip):
            return Num(-sign if flip else sign)
        case Add(terms):
            return Add(tuple(_signed(t, sign) for t in terms))
        case Mul(factors):
            return mul([_signed(f, sign) for f in factors])
        case Pow(base, exponent, root):
            return Pow(_signed(base, sign), _signed(exponent, sign), root)
        case Apply(name, args):
            return Apply(name, tuple(_signed(x, sign) for x in args))
        case Seq(opening, closing, items):
            return Seq(opening, closing, tuple(_signed(x, sign) for x in items))
        case Rel(sides, ops):
            return Rel(tuple(_signed(x, sign) for x in sides), ops)
        case Degree(value) | Percent(value):
            return replace(node, value=_signed(value, sign))
        case Quantity(value, unit):
            return Quantity(_signed(value, sign), unit)
    return node
