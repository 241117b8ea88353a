"""Which slips real wrong solutions make: the weights by which the mutation draws its kinds.

    python benchmarks/slips.py ../shared/data/tir/mathcoder_gsm8k.jsonl.gz ../shared/data/tir/tora_gsm8k.jsonl.gz

A solution's straight-line program is read as the one expression that it works out, with its variables put in: names,
layout and the number of cells do not count then. A wrong expression is compared with the right ones of its problem;
where it differs from one at a single place, that place is a slip. All others (another plan, several slips, loops,
equations) are counted, and have no kind.
"""

from __future__ import annotations

import argparse
import ast
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

# ruff: noqa: E402
sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder has a sandbox.py of its own

from sandbox.formats import normalise_newlines
from verifier.files.jsonl import read_lines

MOST_NODES = 400
Tree = tuple[object, ...]
"""``("number", value)``, ``(operator, operands…)`` or ``("call", name, arguments…)``."""


class _NotStraight(Exception):
    """The program has what an expression cannot say."""


def expression(blocks: Sequence[dict[str, str]]) -> Tree | None:
    """Return the expression that a solution's program works out; None where it is no straight-line arithmetic."""
    code = "\n".join(normalise_newlines(b["content"]) for b in blocks if b["type"] == "code")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(code).body
        functions = [s for s in body if isinstance(s, ast.FunctionDef)]
        if len(functions) == 1:  # a program that is one function, and the call of it
            body = functions[0].body
        return _worked_out(body)
    except (SyntaxError, ValueError, RecursionError, _NotStraight):
        return None


def _worked_out(body: Sequence[ast.stmt]) -> Tree:
    known: dict[str, Tree] = {}
    last: Tree | None = None
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                last = known[name] = _tree(value, known)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                last = known[name] = _combined(type(op).__name__, known[name], _tree(value, known))
            case ast.Return(value=ast.expr() as value):
                return _tree(value, known)
            case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
                continue
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value])) | ast.Expr(value=value):
                if not isinstance(value, ast.Tuple):
                    last = _tree(value, known)
            case _:
                raise _NotStraight
    if last is None or last[0] == "number":
        raise _NotStraight
    return last


def _tree(node: ast.expr, known: dict[str, Tree]) -> Tree:
    match node:
        case ast.Constant(value=int() | float() as value):
            return ("number", float(value))
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(type(op).__name__, _tree(left, known), _tree(right, known))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ("neg", _tree(operand, known))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return ("call", name, *(_tree(argument, known) for argument in arguments))
        case _:
            raise _NotStraight


def _combined(operator: str, left: Tree, right: Tree) -> Tree:
    """Put two operands together; sums and products are flat and in order, so that only what counts differs."""
    if operator in ("Add", "Mult"):
        parts = [p for side in (left, right) for p in (side[1:] if side[0] == operator else (side,))]
        tree: Tree = (operator, *sorted(parts, key=repr))
    else:
        tree = (operator, left, right)
    if _size(tree) > MOST_NODES:
        raise _NotStraight
    return tree


def _size(tree: Tree) -> int:
    return 1 + sum(_size(part) for part in tree[1:] if isinstance(part, tuple))


def kind_of(right: Tree, wrong: Tree) -> str | None:
    """Return the kind of the one slip that makes a right expression a wrong one; None where it is not one."""
    if right == wrong:
        return "same"
    if right[0] == wrong[0] == "number":
        return "constant"
    if right[0] != wrong[0]:
        return _other_operation(right, wrong)
    if right[0] in ("Add", "Mult"):
        return _of_parts(right, wrong)
    ours, theirs = right[1:], wrong[1:]
    if right[0] == "call":
        if right[1] != wrong[1] and ours[1:] == theirs[1:]:
            return "wrong_function"
        if right[1] != wrong[1] or len(ours) != len(theirs):
            return None
        ours, theirs = ours[1:], theirs[1:]
    if len(ours) == 2 and ours == tuple(reversed(theirs)):
        return "swapped_operands"
    different = {(a, b) for a, b in zip(ours, theirs, strict=True) if a != b}
    if len(different) != 1:
        return None
    ((one, other),) = different
    return kind_of(one, other) if isinstance(one, tuple) and isinstance(other, tuple) else None


def _of_parts(right: Tree, wrong: Tree) -> str | None:
    ours, theirs = Counter(right[1:]), Counter(wrong[1:])
    lost, new = list((ours - theirs).elements()), list((theirs - ours).elements())
    if not new:
        return "dropped_term" if len(lost) == 1 else None
    if not lost:
        return "added_term" if len(new) == 1 else None
    if len(set(lost)) == len(set(new)) == 1 and len(lost) == len(new):
        one, other = lost[0], new[0]
        return kind_of(one, other) if isinstance(one, tuple) and isinstance(other, tuple) else None
    return None


def _other_operation(right: Tree, wrong: Tree) -> str | None:
    """Return the kind where the outermost operations differ."""
    if Counter(right[1:]) == Counter(wrong[1:]):
        return "operator"
    if right in wrong[1:] and len(wrong) == 3:
        return "added_function" if wrong[0] == "call" else "added_term"
    if wrong in right[1:] and len(right) == 3:
        return "dropped_function" if right[0] == "call" else "dropped_term"
    regrouped = {str(right[0]), str(wrong[0])} in ({"Add", "Mult"}, {"Sub", "Mult"})
    if regrouped and Counter(_leaves(right)) == Counter(_leaves(wrong)):
        return "lost_parentheses"
    if "number" in (right[0], wrong[0]):
        return "variable"  # another quantity stands there
    return None


def _leaves(tree: Tree) -> list[object]:
    if tree[0] == "number":
        return [tree[1]]
    return [leaf for part in tree[1:] if isinstance(part, tuple) for leaf in _leaves(part)]


def measure(rows: Iterable[dict[str, object]]) -> tuple[Counter[str], Counter[str]]:
    """Return how many wrong solutions have which slip, and how many have none, and why."""
    right: dict[object, set[Tree]] = defaultdict(set)
    wrong: list[tuple[object, Tree]] = []
    others: Counter[str] = Counter()
    for row in rows:
        if row["recorded_correct"] is None or "simuleq" in str(row["problem_id"]):
            continue  # unlabelled; the gold is one of several unknowns
        tree = expression(row["blocks"])  # type: ignore[arg-type]
        if row["recorded_correct"] and tree is not None:
            right[row["problem_id"]].add(tree)
        elif not row["recorded_correct"]:
            if tree is None:
                others["no straight-line arithmetic"] += 1
            else:
                wrong.append((row["problem_id"], tree))
    found: Counter[str] = Counter()
    for problem, tree in wrong:
        kinds = Counter(kind for known in right[problem] if (kind := kind_of(known, tree)) is not None)
        if kinds["same"]:
            others["the program is right"] += 1
        elif kinds:
            found[kinds.most_common(1)[0][0]] += 1
        else:
            others["several slips, or another plan" if right[problem] else "no right program to compare"] += 1
    return found, others


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", help="recorded solutions, right and wrong")
    for counts in measure(row for file in parser.parse_args().files for _, row in read_lines(file)):
        print()
        for kind, count in counts.most_common():
            print(f"{count:6} {kind}")
