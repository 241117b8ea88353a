"""Bring pairs that the paper's own programs made into a run: JSON Lines files, every pair verified.

Reads two layouts. The files that are trained on hold ``chosen`` and ``rejected``, lists of messages whose roles are
``system``, ``user``, ``assistant_correct`` (the blocks that both sides share, if any) and ``assistant``; they have no
gold answer, so the chosen side's own answer is taken for it. The files that those are made from hold a
``correct_solution`` and ``wrong_solutions`` (``start_steps`` shared blocks, and the whole ``debug_result``), with the
gold answer in ``extra``. Not covered: the sampled token ids and temperatures, which these files do not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Block, Solution
from sandbox.blocks import BLOCK_TYPES
from sandbox.formats import normalise_newlines
from scdpo.data.filters import drop_reason
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import naive_pair, step_controlled_pair
from scdpo.data.records import OriginRecord, PairRecord
from scdpo.data.runs import Run
from verifier import extract_answer
from verifier.files.jsonl import read_lines

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


def import_pairs(run: Run, path: Path, format: str = "mathcoder") -> None:
    """Write the pairs of a file into a run, and the counts of what was left out into its ``stages.json``.

    Args:
        run: is entered.
        path: a ``.jsonl`` or ``.jsonl.gz`` file in one of the two layouts.
        format: how the model that will be trained writes solutions.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    dropped: Counter[str] = Counter()
    kept = 0
    for pair in read_pairs(path, format, dropped):
        run.pairs.append(pair)
        kept += 1
    run.write_stage(f"pairs of {path.name}", kept + dropped.total(), kept, dropped, 0.0)


def read_pairs(path: Path, format: str, dropped: Counter[str]) -> Iterator[PairRecord]:
    """Yield the pairs of a file that hold: right and clean on one side, wrong beyond doubt on the other.

    Args:
        path: as ``import_pairs``.
        format: as ``import_pairs``.
        dropped: counts the others by reason; added to. ``prefix_differs``, ``chosen_without_answer``,
            ``chosen_not_right``, ``chosen_not_clean``, ``rejected_not_wrong``, or a filter's reason.

    Raises:
        LineError: naming the line and field that cannot be read.
    """
    problems: dict[str, str] = {}
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
    read = read_lines(path, lambda row, number: [(number, list(_sides(row, format)))])
    for number, some in read:
        for index, sides in enumerate(some):
            problem = problems.setdefault(sides.question, f"{stem}/{number}")
            pair = _pair(sides, problem, f"{stem}/{number}/{index}", format)
            if isinstance(pair, PairRecord):
                yield pair
            else:
                dropped[pair] += 1


def _sides(row: dict[str, Any], format: str) -> Iterator[_Sides]:
    """Yield the pairs of a line."""
    if "wrong_solutions" not in row:
        chosen, rejected = (_by_role(row[side], format) for side in ("chosen", "rejected"))
        question = "\n".join(block.content for block in chosen["user"])
        shared, other = (side.get("assistant_correct", ()) for side in (chosen, rejected))
        yield _Sides(question, None, shared, chosen["assistant"], other, rejected["assistant"])
        return
    question, gold = str(row["extra"]["question"]), str(row["extra"]["answer"])
    right = _spoken(row["correct_solution"])
    for wrong in row["wrong_solutions"] if right else ():
        cut, whole = int(wrong["start_steps"]), _spoken(wrong["debug_result"])
        yield _Sides(question, gold, right[:cut], right[cut:], whole[:cut], whole[cut:])


def _by_role(messages: list[dict[str, Any]], format: str) -> dict[str, Blocks]:
    """Return the blocks of each role; a message of plain text is read as the format says."""
    found: dict[str, Blocks] = {}
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            found[message["role"]] = Solution.parse(normalise_newlines(content), format).blocks
        else:
            found[message["role"]] = tuple(_block(part["type"], part["content"]) for part in content)
    return found


def _spoken(messages: list[dict[str, Any]]) -> Blocks:
    """Return the blocks of a recorded solution, without system message and question."""
    return tuple(_block(m["role"], m["content"]) for m in messages if m["role"] in BLOCK_TYPES)


def _block(type: str, content: Any) -> Block:
    return Block.from_dict({"type": type, "content": normalise_newlines(str(content))})


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
        return drop_reason(wrong.blocks, format) or "rejected_not_wrong"
    if not sides.prefix:
        return naive_pair(chosen, rejected)
    step = len(Solution(sides.prefix).steps) - 1
    origin = OriginRecord(chosen_id=chosen.id, rejected_id=rejected.id, corruptor="temperature")
    return step_controlled_pair(chosen, step, sides.rejected, [], rejected.verdict.answer, origin)
