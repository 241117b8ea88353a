"""What ``scdpo verify`` prints: verdicts by kind, what changes, and the test of two logs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from eval.metrics import p_words, wilson
from eval.rescore import Rescored, Score, paired, recorded, scores, verified
from scdpo.cli.console import console, visible

SHOWN = 20  # changes that are printed; all are in the file of verdicts
CHANGES = ("now right", "now wrong", "now open")


def show_verdicts(results: Sequence[Rescored], differing: set[int], judged: dict[int, str]) -> None:
    """Print a row for each kind; columns that would be all zeros are left out.

    Args:
        results: all items with their verdicts.
        differing: places in ``results`` where the other verifier says otherwise.
        judged: what the judge says, by place in ``results``.
    """
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for number, one in enumerate(results):
        row = rows[one.item.kind]
        row[one.verdict.status] += 1
        if one.item.label is not None:
            row["recorded right"] += one.item.label
            row[one.change or "as recorded"] += 1
        row["differ"] += number in differing
        if number in judged:
            row[f"judged {judged[number]}"] += 1
    total = sum(rows.values(), Counter[str]())
    columns = ["correct", "incorrect", "unverifiable"]
    columns += [name for name in ("recorded right", *CHANGES, "differ") if total[name]]
    columns += [f"judged {word}" for word in ("same", "different", "unclear") if total[f"judged {word}"]]
    table = Table(title="Verdicts by kind", title_justify="left")
    table.add_column("kind")
    for name in columns:
        table.add_column(name, justify="right")
    for kind, row in sorted(rows.items()):
        table.add_row(Text(visible(kind)), *(str(row[name]) for name in columns))
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in columns))
    console.print(table)


def show_changes(results: Sequence[Rescored]) -> None:
    """Print the answers whose recorded score does not hold."""
    changed = [one for one in results if one.change]
    if not changed:
        return
    table = Table(title="What changes", title_justify="left")
    for name in ("id", "", "answer", "gold", "reason"):
        table.add_column(name, overflow="fold")
    for one in sorted(changed, key=lambda one: CHANGES.index(str(one.change)))[:SHOWN]:
        verdict = one.verdict
        cells = (one.item.id, str(one.change), verdict.prediction or "–", verdict.gold or "–", verdict.reason)
        table.add_row(*(Text(visible(cell)[:200]) for cell in cells))
    console.print(table)
    if len(changed) > SHOWN:
        console.print(f"{len(changed) - SHOWN} more: the lines whose `correct` is not `recorded`.")


def show_test(first: str, results: Sequence[Rescored], second: str, rivals: Sequence[Rescored]) -> None:
    """Print the paired test by verdict and, where both files hold scores, as recorded."""
    ways: list[tuple[str, Score]] = [("verified", verified)]
    if any(one.item.label is not None for one in results) and any(o.item.label is not None for o in rivals):
        ways.append(("recorded", recorded))
    table = Table(title="The two logs, % [95 % interval]", title_justify="left")
    table.add_column("")
    for name, _ in ways:
        table.add_column(name, justify="right")
    names = (
        f"first: {first}", f"second: {second}", "difference", "p-value", "problems in both", "in one only",
        "only first right", "only second right",
    )  # fmt: skip
    columns = [_test_cells(results, rivals, score) for _, score in ways]
    for name, *cells in zip(names, *columns, strict=True):
        table.add_row(Text(visible(name), overflow="fold"), *cells)
    console.print(table)


def _test_cells(results: Sequence[Rescored], rivals: Sequence[Rescored], score: Score) -> tuple[str, ...]:
    found = paired(results, rivals, score)
    low, high = found.interval.low, found.interval.high
    return (
        _share(scores(results, score)),
        _share(scores(rivals, score)),
        f"{100 * found.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
        f"{p_words(found.p_value)}, {found.test}",
        *map(str, (found.problems, found.unpaired, found.first_only, found.second_only)),
    )


def _share(values: dict[str, float]) -> str:
    total = sum(values.values())
    interval = wilson(total, len(values))
    return f"{100 * total / len(values):.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
