r"""Printed formulas (``2*sqrt(3)/3``) as LaTeX (``\frac{2\sqrt{3}}{3}``): the old one is found, the new one written.

Reads the small language in which sympy prints exact values and polynomials: numbers, names, ``+ - * / **`` and
``sqrt``. Anything else (functions, relations, matrices) has no form. The source is parsed with ``ast``, not evaluated.
"""

from __future__ import annotations

import ast
import re
from typing import Final

_MAX_SOURCE: Final = 200
_NAMES: Final = {"pi": r"\pi", "I": "i", "E": "e", "theta": r"\theta", "alpha": r"\alpha", "oo": r"\infty"}
_TOKENS: Final = re.compile(r"\\[a-zA-Z]+|[A-Za-z]|\d+(?:\.\d+)?|\S")
STYLES: Final = ("frac", "lead", "slash", "source")


def latex(source: str, style: str) -> str | None:
    r"""Return a printed formula in one of the styles, or None if it has no such form.

    Args:
        source: as sympy prints it.
        style: ``frac`` (``\frac{2\sqrt{3}}{3}``), ``lead`` (``\frac{2}{3}\sqrt{3}``), ``slash`` (``2\sqrt{3}/3``) or
            ``source`` (as printed).
    """
    if len(source) > _MAX_SOURCE:
        return None
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        return source.strip() if style == "source" else _Writer(style).write(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def pattern(form: str) -> re.Pattern[str]:
    """Return what finds a form in a text, whatever its spaces, kind of fraction and signs of multiplication."""
    pieces = []
    for token in _TOKENS.findall(form):
        if token == r"\frac":
            pieces.append(r"\\[dt]?frac")
        else:
            pieces.append(re.escape(token) + (r"(?:\.0+(?!\d))?" if token.isdigit() else ""))
    gap = r"(?:\s|\\[,;!]|\\cdot(?![a-zA-Z])|\\left|\\right){0,4}"
    return re.compile(r"(?<![\w.\\])" + gap.join(pieces) + r"(?![\d]|\.\d)")


def replacements(old: str, new: str) -> list[tuple[re.Pattern[str], str]]:
    """Return ``(pattern of the old formula, the new formula)`` for each style that both formulas have."""
    pairs: list[tuple[re.Pattern[str], str]] = []
    for style in STYLES:
        before, after = latex(old, style), latex(new, style)
        if before is not None and after is not None and not before.isdigit():
            pairs.append((pattern(before), after))
    return pairs


class _Writer:
    """Writes a tree as LaTeX; raises ValueError for what it does not know."""

    def __init__(self, style: str) -> None:
        self._style = style

    def write(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            whole = isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 10**15
            return str(int(node.value)) if whole else str(node.value)
        if isinstance(node, ast.Name):
            return _NAMES.get(node.id, node.id if len(node.id) == 1 else rf"\text{{{node.id}}}")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return "-" + self._factor(node.operand)
        if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.func) == "sqrt":
            return rf"\sqrt{{{self.write(node.args[0])}}}"
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        raise ValueError("no LaTeX form")

    def _operation(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Add | ast.Sub):
            sign = "+" if isinstance(node.op, ast.Add) else "-"
            right = self._factor(node.right) if sign == "-" else self.write(node.right)
            return f"{self.write(node.left)} {sign} {right}"
        if isinstance(node.op, ast.Mult):
            left, right = self._factor(node.left), self._factor(node.right)
            return f"{left} \\cdot {right}" if right[0].isdigit() else f"{left}{right}"
        if isinstance(node.op, ast.Pow):
            base = self._factor(node.left)
            return (
                f"{base}^{{{self.write(node.right)}}}"
                if len(self.write(node.right)) > 1
                else f"{base}^{self.write(node.right)}"
            )
        if isinstance(node.op, ast.Div):
            return self._division(node)
        raise ValueError("no LaTeX form")

    def _division(self, node: ast.BinOp) -> str:
        below = self.write(node.right)
        if self._style == "slash":
            return f"{self._factor(node.left)}/{self._factor(node.right)}"
        sign, above = "", node.left
        if isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.USub):
            sign, above = "-", above.operand
        if self._style == "lead" and isinstance(above, ast.BinOp) and isinstance(above.op, ast.Mult):
            if isinstance(above.left, ast.Constant):
                return rf"{sign}\frac{{{self.write(above.left)}}}{{{below}}}{self._factor(above.right)}"
            if isinstance(above.left, ast.UnaryOp):
                return rf"-\frac{{{self.write(above.left.operand)}}}{{{below}}}{self._factor(above.right)}"
        return rf"{sign}\frac{{{self.write(above)}}}{{{below}}}"

    def _factor(self, node: ast.expr) -> str:
        written = self.write(node)
        inner = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        return f"({written})" if inner else written
