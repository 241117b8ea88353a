"""Bring solutions that others made into a run: JSON Lines files of questions, answers and blocks.

Reads three layouts of others: the MathCoder and ToRA outputs as collected (``question``, ``answer``, ``blocks``),
solutions as text (``question``, ``answer``, ``solution``), and the files of the paper's own programs (``question``,
``extra.answer``, and message lists under ``debug_result`` or under ``correct_solutions``,
``correct_errored_solutions`` and ``wrong_solutions``). Every such solution is verified here; labels in the file are not
trusted. The ``solutions.jsonl`` of a run comes in as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import ValidationError

from sandbox import Block, Solution
from sandbox.blocks import BLOCK_TYPES
from sandbox.formats import normalise_newlines
from scdpo.data.filters import drop_reason
from scdpo.data.records import IMPORTED, SamplingRecord, SolutionRecord, VerdictRecord, block_records
from scdpo.data.runs import Run, RunError
from verifier import verify_solution
from verifier.files.jsonl import read_lines


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


def import_solutions(run: Run, path: Path, format: str | None = None) -> None:
    """Bring the solutions of a file into a run, and their number into its ``stages.json``.

    What the run holds already is neither verified nor counted again. Of several solutions with one id the first
    comes in; the others are counted as ``repeated``.

    Args:
        run: is entered.
        path: as ``read_solutions``.
        format: as ``read_solutions``; None takes that of the run's solutions, ``mathcoder`` if it holds none.

    Raises:
        LineError: naming the line and field that cannot be read.
        RunError: if the run was sampled and the file is that of another one, or its solutions are in another format.
    """
    started = monotonic()
    sampled = bool(run.settings("sample"))
    first = next(iter(run.solutions), None)
    written = first.sampling.format if first else None
    taken: set[str] = set()
    repeated = 0
    format = format or written or "mathcoder"
    for row in _rows(path, format):
        if row.id in taken or (row.id in run.solutions and not _same(row, run.solutions.get(row.id))):
            repeated += 1
            continue
        taken.add(row.id)
        if row.id in run.solutions:
            continue
        record = row.record(format) if isinstance(row, _Row) else row
        if sampled and record.sampling.engine != IMPORTED:
            raise RunError(
                f"{path} holds solutions that another run sampled, and {run.folder} was sampled itself: "
                "bring them into a folder of their own"
            )
        if written not in (None, record.sampling.format):
            raise RunError(
                f"{run.folder} holds solutions in the format {written!r}, and those of {path} are in "
                f"{record.sampling.format!r}: choose another folder for them"
            )
        written = record.sampling.format
        run.solutions.append(record)
    dropped = {"repeated": repeated} if repeated else {}
    seconds = monotonic() - started
    run.write_stage(f"solutions of {path.name}", len(taken) + repeated, len(taken), dropped, seconds)


def _same(row: _Row | SolutionRecord, known: SolutionRecord) -> bool:
    return row.same_as(known) if isinstance(row, _Row) else row == known


def read_solutions(path: Path, format: str = "mathcoder") -> Iterator[SolutionRecord]:
    """Yield the solutions of a ``.jsonl`` or ``.jsonl.gz`` file, verified.

    Args:
        path: each line an object with ``question``, ``answer`` (or ``gold``) and ``blocks`` (or ``solution``, a text in
            the format); ``id``, ``problem_id`` and ``source`` if there. Or a line of the paper's programs, which may
            hold several solutions; one that was cut off before its end is brought in as dropped. Or a line of a run's
            ``solutions.jsonl``, which is taken as it stands.
        format: how the model that will be trained writes solutions.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    for row in _rows(path, format):
        yield row.record(format) if isinstance(row, _Row) else row


def _rows(path: Path, format: str) -> Iterator[_Row | SolutionRecord]:
    """Yield the solutions of a file as they stand."""

    def rows(row: dict[str, Any], number: int) -> Iterator[_Row | SolutionRecord]:
        if "schema_version" in row:
            yield _own(row)
        elif "debug_result" in row or "correct_solutions" in row:
            yield from _rows_of_messages(row, f"{path.stem}/{number}")
        else:
            yield _row(row, f"{path.stem}/{number}", format)

    yield from read_lines(path, rows)


def _own(row: dict[str, Any]) -> SolutionRecord:
    try:
        return SolutionRecord.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"the field {field!r} of a run's solution: {first['msg']}") from error


def _row(row: dict[str, Any], default_id: str, format: str) -> _Row:
    if "solution" in row and "blocks" not in row:
        solution = Solution.parse(normalise_newlines(str(row["solution"])), format)
    else:
        blocks = [Block.from_dict(b) for b in row["blocks"]]
        solution = Solution(tuple(Block(b.type, normalise_newlines(b.content)) for b in blocks))
    return _Row(
        solution,
        question=str(row["question"]),
        gold=str(row["gold"] if "gold" in row else row["answer"]),
        id=str(row.get("id", default_id)),
        problem_id=str(row.get("problem_id", row.get("id", default_id))),
        source=str(row.get("source", "unknown")),
    )


_MESSAGE_LISTS = ("correct_solutions", "correct_errored_solutions", "wrong_solutions")


def _rows_of_messages(row: dict[str, Any], default_id: str) -> Iterator[_Row]:
    """Yield the solutions in a line of the paper's programs: lists of ``{"role", "content"}``."""
    lists = (
        [row["debug_result"]] if "debug_result" in row else [m for key in _MESSAGE_LISTS for m in row[key]]
    )
    for index, messages in enumerate(lists):
        spoken = [m for m in messages if m["role"] not in ("system", "user")]
        blocks = tuple(
            Block(m["role"], normalise_newlines(str(m["content"])))
            for m in spoken
            if m["role"] in BLOCK_TYPES
        )
        yield _Row(
            Solution(blocks),
            question=str(row["question"]),
            gold=str(row["extra"]["answer"]),
            id=f"{default_id}/{index}",
            problem_id=default_id,
            # A role of any other name says why generation was given up.
            dropped="unfinished" if len(blocks) < len(spoken) else "",
        )


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
    verdict = verify_solution(solution, gold, require="stated")
    return SolutionRecord(
        id=id,
        problem_id=problem_id,
        question=question,
        gold=gold,
        blocks=block_records(solution.blocks),
        verdict=VerdictRecord(status=verdict.status, answer=verdict.prediction, reason=verdict.reason),
        clean=verdict.clean,
        dropped=drop_reason(solution.blocks) or "",
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
