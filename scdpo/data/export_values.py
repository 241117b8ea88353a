"""Values as labels for process reward models: TRL's stepwise supervision, denoised.

Roll-outs mislabel steps in two ways: a weak model fails from right steps too, and a model that finds its own errors
succeeds from wrong ones, so that errors are seen late. The remedies are those of SCAN (arXiv 2509.16548): solutions of
problems that the model seldom solves are left out, and the moves just before the error that was found get soft labels.
Not covered: the loss on soft labels, which TRL's boolean ``labels`` cannot say; they stand in a column beside them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox import Solution
from scdpo.data.export import ROW_GROUP, format_of, text_of
from scdpo.data.moves import move_blocks, move_ends
from scdpo.data.records import CONFIRMED_RATIO, ValueRecord
from scdpo.data.runs import Run, RunError
from scdpo.data.whole_files import written_whole

LEAST_CONFIDENCE: Final = 0.75
"""Where the model solves a problem less often than this, its failures say little about a step (SCAN's threshold)."""
SOFTENED: Final = 2
"""Moves before the error that was found whose labels are soft (SCAN's tolerance distance)."""

_SCHEMA: Final = pa.schema(
    [
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        ("soft_labels", pa.list_(pa.float64())),
        *((name, pa.string()) for name in ("solution_id", "problem_id")),
        ("solution_right", pa.bool_()),
    ]
)


def soft_labels(shares: Sequence[float], right: bool) -> list[float] | None:
    """Return how sound each move of a solution is, 0 to 1, from the share of right roll-outs at each place.

    A right solution's moves are all sound. In a wrong one the error is the first move after which the share has fallen
    to ``CONFIRMED_RATIO`` of the problem's own, or less. Moves before it are sound, the last ``SOFTENED`` of them as
    far as their share reaches the problem's; what follows the error is left out.

    Args:
        shares: from the question alone, and after each move but the last; 0 to 1.
        right: whether the solution ends in the right answer.

    Returns:
        As many labels as there are moves up to the error, or in all; None where the share from the question alone is
        below ``LEAST_CONFIDENCE``.
    """
    confidence = shares[0]
    if confidence < LEAST_CONFIDENCE:
        return None
    if right:
        return [1.0] * len(shares)
    after = [*shares[1:], 0.0]  # the last move of a wrong solution ends it
    error = next(i for i, share in enumerate(after) if share <= CONFIRMED_RATIO * confidence)
    sure = [1.0] * max(0, error - SOFTENED)
    return [*sure, *(min(1.0, share / confidence) for share in after[len(sure) : error]), 0.0]


def export_values(run: Run, path: Path, system: str = "", tokenizer: Any = None) -> tuple[int, Counter[str]]:
    """Write a run's values as a Parquet file in TRL's stepwise supervision format.

    A row is a solution: ``prompt``, ``completions`` (one text a move; a text and the code it announces, with its
    output, are one), ``labels`` (whether a move is sound: a soft label of a half or more), and beside them
    ``soft_labels``, ``solution_id``, ``problem_id``, ``solution_right``.

    Args:
        run: with ``values.jsonl`` and the solutions that it tells of.
        path: the file to write; it is there once it is whole.
        system: the system message that stands in every prompt.
        tokenizer: of the model, where the solutions are written with its chat template; else None.

    Returns:
        How many rows were written, and why the other solutions were left out: ``incomplete`` (a place without a
        value) and ``low_confidence`` (see ``soft_labels``).

    Raises:
        RunError: if the run has no values, or the file cannot be written.
    """
    places = _places(run)
    if not places:
        raise RunError(f"{run.folder} holds no values: scdpo values estimates them")
    left_out: Counter[str] = Counter()
    rows = 0
    try:
        with written_whole(path) as part, pq.ParquetWriter(part, _SCHEMA) as file:
            for some in _batches(_rows(run, places, system, tokenizer, left_out)):
                rows += len(some)
                file.write_table(pa.Table.from_pylist(some, schema=_SCHEMA))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; --out names a file") from error
    return rows, left_out


def _places(run: Run) -> dict[str, dict[int, ValueRecord]]:
    """Return the value of each place by solution; of several the one with the most roll-outs."""
    places: dict[str, dict[int, ValueRecord]] = defaultdict(dict)
    for value in run.values:
        known = places[value.solution_id].get(value.step)
        if known is None or known.tried < value.tried:
            places[value.solution_id][value.step] = value
    return places


def _rows(
    run: Run,
    places: Mapping[str, Mapping[int, ValueRecord]],
    system: str,
    tokenizer: Any,
    left_out: Counter[str],
) -> Iterator[dict[str, object]]:
    form_of = cache(lambda name: format_of(name, tokenizer))
    for id, known in places.items():
        solution = run.solutions.get(id)
        wanted = [-1, *move_ends(solution.solution)]
        if not known.keys() >= set(wanted):
            left_out["incomplete"] += 1
            continue
        right = solution.verdict.status == "correct"
        labels = soft_labels([known[step].right / known[step].tried for step in wanted], right)
        if labels is None:
            left_out["low_confidence"] += 1
            continue
        form = form_of(solution.sampling.format)
        yield {
            "prompt": form.prompt(solution.question, system),
            "completions": move_texts(solution.solution, form)[: len(labels)],
            "labels": [label >= 0.5 for label in labels],
            "soft_labels": labels,
            "solution_id": id,
            "problem_id": solution.problem_id,
            "solution_right": right,
        }


def move_texts(solution: Solution, form: Any) -> list[str]:
    """Return the text of each move, as training writes it after those before it."""
    texts, before = [], 0
    moves = move_blocks(solution)
    for number, blocks in enumerate(moves, start=1):
        earlier = solution.blocks[:before]
        texts.append(text_of(form.write(blocks, earlier, ended=number == len(moves))))
        before += len(blocks)
    return texts


def _batches(rows: Iterator[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    some: list[dict[str, object]] = []
    for row in rows:
        some.append(row)
        if len(some) == ROW_GROUP:
            yield some
            some = []
    if some:
        yield some
