r"""Compare residues: ``x \\equiv 12 \\pmod 7`` and ``x \\equiv 5 \\pmod 7``."""

from __future__ import annotations

from verifier.comparison.expressions import same_expression
from verifier.outcome import Comparison, correct, incorrect, unverifiable
from verifier.tree import LimitError, Node, NotRationalError, Residue, UndefinedError
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


def _congruent(x: Node, y: Node, modulus: Node) -> bool | None:
    try:
        difference, m = exact_value(x) - exact_value(y), exact_value(modulus)
    except (NotRationalError, UndefinedError, LimitError):
        return None
    return difference % m == 0 if m else None
