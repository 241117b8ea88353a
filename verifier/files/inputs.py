"""Read what is to be verified from other people's files: predictions or whole solutions beside their gold answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.solution import Solution
from verifier.files.fields import Fields
from verifier.files.item import Item
from verifier.files.jsonl import naming
from verifier.files.layouts import Entry, NoAnswer
from verifier.files.result_logs import log_of
from verifier.files.rows import read_rows
from verifier.files.written import read_solution


def read_items(
    source: Path | str,
    fields: Fields | None = None,
    dropped: Counter[str] | None = None,
    say: Callable[[str], None] = lambda layout: None,
) -> Iterator[Item]:
    """Yield the pairs of a file, a folder or a hub data set, in any layout of ``layouts`` or ``result_logs``.

    Args:
        source: as ``verifier.files.rows.read_rows``. A file whose name ends in ``-correct`` or ``-wrong`` labels its
            rows so, as MathCoder's do.
        fields: where things are, for a layout that is not known.
        dropped: counts rows that hold no gold answer and whose solution states none; such a row is an error where
            None is given.
        say: hears the layout of the first row.

    Raises:
        LineError: naming the file and line, if it cannot be read, or has no prediction or gold answer.
    """
    for number, row in enumerate(read_rows(source)):
        log = log_of(row) if fields in (None, Fields()) else None
        entry = Entry(row, fields)
        if number == 0:
            say(log.program if log else entry.layout)
        with naming(row.where):
            try:
                yield from log.items(row) if log else _items(entry)
            except NoAnswer:
                if dropped is None:
                    raise
                dropped["no_final_answer"] += 1


def _items(entry: Entry) -> list[Item]:
    row = entry.row
    own = entry.id or entry.word("idx")
    name = own or ":".join(row.name.rsplit("/", 1))
    kind = entry.word("kind", "source") or row.origin
    gold = entry.gold()
    said = entry.predictions()
    by_name = True if row.origin.endswith("-correct") else False if row.origin.endswith("-wrong") else None
    # Two models' files of one set of problems: without ids, equal lines are of equal problems.
    problem = entry.word("problem_id") or own or row.name.rpartition("/")[2]
    return [
        Item(
            name if written.number is None else f"{name}/{written.number}",
            _readable(written.content),
            gold,
            kind,
            by_name if written.label is None else written.label,
            problem,
            question=entry.word("question", "problem") or "",
        )
        for written in said
    ]


def _readable(said: Solution | str) -> Solution | str:
    """Read a text whose marks ``extract_answer`` does not know; any other text stays as it is."""
    return read_solution(said, "markdown") if isinstance(said, str) and "<llm-code>" in said else said
