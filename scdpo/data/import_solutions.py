"""Bring solutions that others made into a run, in any layout of ``verifier.files.layouts``.

Every such solution is verified here; labels in the file are not trusted. The ``solutions.jsonl`` of a run comes in as
it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from pydantic import ValidationError

from sandbox import Solution
from scdpo.data.records import IMPORTED, Record, SamplingRecord, SolutionRecord, VerdictRecord, block_records
from scdpo.data.runs import Run, RunError
from scdpo.data.second_look import no_side
from verifier import verify_solution
from verifier.files.fields import Fields
from verifier.files.jsonl import naming
from verifier.files.layouts import Entry, NoAnswer
from verifier.files.rows import read_rows

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class _Row:
    """A solution of others, not verified yet; ``dropped`` says why it may not enter a pair, if the file says so."""

    solution: Solution
    question: str
    gold: str
    id: str
    problem_id: str
    source: str = "unknown"
    dropped: str = ""

    def record(self, format: str) -> SolutionRecord:
        """Verify it; takes CPU time."""
        record = as_record(
            self.solution,
            self.question,
            self.gold,
            id=self.id,
            problem_id=self.problem_id,
            source=self.source,
            format=format,
        )
        return record.model_copy(update={"dropped": self.dropped}) if self.dropped else record

    def same_as(self, record: SolutionRecord) -> bool:
        """Return whether a record is that of this solution."""
        ours, theirs = (
            (self.question, self.gold, self.solution),
            (record.question, record.gold, record.solution),
        )
        return ours == theirs


def import_solutions(
    run: Run,
    source: Path | str,
    format: str | None = None,
    fields: Fields | None = None,
    say: Callable[[str], None] = lambda layout: None,
) -> None:
    """Bring the solutions of a file into a run, and their number into its ``stages.json``.

    What the run holds already is neither verified nor counted again. Of several solutions with one id the first
    comes in; the others are counted as ``repeated``.

    Args:
        run: is entered.
        source: as ``read_solutions``.
        format: as ``read_solutions``; None takes that of the run's solutions, ``mathcoder`` if it holds none.
        fields: as ``read_solutions``.
        say: hears the layout of the first row.

    Raises:
        LineError: naming the line and field that cannot be read.
        RunError: if the run was sampled and the file is that of another one, or its solutions are in another format.
    """
    started = monotonic()
    sampled = bool(run.settings("sample"))
    first = next(iter(run.solutions), None)
    written = first.sampling.format if first else None
    taken: set[str] = set()
    dropped: Counter[str] = Counter()
    format = format or written or "mathcoder"
    for row in _rows(source, format, fields, dropped, say):
        if row.id in taken or (row.id in run.solutions and not _same(row, run.solutions.get(row.id))):
            dropped["repeated"] += 1
            continue
        taken.add(row.id)
        if row.id in run.solutions:
            continue
        record = row.record(format) if isinstance(row, _Row) else row
        if sampled and record.sampling.engine != IMPORTED:
            raise RunError(
                f"{source} holds solutions that another run sampled, and {run.folder} was sampled itself: "
                "bring them into a folder of their own"
            )
        if written not in (None, record.sampling.format):
            raise RunError(
                f"{run.folder} holds solutions in the format {written!r}, and those of {source} are in "
                f"{record.sampling.format!r}: choose another folder for them"
            )
        written = record.sampling.format
        run.solutions.append(record)
    made, name = len(taken) + dropped.total(), Path(source).name
    run.write_stage(f"solutions of {name}", made, len(taken), dropped, monotonic() - started)


def _same(row: _Row | SolutionRecord, known: SolutionRecord) -> bool:
    return row.same_as(known) if isinstance(row, _Row) else row == known


def read_solutions(
    source: Path | str, format: str = "mathcoder", fields: Fields | None = None
) -> Iterator[SolutionRecord]:
    """Yield the solutions of a file, a folder or a hub data set, verified.

    Rows without a gold answer whose solution states none are left out.

    Args:
        source: as ``verifier.files.rows.read_rows``. A row may hold several solutions; one that was cut off before its
            end is brought in as dropped. A line of a run's ``solutions.jsonl`` is taken as it stands.
        format: how the model that will be trained writes solutions, and how a text without marks is read.
        fields: where question, answer and solution are, in a layout that is not known.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    for row in _rows(source, format, fields, Counter(), lambda layout: None):
        yield row.record(format) if isinstance(row, _Row) else row


def _rows(
    source: Path | str, format: str, fields: Fields | None, dropped: Counter[str], say: Callable[[str], None]
) -> Iterator[_Row | SolutionRecord]:
    """Yield the solutions of a file as they stand."""
    for number, row in enumerate(read_rows(source)):
        entry = Entry(row, fields)
        if number == 0:
            say(entry.layout)
        with naming(row.where):
            try:
                found = _found(entry, format)
            except NoAnswer:
                dropped["no_final_answer"] += 1
                continue
        yield from found


def _found(entry: Entry, format: str) -> list[_Row | SolutionRecord]:
    if "schema_version" in entry.row.fields:
        return [own_record(entry.row.fields, SolutionRecord)]
    own = entry.word("id")
    id = own or entry.row.name
    question, gold = entry.question(), entry.gold()
    return [
        _Row(
            written.solution(format),
            question,
            gold,
            id=id if written.number is None else f"{id}/{written.number}",
            problem_id=entry.word("problem_id") or id,
            source=entry.word("source") or "unknown",
            dropped="" if written.ended else "unfinished",
        )
        for written in entry.solutions()
    ]


def own_record(row: dict[str, Any], kind: type[R]) -> R:
    """Return a line of a run's own file as the record that it is.

    Raises:
        ValueError: naming the field that is not as it should be.
    """
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = kind.__name__.removesuffix("Record").lower()
        raise ValueError(f"the field {field!r} of a run's {what}: {first['msg']}") from error


def as_record(
    solution: Solution,
    question: str,
    gold: str,
    *,
    id: str,
    problem_id: str,
    source: str = "unknown",
    format: str = "mathcoder",
) -> SolutionRecord:
    """Return the record of a solution that was not sampled here, verified."""
    verdict = verify_solution(solution, gold, require="stated", question=question)
    return SolutionRecord(
        id=id,
        problem_id=problem_id,
        question=question,
        gold=gold,
        blocks=block_records(solution.blocks),
        verdict=VerdictRecord(status=verdict.status, answer=verdict.prediction, reason=verdict.reason),
        clean=verdict.clean,
        dropped=no_side(solution, verdict, gold, question, format),
        sampling=SamplingRecord(
            engine=IMPORTED,
            model=source,
            format=format,
            seed=0,
            temperatures=[],
            finish="end",
            tokens=0,
            block_tokens=[],
        ),
        isolation="recorded elsewhere",
    )
