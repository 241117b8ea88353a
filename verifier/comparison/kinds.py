"""Compare two trees by their kinds: lists, tuples, sets, intervals, relations, ratios, quantities, expressions."""

from __future__ import annotations

from itertools import combinations

from verifier.comparison.ambiguous import read_otherwise, with_constants_named
from verifier.comparison.equations import is_false, labelled, same_equation, without_label
from verifier.comparison.expressions import same_expression
from verifier.comparison.inequalities import is_inequality, same_inequality
from verifier.comparison.plus_minus import expanded
from verifier.comparison.real_sets import region_of, same_region
from verifier.comparison.residues import as_residues, compare_residues
from verifier.comparison.vectors import as_sequence
from verifier.comparison.verbatim import compare_based, compare_unread, compare_words
from verifier.functions_table import BY_NAME
from verifier.outcome import Comparison, best, correct, incorrect, unverifiable
from verifier.parsing.building import identity_matrix, matrix_of_rows, transposed
from verifier.parsing.quantities import agreement
from verifier.parsing.units import other_factors, unit_of
from verifier.parsing.vocabulary import LETTER_LIKE
from verifier.tree import (
    DOTS,
    Add,
    Apply,
    Based,
    Degree,
    Items,
    LimitError,
    Matrix,
    Mul,
    NamedSet,
    Node,
    NotRationalError,
    Num,
    Percent,
    Piecewise,
    Pow,
    Quantity,
    Ratio,
    Rel,
    Residue,
    Seq,
    SetOf,
    SetOp,
    Sym,
    UndefinedError,
    Words,
    children,
    divide,
    free_symbols,
    includes,
    mul,
    subtract,
    walk,
)  # fmt: skip
from verifier.values.balls import UndecidedError
from verifier.verdict import Rounding

MAX_ITEMS = 100
_SHAPES = frozenset(
    (Items, Seq, SetOf, SetOp, NamedSet, Matrix, Rel, Ratio, Residue, Based, Words)
)  # what is no expression


def same_answer(a: Node, b: Node, rounding: Rounding = "exact") -> Comparison:
    """Compare two answers of any kind."""
    if a == b:
        return correct("they read the same")
    try:
        outcome = _same(expanded(a), expanded(b), rounding)
        families, certain = ([], False) if outcome.correct else with_constants_named(a, b)
        if any(_same(expanded(a), expanded(other), rounding).correct for other in families):
            if certain:
                return correct("the same up to the names of the constants of integration")
            return unverifiable("the same but for letters that may be constants of integration")
        if certain:
            return unverifiable("two families, which may hold the same functions")
        if (
            not outcome.correct
            and DOTS.name in free_symbols(a) | free_symbols(b)
            and not _ends_differ(a, b, rounding)
        ):
            return unverifiable("dots stand for what is not written")
        return outcome
    except LimitError as error:
        return unverifiable(str(error))
    except UndefinedError as error:
        return incorrect(f"undefined: {error}")
    except (NotRationalError, UndecidedError):
        return unverifiable("a part has no rule to compare it by")


def _ends_differ(a: Node, b: Node, rounding: Rounding) -> bool:
    """Whether two lists differ in what they begin or end with, whatever the dots in them stand for."""
    if not (isinstance(a, Items) and isinstance(b, Items)):
        return False
    ends = ((a.items[at], b.items[at]) for at in (0, -1))
    return any(DOTS not in end and _same(*end, rounding).status == "incorrect" for end in ends)


def _same(a: Node, b: Node, rounding: Rounding) -> Comparison:
    if a == b:
        return correct("they read the same")
    for rule in (
        _statements,
        compare_unread,
        _quantities,
        _relations,
        _lists,
        _sets,
        _sequences,
        _ratios,
        compare_based,
        compare_words,
        compare_residues,
        _marked_numbers,
    ):
        outcome = rule(a, b, rounding)
        if outcome is not None:
            return outcome
    if _holds_shape(a) or _holds_shape(b):
        return incorrect("answers of different kinds")
    outcome = same_expression(a, b, rounding)
    if outcome.correct:
        return outcome
    unknown = sorted(
        n for n in free_symbols(a) ^ free_symbols(b) if n[0] == "\\" and n[1:] not in LETTER_LIKE
    )
    if unknown:
        return unverifiable(f"{unknown[0]} has no meaning here")
    return read_otherwise(a, b, rounding) or outcome


