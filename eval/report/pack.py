"""Pack a run's records into the page: an index of all rows, and the rows themselves in lazily opened chunks.

Both are gzip in base64 inside inert script elements, so nothing that a model wrote can end the element it
stands in, and the browser opens only the chunk that a reader looks at. Not covered: search in the full
text of solutions; the index holds ids, the start of each question, and answers.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from eval.results import Evaluation, transcripts_path
from scdpo.data.records import PairRecord, SolutionRecord
from scdpo.data.runs import RecordFile

MAX_ROWS = 50_000  # of one collection; what a browser filters without a pause one notices
MAX_PACKED = 96 * 2**20  # base64 characters of one collection; browsers hold strings and pages of this size
CHUNK_CHARACTERS = 512 * 1024  # of JSON: opened in some 10 ms, and still compresses well
QUESTION_CHARACTERS = 160  # of each question in the index


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One record as the page shows it: what the list and the filters need, and the whole of it."""

    id: str
    problem: str
    question: str
    answers: str
    facets: Mapping[str, str]
    detail: Mapping[str, Any]
    right: bool = False


@dataclass(slots=True)
class Collection:
    """One file of records.

    ``total`` counts its records, ``rows`` those in the page (a first part if fewer), and ``counts`` the values
    of each facet over all records. ``model`` is an evaluation's, and those of one ``group`` can be compared, problem by
    problem.
    """

    key: str
    title: str
    kind: Literal["pair", "solution"]
    file: str
    model: str = ""
    group: str = ""
    rows: int = 0
    total: int = 0
    index: str = ""
    chunks: list[str] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def head(self) -> dict[str, Any]:
        """Return what the page's script knows from the start."""
        return {
            "key": self.key,
            "title": self.title,
            "kind": self.kind,
            "file": self.file,
            "model": self.model,
            "group": self.group,
            "rows": self.rows,
            "total": self.total,
        }


def pairs(run_dir: Path) -> Collection | None:
    """Pack ``pairs.jsonl``; None where it has no record.

    Raises:
        RunError: if a line is no pair.
    """
    records = RecordFile(run_dir / "pairs.jsonl", PairRecord)
    return _packed(Collection("pairs", "Preference pairs", "pair", "pairs.jsonl"), map(_pair, records))


def solutions(run_dir: Path) -> Collection | None:
    """Pack ``solutions.jsonl``; None where it has no record.

    Raises:
        RunError: if a line is no solution.
    """
    records = RecordFile(run_dir / "solutions.jsonl", SolutionRecord)
    collection = Collection("solutions", "Sampled solutions", "solution", "solutions.jsonl")
    return _packed(collection, map(_solution, records))


def transcripts(run_dir: Path, evaluation: Evaluation, key: str) -> Collection | None:
    """Pack the transcripts of an evaluation; None where there are none.

    Raises:
        RunError: if a line is no solution.
    """
    path = transcripts_path(run_dir, evaluation.name)
    drawn = evaluation.settings
    collection = Collection(
        key,
        f"Evaluation: {evaluation.title}",
        "solution",
        str(path.relative_to(run_dir)),
        model=evaluation.model,
        group=f"{evaluation.benchmark}, {drawn.samples} at {drawn.temperature}, seed {drawn.seed}",
    )
    return _packed(collection, map(_solution, RecordFile(path, SolutionRecord)))


def _pair(record: PairRecord) -> PackedRow:
    origin = record.origin
    return PackedRow(
        id=record.id,
        problem=record.problem_id,
        question=record.question,
        answers=f"✓ {_answer(record.chosen_answer)}  ✗ {_answer(record.rejected_answer)}",
        facets={
            "kind": record.kind.replace("_", "-"),
            "branch": "none" if record.branch_step is None else f"step {record.branch_step}",
            "made by": origin.corruptor,
            "mutation": origin.mutation.partition(":")[0] or "none",
            "error step": _confirmed(record),
        },
        detail=record.model_dump(exclude={"prefix_tokens", "chosen_tokens", "rejected_tokens"}),
    )


