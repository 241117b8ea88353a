"""Read what is to be verified from other people's files: predictions or whole solutions beside their gold answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.solution import Solution
from verifier.files.fields import Fields
from verifier.files.jsonl import naming
from verifier.files.layouts import Entry, NoAnswer
from verifier.files.rows import read_rows
from verifier.files.written import read_solution


@dataclass(frozen=True, slots=True)
class Item:
    """One pair to verify.

    Attributes:
        id: the row's own id, or the file's name and the line's number; with the solution's number where a row has
            several.
        prediction: a whole solution, or a bare answer as text.
        gold: the gold answer.
        kind: what to group it by in a table: the row's ``kind``, else its ``source``, else the file's name.
        label: whether it is correct by the row's own account; None where it does not say.
    """

    id: str
    prediction: str | Solution
    gold: str
    kind: str
    label: bool | None = None


def read_items(
    source: Path | str,
    fields: Fields | None = None,
    dropped: Counter[str] | None = None,
    say: Callable[[str], None] = lambda layout: None,
) -> Iterator[Item]:
    """Yield the pairs of a file, a folder or a hub data set, in any layout of ``verifier.files.layouts``.

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
        entry = Entry(row, fields)
        if number == 0:
            say(entry.layout)
        with naming(row.where):
            try:
                yield from _items(entry)
            except NoAnswer:
                if dropped is None:
                    raise
                dropped["no_final_answer"] += 1


def _items(entry: Entry) -> list[Item]:
    row = entry.row
    name = entry.id or entry.word("idx") or ":".join(row.name.rsplit("/", 1))
    kind = entry.word("kind", "source") or row.origin
    gold = entry.gold()
    said = entry.predictions()
    by_name = True if row.origin.endswith("-correct") else False if row.origin.endswith("-wrong") else None
    return [
        Item(
            name if written.number is None else f"{name}/{written.number}",
            _readable(written.content),
            gold,
            kind,
            by_name if written.label is None else written.label,
        )
        for written in said
    ]


def _readable(said: Solution | str) -> Solution | str:
    """Read a text whose marks ``extract_answer`` does not know; any other text stays as it is."""
    return read_solution(said, "markdown") if isinstance(said, str) and "<llm-code>" in said else said
