"""``scdpo verify``: verdicts for a file of answers or solutions."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from scdpo.cli.console import Bar, console, report_errors, say_layout, visible
from scdpo.cli.fields import ROWS, AnswerField, SolutionField
from scdpo.errors import SettingsError
from verifier import Verdict, extract_answer, verify_many
from verifier.files.fields import Fields
from verifier.files.inputs import Item, read_items

BATCH = 512


class Rounding(StrEnum):
    """What a rounded decimal counts as, see ``verifier.verify``."""

    exact = "exact"
    sigfigs = "sigfigs"


class Against(StrEnum):
    """Another verifier to compare with."""

    math_verify = "math-verify"


def verify(
    file: Annotated[
        str,
        typer.Argument(help=f"Answers or solutions: {ROWS}."),
    ],
    out: Annotated[Path | None, typer.Option(help="Verdicts; FILE.verdicts.jsonl if not given.")] = None,
    answer_field: AnswerField = None,
    solution_field: SolutionField = None,
    against: Annotated[
        Against | None, typer.Option(help="Also ask this verifier; where they differ goes to a queue.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="Limit for one answer.")] = 5.0,
    rounding: Annotated[
        Rounding,
        typer.Option(help="sigfigs: a decimal of 3 digits or more may be the other answer rounded."),
    ] = Rounding.exact,
) -> None:
    """Say of each line of a file whether its answer is right, with the reason; a table by kind at the end.

    Reads prediction and gold, our own records, and the known layouts of data sets and of models' outputs; how a file
    is read is said at the start. Where a row has no gold answer, it is the one that its own solution states.

    Example: [b]scdpo verify answers.jsonl --against math-verify[/b]
    """
    target = out or _beside(file)
    queue = target.with_name(target.name.removesuffix(".jsonl") + ".disagreements.jsonl")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    started, number = time.monotonic(), 0
    with report_errors():
        fields = Fields(answer=answer_field, solution=solution_field)
        dropped: Counter[str] = Counter()
        items = list(read_items(file, fields, dropped, say_layout(file)))
        with (
            target.open("w", encoding="utf-8") as lines,
            queue.open("w", encoding="utf-8") if against else nullcontext() as others,
            Bar("right") as bar,
        ):
            bar.start("verify", len(items), 0)
            for first in range(0, len(items), BATCH):
                batch = items[first : first + BATCH]
                pairs = [(item.prediction, item.gold) for item in batch]
                verdicts = verify_many(pairs, workers=workers, seconds=seconds, rounding=rounding.value)
                for item, verdict in zip(batch, verdicts, strict=True):
                    number += 1
                    bar.advance(int(verdict.correct))
                    _count(counts[item.kind], item, verdict)
                    lines.write(json.dumps({"id": item.id, "kind": item.kind, **verdict.to_dict()}) + "\n")
                    if others is not None:
                        _compare(others, counts[item.kind], item, verdict)
    _show_verdicts(counts, against)
    if dropped:
        console.print(
            f"{dropped.total()} rows left out: they hold no gold answer, and their solution states none"
        )
    console.print(f"{number} verdicts in {time.monotonic() - started:.1f} s: [b]{escape(str(target))}[/b]")
    if against:
        console.print(f"Where the two differ, to be labelled: [b]{escape(str(queue))}[/b]")


def _beside(source: str) -> Path:
    """Return where the verdicts of a source go: beside it, or here for a data set of the hub."""
    place = Path(source) if Path(source).exists() else Path(Path(source).name)
    name = place.name[: -len(".gz")] if place.name.endswith(".gz") else place.name
    return place.with_name((name if place.is_dir() else Path(name).stem) + ".verdicts.jsonl")


def _count(row: Counter[str], item: Item, verdict: Verdict) -> None:
    row[verdict.status] += 1
    if item.label is not None:
        row["labelled"] += 1
        row["agree"] += verdict.correct == item.label


def _compare(queue: IO[str], row: Counter[str], item: Item, verdict: Verdict) -> None:
    """Ask Math-Verify, and write the item to the queue if it says otherwise."""
    try:
        from math_verify import parse
        from math_verify import verify as theirs
    except ImportError as error:
        raise SettingsError("--against math-verify needs it: pip install math-verify==0.9.0") from error

    said = item.prediction if isinstance(item.prediction, str) else item.prediction.render("markdown")
    # Its own time limits need the main thread's alarm, which is where the command line runs.
    right = bool(theirs(parse(f"${item.gold}$"), parse(said)))
    if right == verdict.correct:
        return
    row["differ"] += 1
    answer = extract_answer(item.prediction)
    entry = {
        "id": item.id,
        "prediction": answer,
        "gold": item.gold,
        "ours": verdict.to_dict(),
        "math_verify": right,
    }
    queue.write(json.dumps(entry) + "\n")


def _show_verdicts(counts: dict[str, Counter[str]], against: Against | None) -> None:
    table = Table(title="Verdicts by kind", title_justify="left")
    table.add_column("kind")
    columns = ["correct", "incorrect", "unverifiable", "labelled", "agree"] + (["differ"] if against else [])
    for name in columns:
        table.add_column(name, justify="right")
    total: Counter[str] = Counter()
    for kind, row in sorted(counts.items()):
        table.add_row(Text(visible(kind)), *(str(row[name]) for name in columns))
        total += row
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in columns))
    console.print(table)
