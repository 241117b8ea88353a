"""Slips that a program can make: one change to the syntax tree of a cell.

Every mutation is one small, nameable slip of the kind models make (a wrong operator, quantity, bound, function …; see
``slips``), written back with the cell's own layout and comments. The code is parsed with libcst and never run here.

Not covered: notebook magics. A cell that is not plain Python has no mutations.
"""

from __future__ import annotations

import ast
import random
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import libcst as cst

from scdpo.corrupt.mutation.slips import Site, SlipCollector
from scdpo.corrupt.mutation.weights import KIND_WEIGHTS

MAX_CODE_CHARACTERS: Final = 3000
_MAX_DEPTH: Final = 60

_NUMERIC: Final = (ast.Constant, ast.BinOp, ast.UnaryOp)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A cell with one slip.

    ``code`` is the whole changed cell; ``before`` and ``after`` are the changed expression alone; ``line`` counts the
    cell's lines from 0; ``operators`` are those of ``before`` that ``after`` no longer has; ``literal`` says that a
    number was put for a number; ``exchanged`` names two numbers that took each other's place.
    """

    kind: str
    code: str
    description: str
    before: str
    after: str
    line: int
    operators: frozenset[str] = frozenset()
    literal: bool = False
    exchanged: tuple[str, ...] = ()


def mutate(code: str, seed: int, earlier: Sequence[str] = ()) -> list[Mutation]:
    """Return every mutation of a cell, in an order that the seed alone decides: kinds by their weights.

    Args:
        code: the cell. Longer than 3,000 characters, nested over 60 deep or not plain Python, it has none.
        seed: decides the order.
        earlier: the cells before it, whose variables may be mistaken for those it uses.
    """
    if len(code) > MAX_CODE_CHARACTERS or not _is_shallow(code):
        return []
    try:
        tree = cst.parse_module(code)
        collector = SlipCollector(tree, [name for cell in earlier for name in _numbers_named(cell)])
        tree.visit(collector)
        collector.note_exchanges()
        mutations = [m for site in collector.sites if (m := _apply(tree, code, site)) is not None]
    except (cst.ParserSyntaxError, cst.CSTValidationError):
        return []
    return _drawn(mutations, seed)


def _is_shallow(code: str) -> bool:
    """Whether the cell is plain Python, nested no deeper than a solution is.

    libcst's parser overruns the C stack on some inputs (3,000 opening brackets); CPython's own refuses them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of the model's code, not of ours
            level: list[ast.AST] = [ast.parse(code)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False


def _numbers_named(cell: str) -> list[str]:
    """Return the names that a cell gives to what looks like a number, in order."""
    if len(cell) > MAX_CODE_CHARACTERS or not _is_shallow(cell):
        return []
    return [
        target.id
        for statement in ast.parse(cell).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, _NUMERIC)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


def _drawn(mutations: Sequence[Mutation], seed: int) -> list[Mutation]:
    """Return each mutation once, in an order drawn by the weights of their kinds."""
    generator = random.Random(seed)
    kinds: dict[str, list[Mutation]] = {}
    seen: set[str] = set()
    for mutation in mutations:
        if mutation.code not in seen:
            seen.add(mutation.code)
            kinds.setdefault(mutation.kind, []).append(mutation)
    queues = {kind: kinds[kind] for kind in sorted(kinds)}
    for queue in queues.values():
        generator.shuffle(queue)
    ordered: list[Mutation] = []
    while queues:
        (kind,) = generator.choices(list(queues), [KIND_WEIGHTS[kind] for kind in queues])
        ordered.append(queues[kind].pop())
        if not queues[kind]:
            del queues[kind]
    return ordered


class _Replacement(cst.CSTTransformer):
    """Puts other nodes in the place of some."""

    def __init__(self, replacements: Sequence[tuple[cst.CSTNode, cst.CSTNode]]) -> None:
        super().__init__()
        self._replacements = replacements

    def on_leave(self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT) -> Any:
        """Return what stands in the place of a node: itself, unless it is one of them."""
        return next((new for old, new in self._replacements if old is original_node), updated_node)


def _apply(tree: cst.Module, code: str, site: Site) -> Mutation | None:
    before = tree.code_for_node(site.node).strip()
    changed: object
    if isinstance(site.replacement, cst.RemovalSentinel):
        changed, after = tree.deep_remove(site.node), ""
        what = f"dropped `{_short(before)}`"
    else:
        changed = tree.visit(
            _Replacement([(site.node, site.replacement), *([site.also] if site.also else [])])
        )
        after = tree.code_for_node(site.replacement).strip()
        what = f"`{_short(before)}` became `{_short(after)}`"
    if not isinstance(changed, cst.Module) or changed.code == code:
        return None
    lines, new_lines = code.split("\n"), changed.code.split("\n")
    line = next((i for i, (a, b) in enumerate(zip(lines, new_lines, strict=False)) if a != b), len(lines) - 1)
    literal = isinstance(site.node, cst.Integer | cst.Float) and site.also is None
    if literal:
        before, after = before.strip("() \n"), after.strip("() \n")
    if after and not literal and site.also is None:
        new_lines = _follow_in_comments(new_lines, line, before, after, site)
    description = f"{site.kind}: {what}"
    exchanged = (before, after) if site.also is not None else ()
    return Mutation(
        site.kind, "\n".join(new_lines), description, before, after, line, site.operators, literal, exchanged
    )


def _follow_in_comments(lines: Sequence[str], changed: int, before: str, after: str, site: Site) -> list[str]:
    """Put the changed expression, or its changed operator, into the comments on its line and the line before it."""
    followed = list(lines)
    for index in range(max(0, changed - 1), min(changed + 1, len(lines))):
        code, mark, comment = lines[index].partition("#")
        if not mark or "'" in code or '"' in code:
            continue  # the mark may stand in a string
        if before in comment and not before.isidentifier():
            comment = comment.replace(before, after)
        elif site.operator:
            (old,) = site.operators
            if comment.count(f" {old} ") == 1:
                comment = comment.replace(f" {old} ", f" {site.operator} ")
        followed[index] = code + mark + comment
    return followed


def _short(source: str) -> str:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith("#")]
    flat = re.sub(r"\s+", " ", "\n".join(lines)).strip()
    return flat if len(flat) <= 60 else flat[:57] + "..."