def _holds_shape(node: Node) -> bool:
    """Whether anything but an expression stands in ``node``; the conditions of pieces do not count."""
    if type(node) in _SHAPES:
        return True
    parts = [value for value, _ in node.pieces] if isinstance(node, Piecewise) else children(node)
    return any(map(_holds_shape, parts))


def _statements(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """``3 + 4 = 8`` is false, whatever its last number; None where neither answer is a false statement."""
    false = [isinstance(node, Rel) and is_false(node) for node in (a, b)]
    if false == [False, False]:
        return None
    if all(false):
        return correct("neither holds")
    ends = [node.sides[-1] if isinstance(node, Rel) else node for node in (a, b)]
    same = _same(ends[0], ends[1], rounding)
    return unverifiable("a statement that is false") if same.correct else same


# --- quantities, percents, degrees


def _quantities(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if not isinstance(a, Quantity) and not isinstance(b, Quantity):
        return None
    one, other = (n if isinstance(n, Quantity) else None for n in (a, b))
    x, y = (n.value if isinstance(n, Quantity) else n for n in (a, b))
    match agreement(one, other):
        case "same":
            same = _same(x, y, rounding)
            return same if same.correct else _in_another_unit(a, b, rounding) or same
        case "convert":
            return _same(_in_first_unit(a), _in_first_unit(b), rounding)
        case "operates":
            return unverifiable("words that make another number of the one before them")
    outcome = _same(x, y, rounding)
    return unverifiable("the same number of different things") if outcome.correct else outcome


def _in_another_unit(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    """Leave open whether ``5 km`` is ``5000``, which may be metres; None for anything else."""
    quantity, number = (a, b) if isinstance(a, Quantity) else (b, a)
    if not isinstance(quantity, Quantity) or isinstance(number, Quantity) or free_symbols(quantity):
        return None
    if not isinstance(number, Num) or not isinstance(quantity.value, Num | Mul):
        return None
    others = [mul([Num(factor), quantity.value]) for factor in other_factors(quantity.unit) if factor != 1]
    if not any(same_expression(other, number, rounding).correct for other in others):
        return None
    return unverifiable("the same number, if it is of another unit")


def _in_first_unit(node: Node) -> Node:
    known = unit_of(node.unit) if isinstance(node, Quantity) else None
    return mul([Num(known[1]), node.value]) if known and isinstance(node, Quantity) else node


def _marked_numbers(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    for mark in (Percent, Degree):
        if isinstance(a, mark) and isinstance(b, mark):
            return same_expression(a.value, b.value, rounding)
        if isinstance(a, mark) or isinstance(b, mark):
            marked, other = (a, b) if isinstance(a, mark) else (b, a)
            assert isinstance(marked, Percent | Degree)
            if _holds_shape(other):
                return incorrect("answers of different kinds")
            return best(
                [same_expression(other, marked.value, rounding), same_expression(other, marked, rounding)]
            )
    return _degrees_within(a, b, rounding)


def _degrees_within(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    r"""``180^\circ - 2\alpha`` is ``180 - 2\alpha`` too; None unless one answer alone writes degrees in its terms."""
    marked = [n for n in (a, b) if isinstance(n, Add) and includes(n, Degree)]
    if len(marked) != 1 or any(isinstance(n, Apply) and n.name in BY_NAME for n in walk(marked[0])):
        return None
    other = b if marked[0] is a else a
    return best(
        [
            same_expression(marked[0], other, rounding),
            same_expression(_in_degrees(marked[0]), other, rounding),
        ]
    )


def _in_degrees(node: Node) -> Node:
    """Return sums and products with angles as numbers of degrees."""
    match node:
        case Degree(value):
            return value
        case Add(nodes):
            return Add(tuple(map(_in_degrees, nodes)))
        case Mul(nodes):
            return mul(list(map(_in_degrees, nodes)))
    return node


# --- relations


def _relations(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if isinstance(a, Rel) and isinstance(b, Rel):
        return _two_relations(a, b, rounding)
    if not isinstance(a, Rel) and not isinstance(b, Rel):
        return None
    relation, other = (a, b) if isinstance(a, Rel) else (b, a)
    assert isinstance(relation, Rel)
    if isinstance(other, Seq | Items) and (each := _said_of_each(relation)) is not None:
        return _same(each, other, rounding)
    if isinstance(other, Items):
        return None
    value = without_label(relation)
    if value != relation:
        return _same(expanded(value), other, rounding)
    if "in" in relation.ops and not is_inequality(relation):
        return _same(relation.sides[-1], other, rounding)
    if is_inequality(relation):
        return _as_regions(a, b) if type(other) in _SHAPES else incorrect("an inequality and a value")
    last = relation.sides[-1]
    named = relation.ops == ("=",) and not any(
        isinstance(n, Num | Pow | Apply) for n in walk(relation.sides[0])
    )
    if isinstance(other, Seq | Matrix | SetOf) and isinstance(last, type(other)) and named:
        return _same(
            last, other, rounding
        )  # A \cap B = {2, 3}: what is equal to a set or a vector is its name
    if isinstance(other, Seq | Matrix | SetOf | Words):
        return incorrect("an equation and an answer of another kind")
    if any(_same(side, other, rounding).correct for side in relation.sides):
        return unverifiable("an equation, or a value with an unusual name")
    if _is_solved_by(relation, other):
        return unverifiable("an equation, and the value that solves it")
    return incorrect("an equation and a value")


def _said_of_each(relation: Rel) -> Items | None:
    """Return ``x = y = 3`` as the list ``x = 3, y = 3``; None for anything else."""
    *names, value = relation.sides
    if len(names) < 2 or set(relation.ops) != {"="} or not all(isinstance(n, Sym) for n in names):
        return None
    return Items(tuple(Rel((name, value), ("=",)) for name in names))


def _is_solved_by(relation: Rel, value: Node) -> bool:
    """Whether an equation in one letter says that the letter is ``value``: ``2x = 10`` and 5."""
    names = free_symbols(relation)
    if len(names) != 1 or free_symbols(value) or relation.ops != ("=",):
        return False
    return same_equation(relation, Rel((Sym(next(iter(names))), value), ("=",))).status != "incorrect"


def _two_relations(a: Rel, b: Rel, rounding: Rounding) -> Comparison:
    if is_inequality(a) or is_inequality(b) or "in" in a.ops + b.ops:
        if a.ops == b.ops == ("in",):
            return _same(a.sides[1], b.sides[1], rounding)
        names = free_symbols(a) | free_symbols(b)
        regions = _as_regions(a, b) if len(names) == 1 or "in" in a.ops + b.ops else None
        if regions is not None and regions.status != "unverifiable":
            return regions
        return (
            same_inequality(a, b)
            if is_inequality(a) and is_inequality(b)
            else unverifiable("relations of different kinds")
        )
    first, second = labelled(a), labelled(b)
    if first and second:
        label, other_label = first[0], second[0]
        x, y = as_residues(first[1], second[1])
        if label == other_label or (_is_dependent(label) and _is_dependent(other_label)):
            outcome = _same(expanded(x), expanded(y), rounding)
            if outcome.correct or not (free_symbols(x) | free_symbols(y)):
                return outcome
        elif _is_value_of(label) or _is_value_of(other_label) or not (free_symbols(x) | free_symbols(y)):
            same = _same(expanded(x), expanded(y), rounding)
            return unverifiable("the same value under different names") if same.correct else same
    return same_equation(a, b)


def _is_dependent(label: Node) -> bool:
    """Whether ``label`` is ``y`` or a function of a variable, such as ``f(x)``."""
    return label == Sym("y") or (_is_function(label) and not _is_value_of(label))


def _is_value_of(label: Node) -> bool:
    """Whether ``label`` is a function of something particular: ``f(2)``, ``P(A)``."""
    return _is_function(label) and not all(
        isinstance(n, Sym) and n.name[0].islower() for n in children(label)
    )


def _is_function(label: Node) -> bool:
    return isinstance(label, Apply) and label.name.endswith("()")


def _as_regions(a: Node, b: Node) -> Comparison:
    one, other = region_of(a), region_of(b)
    if one is None or other is None:
        unread = [n for n, region in ((a, one), (b, other)) if region is None]
        if len(unread) == 1 and (
            isinstance(unread[0], Matrix | Seq | Words) or type(unread[0]) not in _SHAPES
        ):
            return incorrect("a relation and an answer of another kind")
        return unverifiable("relations that cannot be solved here")
    return same_region(one, other)


# --- lists


def _lists(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if not isinstance(a, Items) and not isinstance(b, Items):
        return None
    listed, other = (a, b) if isinstance(a, Items) else (b, a)
    assert isinstance(listed, Items)
    if any(map(is_inequality, listed.items)) or (is_inequality(other) and not isinstance(other, Items)):
        return _as_regions(a, b)
    if (joint := _joint_equation(listed)) is not None and isinstance(other, Rel):
        outcome = same_equation(joint, other)
        if outcome.correct:
            return outcome
    if isinstance(other, Items | SetOf):
        repeats = isinstance(other, SetOf) or listed.disjoint or other.disjoint
        return _matched(listed.items, other.items, rounding, repeats)
    if isinstance(other, Seq) and len(other.items) > 1:
        return _paired(tuple(map(without_label, _by_name(listed.items))), other.items, rounding)
    if isinstance(other, Rel) and other.ops == ("in",):
        return _same(listed, other.sides[1], rounding)
    if isinstance(other, Rel) and (value := without_label(other)) != other:
        return _same(a if listed is a else expanded(value), expanded(value) if listed is a else b, rounding)
    if isinstance(other, SetOp | NamedSet):
        intervals = all(isinstance(item, Seq) and region_of(item) for item in listed.items)
        if intervals:  # (1,2), (3,4) beside a union
            return _named_sets(SetOp("cup", listed.items), other)
        return incorrect("answers of different kinds")
    if isinstance(other, Words) and "," in other.words:
        return unverifiable("a list, and words that list")
    distinct = _distinct(tuple(map(without_label, listed.items)), rounding)
    if len(distinct) == 1:
        return _same(distinct[0], other, rounding)
    if not _all_differ(distinct[:2], rounding):
        return unverifiable("several answers, which may be one")
    return incorrect(f"{len(distinct)} answers and one")


def _by_name(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return ``y = 2, x = 1`` in the order of the letters, in which a tuple states them."""
    names = [named[0] for item in items if (named := labelled(item))]
    if (
        len(names) != len(items)
        or len(set(names)) != len(names)
        or not all(isinstance(n, Sym) for n in names)
    ):
        return items
    return tuple(
        item for _, item in sorted(zip(map(repr, names), items, strict=True), key=lambda pair: pair[0])
    )


def _joint_equation(listed: Items) -> Rel | None:
    """Return the one equation that holds where any of several, joined by "or", does."""
    sides = [item.sides for item in listed.items if isinstance(item, Rel) and item.ops == ("=",)]
    if not listed.disjoint or len(sides) != len(listed.items):
        return None
    return Rel((mul([subtract(left, right) for left, right in sides]), Num(0)), ("=",))


def _matched(a: tuple[Node, ...], b: tuple[Node, ...], rounding: Rounding, repeats: bool) -> Comparison:
    """Compare without order; each item has its own partner, but for one that is repeated where it may be."""
    if len(a) > MAX_ITEMS or len(b) > MAX_ITEMS:
        return unverifiable(f"a list of more than {MAX_ITEMS} answers")
    if len(a) != len(b):
        a, b = _distinct(a, rounding), _distinct(b, rounding)
        if len(a) != len(b):
            longer, least = max(a, b, key=len), min(len(a), len(b)) + 1
            if not _all_differ(longer[:least], rounding):
                return unverifiable("lists of which some answers may be the same")
            return incorrect(f"{len(a)} answers and {len(b)}")
        if not repeats:
            same = _matched(a, b, rounding, True)
            return unverifiable("the same answers, some of them twice") if same.correct else same
    named = all(labelled(x) for x in (*a, *b))
    left, right = (a, b) if named else (tuple(map(without_label, a)), tuple(map(without_label, b)))
    unused, unsure = list(right), False
    for item in left:
        outcomes = [_same(item, candidate, rounding) for candidate in unused]
        found = next((i for i, o in enumerate(outcomes) if o.correct), None)
        if found is None:
            if any(o.status == "unverifiable" for o in outcomes):
                unsure = True
                continue
            reason = outcomes[0].reason if len(left) == 1 else "an answer of one list is not in the other"
            return incorrect(reason)
        unused.pop(found)
    return (
        unverifiable("some answers of the lists cannot be compared")
        if unsure
        else correct("the same answers")
    )


def _distinct(items: tuple[Node, ...], rounding: Rounding) -> tuple[Node, ...]:
    kept: list[Node] = []
    for item in items:
        if not any(_same(item, other, rounding).correct for other in kept):
            kept.append(item)
    return tuple(kept)


def _all_differ(items: tuple[Node, ...], rounding: Rounding) -> bool:
    """Whether each two of the items certainly differ."""
    return all(_same(x, y, rounding).status == "incorrect" for x, y in combinations(items, 2))


def _paired(a: tuple[Node, ...], b: tuple[Node, ...], rounding: Rounding) -> Comparison:
    """Compare item by item."""
    if len(a) != len(b):
        return incorrect(f"{len(a)} items and {len(b)}")
    outcomes = [_same(expanded(x), expanded(y), rounding) for x, y in zip(a, b, strict=True)]
    for number, outcome in enumerate(outcomes, start=1):
        if outcome.status == "incorrect":
            return incorrect(f"item {number}: {outcome.reason}")
    return next((o for o in outcomes if not o.correct), correct("the same items in order"))


# --- sets, intervals, tuples, matrices


def _sets(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if isinstance(a, SetOf) and isinstance(b, SetOf):
        return _matched(a.items, b.items, rounding, True)
    if isinstance(a, SetOf) or isinstance(b, SetOf):
        group, other = (a, b) if isinstance(a, SetOf) else (b, a)
        assert isinstance(group, SetOf)
        if len(group.items) == 1 and type(other) not in _SHAPES:
            return _same(group.items[0], other, rounding)
    words = [n for n in (a, b) if isinstance(n, Words)]
    reals = Words("reals") in (a, b) and any(isinstance(n, Seq) for n in (a, b))
    if (reals or any(isinstance(n, SetOp | NamedSet) for n in (a, b))) and not (
        words and words[0].words not in ("reals", "no solution")
    ):
        if words and words[0].words == "no solution":
            return (
                correct("no solution") if NamedSet("empty") in (a, b) else incorrect("a set and no solution")
            )
        return _named_sets(a, b)
    return None


def _named_sets(a: Node, b: Node) -> Comparison:
    special = [n for n in (*walk(a), *walk(b)) if isinstance(n, NamedSet) and n.name not in ("R", "empty")]
    if special:
        return (
            incorrect("another set")
            if isinstance(a, NamedSet) and isinstance(b, NamedSet)
            else unverifiable("a set that is not of real intervals")
        )
    one, other = region_of(a), region_of(b)
    if one is None or other is None:
        unread = a if one is None else b
        if (one is None) != (other is None) and not isinstance(unread, SetOp | Rel | Items | Seq):
            return incorrect("answers of different kinds")
        return unverifiable("sets that cannot be compared")
    return same_region(one, other)


def _sequences(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if isinstance(a, Matrix) and isinstance(b, Matrix):
        if [len(row) for row in a.rows] != [len(row) for row in b.rows]:
            if 1 in (len(a.rows), len(b.rows)) and transposed(a) == b:
                return unverifiable("a row and a column with the same entries")
            return incorrect("matrices of different shapes")
        return _paired(tuple(x for r in a.rows for x in r), tuple(x for r in b.rows for x in r), rounding)
    if isinstance(a, Seq) and isinstance(b, Seq):
        if len(a.items) == len(b.items) == 2 and (a.opening, a.closing) != (b.opening, b.closing):
            if _may_be_pairs(a, b) and _paired(a.items, b.items, rounding).status != "incorrect":
                return unverifiable("two intervals, or one pair in other brackets")
            return incorrect("one of the intervals includes an end that the other leaves out")
        return _paired(a.items, b.items, rounding)
    matrix, rest = (a, b) if isinstance(a, Matrix) else (b, a)
    if isinstance(matrix, Matrix) and isinstance(rest, Sym):
        if rest in (Sym("I"), Sym("E"), *(Sym(f"{letter}_{len(matrix.rows)}") for letter in "IE")):
            return _sequences(matrix, identity_matrix(len(matrix.rows)), rounding)
        return unverifiable("a matrix, and a letter that may name one")
    if isinstance(matrix, Matrix) and 1 in (len(matrix.rows), len(matrix.rows[0])):
        entries = tuple(x for row in matrix.rows for x in row)
        if (components := as_sequence(rest, len(entries))) is not None:
            return _paired(entries, components, rounding)
    if not isinstance(a, Seq) and not isinstance(b, Seq):
        return None
    sequence, other = (a, b) if isinstance(a, Seq) else (b, a)
    assert isinstance(sequence, Seq)
    if (components := as_sequence(other, len(sequence.items))) is not None:
        return _paired(sequence.items, components, rounding)
    if isinstance(other, Matrix) and (rows := matrix_of_rows(sequence)) is not None:
        return _sequences(rows, other, rounding)
    if isinstance(other, Matrix) and 1 in (len(other.rows), len(other.rows[0])):
        return _paired(tuple(x for row in other.rows for x in row), sequence.items, rounding)
    if len(sequence.items) == 1:
        return _same(sequence.items[0], other, rounding)
    return incorrect("answers of different kinds")


def _may_be_pairs(a: Seq, b: Seq) -> bool:
    """Whether ``[3, 1]`` and ``(3, 1)`` may write one pair: brackets that match, around no interval."""
    if not {(a.opening, a.closing), (b.opening, b.closing)} <= {("(", ")"), ("[", "]")}:
        return False
    low, high = a.items
    return isinstance(low, Num) and isinstance(high, Num) and low.value > high.value


# --- ratios


def _ratios(a: Node, b: Node, rounding: Rounding) -> Comparison | None:
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        if len(a.parts) != len(b.parts):
            return incorrect("ratios of different lengths")
        if Num(0) in a.parts + b.parts:
            return _paired(a.parts, b.parts, rounding)
        left, right = (tuple(divide(p, n.parts[0]) for p in n.parts[1:]) for n in (a, b))
        return _paired(left, right, rounding)
    if isinstance(a, Ratio) or isinstance(b, Ratio):
        ratio, other = (a, b) if isinstance(a, Ratio) else (b, a)
        assert isinstance(ratio, Ratio)
        if len(ratio.parts) == 2 and type(other) not in _SHAPES:
            outcome = same_expression(divide(*ratio.parts), other, rounding)
            whole = isinstance(other, Num) and isinstance(other.value, int)
            return (
                unverifiable("a ratio to one, or its first number") if whole and outcome.correct else outcome
            )
        return incorrect("a ratio and an answer of another kind")
    return None
