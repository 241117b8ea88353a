"""Hand pairs over to other trainers: TRL's columns as Parquet, with a data card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from datasets import Dataset

from sandbox import Block
from sandbox.formats import get_format
from scdpo.records import BlockRecord, PairRecord
from scdpo.runs import RunError

_CARD = """---
tags: [preference, mathematics, step-controlled-dpo]
---
# Preference pairs

Made with scdpo (Step-Controlled DPO, arXiv 2407.00782). `prompt` holds the question, and for a step-controlled pair
the shared steps; `chosen` goes on to the right answer, `rejected` to a wrong one. Execution blocks are the
kernel's output, not the model's.

| kind | pairs | problems |
|---|---:|---:|
{rows}

| made by | pairs |
|---|---:|
{corruptors}

Columns: `prompt`, `chosen`, `rejected` (text in the {formats} format), `id`, `problem_id`, `kind`,
`branch_step`, `gold`, `chosen_answer`, `rejected_answer`. Load with
`datasets.load_dataset("parquet", data_files="{name}")`.
"""


def export_pairs(pairs: Iterable[PairRecord], path: Path, system: str = "") -> int:
    """Write pairs as a Parquet file that ``trl.DPOTrainer`` takes, and a data card ``README.md`` beside it.

    Args:
        pairs: of a run's ``pairs.jsonl``.
        path: the file to write.
        system: the system message that stands in every prompt.

    Returns:
        How many pairs were written.

    Raises:
        RunError: if there are none.
    """
    pairs = list(pairs)
    if not pairs:
        raise RunError("there are no pairs to export; make some with `scdpo sample` and `scdpo corrupt`")
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list([_columns(pair, system) for pair in pairs]).to_parquet(path)
    kinds = Counter(pair.kind for pair in pairs)
    rows = "\n".join(
        f"| {kind.replace('_', '-')} | {n} | {len({p.problem_id for p in pairs if p.kind == kind})} |"
        for kind, n in kinds.items()
    )
    makers = Counter(pair.origin.corruptor for pair in pairs)
    card = _CARD.format(
        rows=rows,
        corruptors="\n".join(f"| {maker} | {n} |" for maker, n in makers.items()),
        formats=", ".join(sorted({pair.format for pair in pairs})),
        name=path.name,
    )
    (path.parent / "README.md").write_text(card, encoding="utf-8")
    return len(pairs)


def _columns(pair: PairRecord, system: str) -> dict[str, object]:
    form = get_format(pair.format)
    prefix, chosen, rejected = (_blocks(side) for side in (pair.prefix, pair.chosen, pair.rejected))
    previous = prefix[-1].type if prefix else None
    return {
        "prompt": form.prompt(pair.question, system) + form.render(prefix),
        "chosen": form.render(chosen, previous=previous) + form.end,
        "rejected": form.render(rejected, previous=previous) + form.end,
        "id": pair.id,
        "problem_id": pair.problem_id,
        "kind": pair.kind,
        "branch_step": pair.branch_step,
        "gold": pair.gold,
        "chosen_answer": pair.chosen_answer,
        "rejected_answer": pair.rejected_answer,
    }


def _blocks(records: Iterable[BlockRecord]) -> list[Block]:
    return [Block(record.type, record.content) for record in records]
