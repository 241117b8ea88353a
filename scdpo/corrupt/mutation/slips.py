"""Where a cell can go wrong: a walk over its syntax tree that notes each slip that could be made there.

Not covered: strings (f-strings included), imports, names that are assigned, exponents, and the number of digits to
round to, whose change the later text could not reflect.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import libcst as cst

_OPERATORS: Final[dict[type[cst.BaseBinaryOp], tuple[type[cst.BaseBinaryOp], ...]]] = {
    cst.Add: (cst.Subtract, cst.Multiply),
    cst.Subtract: (cst.Add,),
    cst.Multiply: (cst.Divide, cst.Add),
    cst.Divide: (cst.Multiply, cst.FloorDivide),
    cst.FloorDivide: (cst.Multiply, cst.Modulo),
    cst.Modulo: (cst.FloorDivide,),
    cst.Power: (cst.Multiply,),
}
SYMBOLS: Final[dict[type[cst.CSTNode], str]] = {
    cst.Add: "+",
    cst.Subtract: "-",
    cst.Multiply: "*",
    cst.Divide: "/",
    cst.FloorDivide: "//",
    cst.Modulo: "%",
    cst.Power: "**",
    cst.LessThan: "<",
    cst.LessThanEqual: "<=",
    cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
    cst.Equal: "==",
    cst.NotEqual: "!=",
}
_COMPARISONS: Final[dict[type[cst.BaseCompOp], type[cst.BaseCompOp]]] = {
    cst.LessThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.LessThan,
    cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan,
}
_FUNCTIONS: Final[dict[str, tuple[str, ...]]] = {
    "sum": ("max", "len"),
    "max": ("min", "sum"),
    "min": ("max",),
    "floor": ("ceil",),
    "ceil": ("floor",),
    "ceiling": ("floor",),
    "round": ("int",),
    "sin": ("cos",),
    "cos": ("sin",),
    "tan": ("sin",),
    "asin": ("acos",),
    "acos": ("asin",),
    "atan": ("asin",),
    "gcd": ("lcm",),
    "lcm": ("gcd",),
    "igcd": ("ilcm",),
    "ilcm": ("igcd",),
    "comb": ("perm",),
    "perm": ("comb",),
    "binomial": ("ff",),
    "combinations": ("permutations",),
    "permutations": ("combinations",),
    "combinations_with_replacement": ("combinations",),
    "log": ("log10", "log2"),
    "log10": ("log",),
    "log2": ("log",),
    "degrees": ("radians",),
    "radians": ("degrees",),
    "diff": ("integrate",),
    "numer": ("denom",),
    "denom": ("numer",),
}
_BUILTIN: Final = frozenset(["sum", "max", "min", "round", "len", "int", "abs"])
_UNWRAPPED: Final = frozenset(["sqrt", "abs", "Abs", "factorial", "floor", "ceil", "int", "round"])
# Whether the arguments of these are the data of the problem or only names, digits and layout.
_OPAQUE_CALLS: Final = frozenset(
    ["symbols", "Symbol", "print", "round", "N", "evalf", "n", "format", "join", "open"]
)


# What factors between units, and percentages, are taken for.
_CONVERSIONS: Final[dict[int, tuple[int, ...]]] = {
    7: (5, 6, 8),
    12: (10, 11, 13),
    24: (12, 25),
    30: (31, 28),
    52: (50, 48),
    60: (100, 50),
    90: (180, 45),
    100: (10, 1000),
    180: (90, 360),
    360: (180, 90),
    365: (360, 364),
    1000: (100,),
}


MOST_STATED: Final = 8
"""Named numbers of a cell that are exchanged two by two, at most."""

_UNTOUCHED: Final = (
    cst.FormattedString,
    cst.ConcatenatedString,
    cst.Import,
    cst.ImportFrom,
    cst.Decorator,
    cst.Annotation,
    cst.AssignTarget,
)


@dataclass(frozen=True, slots=True)
class Site:
    """A node, what takes its place, and which kind of slip that is."""

    kind: str
    node: cst.CSTNode
    replacement: cst.CSTNode | cst.RemovalSentinel
    operators: frozenset[str] = frozenset()
    operator: str = ""  # in place of the only one of them
    also: tuple[cst.CSTNode, cst.CSTNode] | None = None  # a second node, and what takes its place


class SlipCollector(cst.CSTVisitor):
    """Walks a cell and notes where it can go wrong."""

    def __init__(self, tree: cst.Module, earlier: Sequence[str]) -> None:
        super().__init__()
        self.sites: list[Site] = []
        self._tree = tree
        self._in_statement: set[str] = set()
        self._stated: list[cst.Integer | cst.Float] = []  # numbers that are given a name
        # Names with plain values, in the order of their assignment.
        self._assigned = list(dict.fromkeys(earlier))

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Pass over what must not be touched: text, names that are given, and what a cell only shows."""
        if isinstance(node, _UNTOUCHED) or (isinstance(node, cst.Arg) and node.keyword is not None):
            return False
        if isinstance(node, cst.Expr):
            shown = node.value.elements if isinstance(node.value, cst.Tuple | cst.List) else []
            if isinstance(node.value, cst.Name) or any(isinstance(e.value, cst.Name) for e in shown):
                return False  # another variable shown is no slip of the reckoning
        return super().on_visit(node)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Bring in a quantity that does not belong into a sum: the one that was named last and is not used there.

        Added to a product or a ratio it would mostly be of another unit.
        """
        if isinstance(node.value, cst.Integer | cst.Float):
            self._stated.append(node.value)
        others = [name for name in self._assigned if name not in self._in_statement]
        value = node.value
        if (
            others
            and isinstance(value, cst.BinaryOperation)
            and isinstance(value.operator, cst.Add | cst.Subtract)
        ):
            for operator in (cst.Add(), cst.Subtract()):
                added = cst.BinaryOperation(node.value, operator, cst.Name(others[-1]))
                self._add("added_term", node.value, added)

    def note_exchanges(self) -> None:
        """Exchange two numbers of the problem that the cell names; call it after the walk."""
        for one, other in itertools.combinations(self._stated[:MOST_STATED], 2):
            if one.value != other.value and {one.value, other.value}.isdisjoint({"0", "1"}):
                also = (other, other.with_changes(value=one.value))
                self.sites.append(
                    Site("swapped_premises", one, one.with_changes(value=other.value), also=also)
                )

    def leave_Assign(self, original_node: cst.Assign) -> None:
        """Note the names that hold numbers, once they are assigned."""
        for target in original_node.targets:
            if isinstance(target.target, cst.Name) and self._is_value(original_node.value):
                name = target.target.value
                if name not in self._assigned:
                    self._assigned.append(name)

    def _is_value(self, value: cst.BaseExpression) -> bool:
        """Whether an assigned expression is a number for all that can be told from its form."""
        if isinstance(value, cst.Call):
            name = value.func.value if isinstance(value.func, cst.Name) else ""
            return (
                name in _FUNCTIONS
                or name in _BUILTIN
                or name in ("sqrt", "Fraction", "Rational", "factorial")
            )
        return isinstance(value, cst.Integer | cst.Float | cst.BinaryOperation | cst.UnaryOperation)

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> bool:
        """Take another operator, forget an operand, exchange the operands, lose the parentheses."""
        operator = type(node.operator)
        symbol = frozenset([SYMBOLS.get(operator, "")])
        space = {
            "whitespace_before": _space(node.operator),
            "whitespace_after": _space(node.operator, after=True),
        }
        for other in _OPERATORS.get(operator, ()):
            changed = node.with_changes(operator=other(**space))  # type: ignore[arg-type]
            self._add("operator", node, changed, symbol, SYMBOLS[other])
        if operator in (cst.Subtract, cst.Divide):
            swapped = node.with_changes(left=_grouped(node.right), right=_grouped(node.left))
            self._add("swapped_operands", node, swapped, symbol)
        if operator in (cst.Add, cst.Subtract, cst.Multiply, cst.Divide) and not _is_unit(node.right):
            self._add("dropped_term", node, _keep_parentheses(node, node.left), symbol)
        if operator in (cst.Add, cst.Subtract) and _is_unit(node.right):
            self._add("off_by_one", node, _keep_parentheses(node, node.left), symbol)
        if operator in (cst.Add, cst.Multiply) and not isinstance(node.left, cst.Integer | cst.Float):
            self._add("dropped_term", node, _keep_parentheses(node, node.right), symbol)
        if operator is cst.Power:
            node.left.visit(self)  # the later text could not follow another exponent
            return False
        self._regroup(node)
        return True

    def _regroup(self, node: cst.BinaryOperation) -> None:
        """Leave out parentheses that matter: ``(a + b) * c`` becomes ``a + b * c``."""
        if isinstance(node.operator, cst.Multiply | cst.Divide):
            for side in ("left", "right"):
                inner = getattr(node, side)
                if (
                    isinstance(inner, cst.BinaryOperation)
                    and isinstance(inner.operator, cst.Add | cst.Subtract)
                    and inner.lpar
                ):
                    self._add(
                        "lost_parentheses",
                        node,
                        node.with_changes(**{side: inner.with_changes(lpar=[], rpar=[])}),
                    )

    def visit_Comparison(self, node: cst.Comparison) -> None:
        """Let a bound in, or leave it out."""
        for index, target in enumerate(node.comparisons):
            other = _COMPARISONS.get(type(target.operator))
            if other is None:
                continue
            space = {
                "whitespace_before": _space(target.operator),
                "whitespace_after": _space(target.operator, after=True),
            }
            comparisons = list(node.comparisons)
            comparisons[index] = target.with_changes(operator=other(**space))  # type: ignore[arg-type]
            self._add("comparison", node, node.with_changes(comparisons=comparisons))

    def visit_Call(self, node: cst.Call) -> bool:
        """Take another function, leave one out, exchange its arguments."""
        name = _called(node)
        if name == "range":
            self._range(node)
            return True
        opaque = name in _OPAQUE_CALLS
        plain = isinstance(node.func, cst.Name)
        for other in _FUNCTIONS.get(name, ()):
            one_argument = len(node.args) == 1 or other not in ("int", "sum", "len")
            if one_argument and (other in _BUILTIN or not plain or self._reachable(other)):
                self._add("wrong_function", node, self._renamed(node, other))
        if plain and name in _UNWRAPPED and len(node.args) == 1 and not node.args[0].star:
            self._add("dropped_function", node, _grouped(node.args[0].value))
        if (
            len(node.args) == 2
            and not opaque
            and name in ("Fraction", "Rational", "comb", "binomial", "pow", "C")
        ):
            first, second = node.args
            swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
            self._add("swapped_arguments", node, node.with_changes(args=swapped))
        if name == "round" and node.args:
            node.args[0].visit(self)
        return not opaque

    def _reachable(self, other: str) -> bool:
        """Whether ``other`` is surely defined where ``name`` is: star imports, or it is named in the cell."""
        source = self._tree.code
        return bool(re.search(rf"\b{other}\b", source) or re.search(r"from (?:sympy|math) import \*", source))

    @staticmethod
    def _renamed(node: cst.Call, other: str) -> cst.Call:
        if isinstance(node.func, cst.Attribute):
            if other in _BUILTIN:
                return node.with_changes(func=cst.Name(other))
            return node.with_changes(func=node.func.with_changes(attr=cst.Name(other)))
        return node.with_changes(func=cst.Name(other))

    def _range(self, node: cst.Call) -> None:
        """Move a bound of a range by one."""
        for index, arg in enumerate(node.args[:2]):
            upper = index == len(node.args[:2]) - 1
            value = arg.value
            others: list[cst.BaseExpression] = []
            if isinstance(value, cst.Integer):
                others = [cst.Integer(str(int(value.value, 0) + (-1 if upper else 1)))]
            elif isinstance(value, cst.BinaryOperation) and _is_unit(value.right):
                others = [value.left]
            elif upper and isinstance(value, cst.Name | cst.Call):
                others = [cst.BinaryOperation(value, cst.Subtract(), cst.Integer("1"))]
            for other in others:
                args = list(node.args)
                args[index] = arg.with_changes(value=other)
                self._add("off_by_one", node, node.with_changes(args=args))

    def visit_Subscript(self, node: cst.Subscript) -> bool:
        """Take another element: the next, the first, the last."""
        if len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Index):
            index = node.slice[0]
            source = self._tree.code_for_node(index.slice).strip()
            for other in {"0": ("1", "-1"), "1": ("0",), "-1": ("0",), "2": ("1",)}.get(source, ()):
                value = index.with_changes(slice=cst.Index(cst.parse_expression(other)))
                self._add("wrong_element", node, node.with_changes(slice=[value]))
        node.value.visit(self)
        return False

    def visit_Integer(self, node: cst.Integer) -> None:
        """Misread a number."""
        if not node.value.isdigit() or len(node.value) > 9:
            return
        for other in _near_integers(int(node.value)):
            self._add("constant", node, node.with_changes(value=str(other)))

    def visit_Float(self, node: cst.Float) -> None:
        """Misplace the point, or turn two decimals round: 0.5 and 0.05, 1.25 and 1.52."""
        match = re.fullmatch(r"(\d{1,6})\.(\d{1,4})", node.value)
        if match is None:
            return
        whole, decimals = match.groups()
        others = {f"{int(whole) + 1}.{decimals}"} if int(whole) else {f"0.0{decimals}"}
        if len(decimals) == 2 and decimals[1] not in ("0", decimals[0]):
            others.add(f"{whole}.{decimals[::-1]}")
        for other in sorted(others):
            self._add("constant", node, node.with_changes(value=other))

    def visit_Name(self, node: cst.Name) -> None:
        """Take another variable that holds a number, of a similar name where there is one."""
        if node.value not in self._assigned:
            return
        others = [name for name in self._assigned if name not in self._in_statement]
        alike = [name for name in others if set(name.split("_")) & set(node.value.split("_"))]
        for other in (alike or others)[-3:]:
            self._add("variable", node, cst.Name(other))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        """Subtract where it should add, and the other way round."""
        if isinstance(node.operator, cst.AddAssign):
            self._add("operator", node, node.with_changes(operator=cst.SubtractAssign()), frozenset("+"))
        elif isinstance(node.operator, cst.SubtractAssign):
            self._add("operator", node, node.with_changes(operator=cst.AddAssign()), frozenset("-"))

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> None:
        """Forget a line that works on a value that is there without it."""
        self._in_statement = set(re.findall(r"[A-Za-z_]\w*", self._tree.code_for_node(node)))
        if len(node.body) != 1:
            return
        statement = node.body[0]
        if isinstance(statement, cst.AugAssign):
            self._add("dropped_line", node, cst.RemoveFromParent())
        elif isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            target = statement.targets[0].target
            if isinstance(target, cst.Name) and target.value in self._assigned:
                self._add("dropped_line", node, cst.RemoveFromParent())

    def _add(
        self,
        kind: str,
        node: cst.CSTNode,
        replacement: cst.CSTNode | cst.RemovalSentinel,
        operators: frozenset[str] = frozenset(),
        operator: str = "",
    ) -> None:
        self.sites.append(Site(kind, node, replacement, operators, operator))


def _near_integers(value: int) -> Iterator[int]:
    """Yield what a reader may take a number for: one off, its digits turned round."""
    if value in (0, 1):
        return
    if value in _CONVERSIONS:
        yield from _CONVERSIONS[value]
        return
    digits = str(value)
    if value <= 20:
        yield value + 1
        if value > 2:
            yield value - 1
    if digits[-1] != "0" and digits[0] != digits[-1]:
        turned = int(digits[-1] + digits[1:-1] + digits[0])
        if value <= 2 * turned <= 4 * value:
            yield turned
    if value > 20:
        step = 10 ** (len(digits) - len(digits.rstrip("0")))
        yield value + step
        yield value - step


def _is_unit(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Integer) and node.value == "1"


def _called(node: cst.Call) -> str:
    if isinstance(node.func, cst.Name):
        return node.func.value
    return node.func.attr.value if isinstance(node.func, cst.Attribute) else ""


def _space(operator: cst.CSTNode, after: bool = False) -> cst.BaseParenthesizableWhitespace:
    name = "whitespace_after" if after else "whitespace_before"
    space = getattr(operator, name, None)
    return space if isinstance(space, cst.BaseParenthesizableWhitespace) else cst.SimpleWhitespace(" ")


def _grouped(node: cst.BaseExpression) -> cst.BaseExpression:
    """Put an operation into parentheses, as an operand needs them."""
    if isinstance(node, cst.BinaryOperation | cst.UnaryOperation | cst.Comparison) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


def _keep_parentheses(outer: cst.BinaryOperation, inner: cst.BaseExpression) -> cst.BaseExpression:
    return inner.with_changes(lpar=outer.lpar, rpar=outer.rpar) if outer.lpar else inner
