"""Bring pairs that others made into a run, every pair verified; the pairs of another run come in as they stand.

Reads preference pairs in the columns of TRL (``prompt``, ``chosen``, ``rejected``: texts or messages), ShareGPT and
Alpaca, Step-DPO-10K, and both files of the paper's own programs: those that are trained on (lists of messages whose
roles are ``system``, ``user``, ``assistant_correct``, the blocks that both sides share, and ``assistant``), and those
that these are made from (a ``correct_solution`` and ``wrong_solutions``: ``start_steps`` shared blocks, and the whole
``debug_result``). Where a row has no gold answer, the chosen side's own is taken for it. Not covered: the sampled token
ids and temperatures, which these files do not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Block, Solution
from scdpo.data.import_solutions import as_record, own_record
from scdpo.data.pairs import naive_pair, step_controlled_pair
from scdpo.data.records import OriginRecord, PairRecord
from scdpo.data.runs import Run
from verifier import extract_answer
from verifier.files.fields import Fields
from verifier.files.jsonl import naming
from verifier.files.layouts import Entry
from verifier.files.rows import read_rows
from verifier.files.written import Turn, answer_blocks, read_solution, read_turns, spoken_blocks, uses_tools

Blocks = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _Sides:
    """A pair as a file has it; without a prefix it is naive, without a gold answer the chosen side's is used."""

    question: str
    gold: str | None
    prefix: Blocks
    chosen: Blocks
    rejected_prefix: Blocks
    rejected: Blocks


def import_pairs(
    run: Run,
    source: Path | str,
    format: str = "mathcoder",
    fields: Fields | None = None,
    say: Callable[[str], None] = lambda layout: None,
) -> None:
    """Write the pairs of a file into a run, and the counts of what was left out into its ``stages.json``.

    Args:
        run: is entered.
        source: as ``read_pairs``.
        format: how the model that will be trained writes solutions.
        fields: as ``read_pairs``.
        say: as ``read_pairs``.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    dropped: Counter[str] = Counter()
    kept = 0
    for pair in read_pairs(source, format, dropped, fields, say):
        run.pairs.append(pair)
        kept += 1
    run.write_stage(f"pairs of {Path(source).name}", kept + dropped.total(), kept, dropped, 0.0)


def read_pairs(
    source: Path | str,
    format: str,
    dropped: Counter[str],
    fields: Fields | None = None,
    say: Callable[[str], None] = lambda layout: None,
) -> Iterator[PairRecord]:
    """Yield the pairs of a file that hold: right and clean on one side, wrong beyond doubt on the other.

    Args:
        source: a file, a folder or a hub data set (``verifier.files.rows.read_rows``), in one of the layouts above.
        format: as ``import_pairs``.
        dropped: counts the others by reason; added to. ``prefix_differs``, ``chosen_without_answer``,
            ``chosen_not_right``, ``chosen_not_clean``, ``rejected_not_wrong``, ``right_in_a_reading`` (see
            ``second_look``), or a filter's reason.
        fields: where question and answer are, in a layout that is not known.
        say: hears the layout of the first row.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    problems: dict[str, str] = {}
    for number, row in enumerate(read_rows(source)):
        entry = Entry(row, fields)
        if number == 0:
            say(entry.layout)
        with naming(row.where):
            if "schema_version" in row.fields:
                yield own_record(row.fields, PairRecord)
                continue
            some = list(_sides(entry, format))
        for index, sides in enumerate(some):
            problem = problems.setdefault(sides.question, row.name)
            pair = _pair(sides, problem, f"{row.name}/{index}", format)
            if isinstance(pair, PairRecord):
                yield pair
            else:
                dropped[pair] += 1


