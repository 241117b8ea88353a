"""Bring solutions that others made into a run: JSON Lines files of questions, answers and blocks.

Reads three layouts: ours, the MathCoder and ToRA outputs as collected (``question``, ``answer``, ``blocks``), and the
files of the paper's own programs (``question``, ``extra.answer``, and message lists under ``debug_result`` or under
``correct_solutions``, ``correct_errored_solutions`` and ``wrong_solutions``). Every solution is verified here; labels
in the file are not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox import Block, Solution
from sandbox.formats import normalise_newlines
from scdpo.filters import drop_reason
from scdpo.records import SamplingRecord, SolutionRecord, VerdictRecord, block_records
from verifier import verify_solution
from verifier.lines import read_lines


def read_solutions(path: Path, format: str = "mathcoder") -> Iterator[SolutionRecord]:
    """Yield the solutions of a ``.jsonl`` or ``.jsonl.gz`` file, verified.

    Args:
        path: each line an object with ``question``, ``answer`` (or ``gold``) and ``blocks``; ``id``,
            ``problem_id`` and ``source`` if there. Or a line of the paper's programs, which may hold several
            solutions; one that was cut off before its end is brought in as dropped.
        format: how the model that will be trained writes solutions.

    Raises:
        LineError: naming the line and field that cannot be read.
    """

    def records(row: dict[str, Any], number: int) -> Iterator[SolutionRecord]:
        if "debug_result" in row or "correct_solutions" in row:
            yield from _records_of_messages(row, f"{path.stem}/{number}", format)
        else:
            yield _record(row, f"{path.stem}/{number}", format)

    yield from read_lines(path, records)


def _record(row: dict[str, Any], default_id: str, format: str) -> SolutionRecord:
    blocks = [Block.from_dict(b) for b in row["blocks"]]
    return as_record(
        Solution(tuple(Block(b.type, normalise_newlines(b.content)) for b in blocks)),
        question=str(row["question"]),
        gold=str(row["gold"] if "gold" in row else row["answer"]),
        id=str(row.get("id", default_id)),
        problem_id=str(row.get("problem_id", row.get("id", default_id))),
        source=str(row.get("source", "unknown")),
        format=format,
    )


_MESSAGE_LISTS = ("correct_solutions", "correct_errored_solutions", "wrong_solutions")
_BLOCK_TYPES = ("text", "code", "execution")


def _records_of_messages(row: dict[str, Any], default_id: str, format: str) -> Iterator[SolutionRecord]:
    """Yield the solutions in a line of the paper's programs: lists of ``{"role", "content"}``."""
    lists = (
        [row["debug_result"]] if "debug_result" in row else [m for key in _MESSAGE_LISTS for m in row[key]]
    )
    for index, messages in enumerate(lists):
        spoken = [m for m in messages if m["role"] not in ("system", "user")]
        blocks = tuple(
            Block(m["role"], normalise_newlines(str(m["content"])))
            for m in spoken
            if m["role"] in _BLOCK_TYPES
        )
        record = as_record(
            Solution(blocks),
            question=str(row["question"]),
            gold=str(row["extra"]["answer"]),
            id=f"{default_id}/{index}",
            problem_id=default_id,
            format=format,
        )
        if len(blocks) < len(spoken):  # a role of any other name says why generation was given up
            record = record.model_copy(update={"dropped": "unfinished"})
        yield record


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
    verdict = verify_solution(solution, gold)
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
            engine="imported",
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