def _confirmed(record: PairRecord) -> str:
    confirmed = record.confirmation.confirmed
    if confirmed is None:
        return "not tried"
    return "confirmed" if confirmed else "not confirmed"


def _solution(record: SolutionRecord) -> PackedRow:
    detail = record.model_dump(exclude={"sampling": {"block_tokens"}})
    detail["sampling"]["seed"] = str(record.sampling.seed)  # JavaScript would round its 63 bits
    return PackedRow(
        id=record.id,
        problem=record.problem_id,
        question=record.question,
        answers=("✓ " if record.verdict.status == "correct" else "✗ ") + _answer(record.verdict.answer),
        facets={
            "verdict": record.verdict.status,
            "clean": "clean" if record.clean else "error or repair",
            "left out": record.dropped.replace("_", " ") or "no",
            "ended by": record.sampling.finish,
            "model": _model(record.sampling.model),
            "isolation": record.isolation or "ran no code",
        },
        detail=detail,
        right=record.verdict.status == "correct",
    )


def _model(name: str) -> str:
    """Return a model's name; of a path only the last two parts, which tell models of a run apart."""
    return "/".join(Path(name).parts[-2:]) if Path(name).is_absolute() else name


def _answer(answer: str | None) -> str:
    return "no answer" if answer is None else answer


def _packed(collection: Collection, rows: Iterable[PackedRow]) -> Collection | None:
    columns: dict[str, list[str]] = {"id": [], "problem": [], "question": [], "answers": []}
    right: list[int] = []
    facets: dict[str, list[str]] = {}
    starts: list[int] = []
    open_chunk: list[str] = []
    room, characters = MAX_PACKED, 0
    for row in rows:
        collection.total += 1
        for name, value in row.facets.items():
            collection.counts.setdefault(name, Counter())[value] += 1
        if collection.rows >= MAX_ROWS or room <= 0:
            continue
        if not open_chunk:
            starts.append(collection.rows)
        open_chunk.append(_json(row.detail))
        characters += len(open_chunk[-1])
        if characters >= CHUNK_CHARACTERS:
            room -= _close(collection, open_chunk)
            characters = 0
        collection.rows += 1
        columns["id"].append(row.id)
        columns["problem"].append(row.problem)
        columns["question"].append(
            " ".join(row.question[: 2 * QUESTION_CHARACTERS].split())[:QUESTION_CHARACTERS]
        )
        columns["answers"].append(row.answers[:QUESTION_CHARACTERS])
        right.append(int(row.right))
        for name, value in row.facets.items():
            facets.setdefault(name, []).append(value)
    if not collection.total:
        return None
    if open_chunk:
        _close(collection, open_chunk)
    coded = [_coded(name, values) for name, values in facets.items() if len(set(values)) > 1]
    collection.index = _squeezed(_json({**columns, "right": right, "starts": starts, "facets": coded}))
    return collection


def _close(collection: Collection, chunk: list[str]) -> int:
    """Compress the open chunk and empty it; return its size."""
    collection.chunks.append(_squeezed("[" + ",".join(chunk) + "]"))
    chunk.clear()
    return len(collection.chunks[-1])


def _coded(name: str, values: list[str]) -> dict[str, Any]:
    """Return a filter: its values with their counts, and each row's as a number."""
    counts = Counter(values)
    ordered = sorted(
        counts, key=lambda value: (len(value), value) if value.startswith("step ") else (0, value)
    )
    numbers = {value: number for number, value in enumerate(ordered)}
    return {
        "name": name,
        "values": ordered,
        "counts": [counts[value] for value in ordered],
        "codes": [numbers[value] for value in values],
    }


def _json(value: Any) -> str:
    # ASCII, so that a lone surrogate stays the escape that it is in JSON.
    return json.dumps(value, separators=(",", ":"))


def _squeezed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0)).decode("ascii")