def _sides(entry: Entry, format: str) -> Iterator[_Sides]:
    """Yield the pairs of a row."""
    row = entry.row.fields
    if "wrong_solutions" in row:
        yield from _continuations(entry)
        return
    chosen, rejected = (
        _by_role(row.get(f"full_{side}") or row[side], format) for side in ("chosen", "rejected")
    )
    shared, other = (side.get("assistant_correct", ()) for side in (chosen, rejected))
    question, gold = entry.question(), entry.stated_gold()
    if "initial_reason_steps" in row:
        yield _of_step_dpo(row, question, gold, format)
    else:
        begun = _begun(row, format)
        yield _Sides(
            question, gold, begun + shared, chosen["assistant"], begun + other, rejected["assistant"]
        )


def _continuations(entry: Entry) -> Iterator[_Sides]:
    """Yield the pairs of a right solution and what goes wrong after some of its blocks."""
    row = entry.row.fields
    question, gold = entry.question(), entry.stated_gold()
    right = _spoken(row["correct_solution"])
    for wrong in row["wrong_solutions"] if right else ():
        cut, whole = int(wrong["start_steps"]), _spoken(wrong["debug_result"])
        yield _Sides(question, gold, right[:cut], right[cut:], whole[:cut], whole[cut:])


def _of_step_dpo(row: dict[str, Any], question: str, gold: str | None, format: str) -> _Sides:
    """Return a pair of Step-DPO-10K, whose shared steps end in the opening words of the next: ``Step 3:``."""
    head, line_end, opening = str(row["initial_reason_steps"]).rpartition("\n")
    shared = read_solution(head + line_end, format).blocks if head.strip() else ()
    chosen, rejected = (
        read_solution(opening + str(row.get(f"full_{side}") or row[side]), format).blocks
        for side in ("chosen", "rejected")
    )
    return _Sides(question, gold, shared, chosen, shared, rejected)


def _begun(row: dict[str, Any], format: str) -> Blocks:
    """Return what both sides share: a last message of the assistant's in the prompt, then a column ``prefix``."""
    turns = read_turns(row.get("prompt"))
    begun = turns[-1].solution(format).blocks if turns and turns[-1].role == "assistant" else ()
    prefix = row.get("prefix")
    return begun + (
        read_solution(prefix, format).blocks if isinstance(prefix, str) and prefix.strip() else ()
    )


def _by_role(side: Any, format: str) -> dict[str, Blocks]:
    """Return the blocks of each role of a side; plain text is the assistant's, read as the format says."""
    turns = [Turn("assistant", side)] if isinstance(side, str) else read_turns(side) or []
    if uses_tools(turns):
        return {"assistant": answer_blocks(turns, format)}
    return {turn.role: turn.solution(format).blocks for turn in turns}


def _spoken(messages: Any) -> Blocks:
    """Return the blocks of a recorded solution, without system message and question."""
    return spoken_blocks(read_turns(messages) or [])[0]


def _pair(sides: _Sides, problem: str, id: str, format: str) -> PairRecord | str:
    """Return the pair, or why it does not hold."""
    if sides.prefix != sides.rejected_prefix:
        return "prefix_differs"
    right = Solution(sides.prefix + sides.chosen)
    gold = sides.gold if sides.gold is not None else extract_answer(right)
    if gold is None:
        return "chosen_without_answer"
    chosen = as_record(right, sides.question, gold, id=id, problem_id=problem, format=format)
    wrong = Solution(sides.prefix + sides.rejected)
    rejected = as_record(wrong, sides.question, gold, id=f"{id}.wrong", problem_id=problem, format=format)
    if chosen.verdict.status != "correct":
        return "chosen_not_right"
    if not chosen.preferred:
        return chosen.dropped or "chosen_not_clean"
    if not rejected.dispreferred:
        return rejected.dropped or "rejected_not_wrong"
    if not sides.prefix:
        return naive_pair(chosen, rejected)
    step = len(Solution(sides.prefix).steps) - 1
    origin = OriginRecord(chosen_id=chosen.id, rejected_id=rejected.id, corruptor="temperature")
    return step_controlled_pair(chosen, step, sides.rejected, [], rejected.verdict.answer, origin)
