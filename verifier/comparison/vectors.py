r"""Read sums of unit vectors, such as ``2\\mathbf{i} - \\mathbf{j}``, as the components of a vector."""

from __future__ import annotations

from verifier.tree import ZERO, Add, Const, Mul, Node, Num, Sym, mul

_BASES: tuple[tuple[Node, Node, Node], ...] = (
    (Sym("vec(i)"), Sym("vec(j)"), Sym("vec(k)")),
    (Const("i"), Sym("j"), Sym("k")),
)


def as_sequence(node: Node, length: int) -> tuple[Node, ...] | None:
    """Return the ``length`` components of a sum of unit vectors; None for anything else, such as ``3 + 4i``."""
    if length not in (2, 3):
        return None
    for basis in _BASES:
        components = _components(node, basis[:length])
        if components is not None:
            return components
    return None


def _components(node: Node, basis: tuple[Node, ...]) -> tuple[Node, ...] | None:
    found: list[Node] = [ZERO] * len(basis)
    for term in node.terms if isinstance(node, Add) else (node,):
        factors: list[Node] = list(term.factors) if isinstance(term, Mul) else [term]
        places = [k for k, vector in enumerate(basis) if vector in factors]
        if len(places) != 1 or found[places[0]] != ZERO:
            return None
        factors.remove(basis[places[0]])
        found[places[0]] = mul(factors) if factors else Num(1)
    return tuple(found)
