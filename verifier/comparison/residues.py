r"""Compare residues: ``x \\equiv 12 \\pmod 7`` and ``x \\equiv 5 \\pmod 7``."""

from __future__ import annotations

from verifier.comparison.expressions import same_expression
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.tree import Add, LimitError, Mul, Node, NotRationalError, Num, Residue, Sym, UndefinedError
from verifier.values.exact import exact_value
from verifier.verdict import Rounding


def compare_residues(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Compare two residues, or a residue and a number; None where neither answer is a residue."""
    moduli = [n.modulus for n in (a, b) if isinstance(n, Residue)]
    if not moduli:
        return None
    if len(moduli) == 2 and not same_expression(moduli[0], moduli[1]).correct:
        return incorrect("residues of different moduli")
    x, y = (n.value if isinstance(n, Residue) else n for n in (a, b))
    same = same_expression(x, y, rounding)
    if same.correct:
        return same
    congruent = _congruent(x, y, moduli[0])
    if congruent is None:
        return unverifiable("residues that cannot be reduced")
    if not congruent:
        return incorrect("they are not congruent")
    return correct("they are congruent") if len(moduli) == 2 else unverifiable("a number that is congruent")


def as_residues(x: Node, y: Node) -> tuple[Node, Node]:
    """Return both, where one is a residue and the other ``5k + 3`` with that as the residue 3 modulo 5."""
    if isinstance(x, Residue) == isinstance(y, Residue):
        return x, y
    return (x, _of_family(y)) if isinstance(x, Residue) else (_of_family(x), y)


def _of_family(node: Node) -> Node:
    match node:
        case Add((Mul((Num(int(step)), Sym("k" | "n" | "m" | "t"))), Num(first))):
            return Residue(Num(first), Num(abs(step)))
        case Add((Num(int(first)), Mul((Num(int(step)), Sym("k" | "n" | "m" | "t"))))):
            return Residue(Num(first), Num(abs(step)))
    return node


def _congruent(x: Node, y: Node, modulus: Node) -> bool | None:
    try:
        difference, m = exact_value(x) - exact_value(y), exact_value(modulus)
    except (NotRationalError, UndefinedError, LimitError):
        return None
    return difference % m == 0 if m else None
