"""Hand pairs over to other trainers: TRL's columns as Parquet, with a data card.

With a tokenizer the columns of TRL's collator stand beside the text, and masks of the tokens that count, so that
any trainer that takes token ids computes the loss of ``SCDPOTrainer``. Not covered: leaving out pairs that
are too long for the other trainer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets import Dataset

from sandbox import Block
from sandbox.formats import Format, Piece
from scdpo.data.encoding import SolutionEncoder, encode_pair
from scdpo.data.formats import CHAT_FORMATS, bound_format
from scdpo.data.records import BlockRecord, PairRecord
from scdpo.data.runs import RunError

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
`branch_step`, `gold`, `chosen_answer`, `rejected_answer`, `drop` (by how much the share of right roll-outs falls
across the first wrong step; null where there were none).{tokens} Load with
`datasets.load_dataset("parquet", data_files="{name}")`.
"""

_TOKENS = """ As token ids of `{tokenizer}`: `prompt_ids`,
`chosen_ids`, `rejected_ids`, and `chosen_mask`, `rejected_mask`, 1 where a token counts in the loss (the kernel's
output does not). The log-probability of a side is the sum over its counted tokens."""


def export_pairs(pairs: Iterable[PairRecord], path: Path, system: str = "", tokenizer: Any = None) -> int:
    """Write pairs as a Parquet file that ``trl.DPOTrainer`` takes, and a data card ``README.md`` beside it.

    Args:
        pairs: of a run's ``pairs.jsonl``.
        path: the file to write.
        system: the system message that stands in every prompt.
        tokenizer: a fast tokenizer of transformers, for the columns of token ids and masks; None for text only.

    Returns:
        How many pairs were written.

    Raises:
        RunError: if there are none.
        ValueError: if the tokenizer cannot write the pairs' format.
    """
    pairs = list(pairs)
    if not pairs:
        raise RunError("there are no pairs to export; make some with `scdpo sample` and `scdpo corrupt`")
    path.parent.mkdir(parents=True, exist_ok=True)
    forms = {name: _format(name, tokenizer) for name in {pair.format for pair in pairs}}
    rows = [_columns(pair, system, forms[pair.format]) for pair in pairs]
    if tokenizer is not None:
        _add_tokens(rows, pairs, system, tokenizer)
    Dataset.from_list(rows).to_parquet(path)
    kinds = Counter(pair.kind for pair in pairs)
    table = "\n".join(
        f"| {kind.replace('_', '-')} | {n} | {len({p.problem_id for p in pairs if p.kind == kind})} |"
        for kind, n in kinds.items()
    )
    makers = Counter(pair.origin.corruptor for pair in pairs)
    card = _CARD.format(
        rows=table,
        corruptors="\n".join(f"| {maker} | {n} |" for maker, n in makers.items()),
        formats=", ".join(sorted({pair.format for pair in pairs})),
        tokens=_TOKENS.format(tokenizer=tokenizer.name_or_path) if tokenizer is not None else "",
        name=path.name,
    )
    (path.parent / "README.md").write_text(card, encoding="utf-8")
    return len(pairs)


def _add_tokens(rows: list[dict[str, object]], pairs: list[PairRecord], system: str, tokenizer: Any) -> None:
    encoders = {form: SolutionEncoder(tokenizer, form, system) for form in {pair.format for pair in pairs}}
    for row, pair in zip(rows, pairs, strict=True):
        row.update(encode_pair(pair.model_dump(), encoders[pair.format]))


def _format(name: str, tokenizer: Any) -> Format:
    if name in CHAT_FORMATS and tokenizer is None:
        raise RunError(
            f"pairs in the {name} format are written with the model's chat template: name the model with --tokenizer"
        )
    return bound_format(name, tokenizer)


def _columns(pair: PairRecord, system: str, form: Format) -> dict[str, object]:
    prefix, chosen, rejected = (_blocks(side) for side in (pair.prefix, pair.chosen, pair.rejected))
    return {
        "prompt": form.prompt(pair.question, system) + _text(form.write(prefix)),
        # As training writes them: a text that goes on from the prefix's was sampled without a mark between the two.
        "chosen": _text(form.write(chosen, prefix, ended=True)),
        "rejected": _text(form.write(rejected, prefix, ended=True)),
        "id": pair.id,
        "problem_id": pair.problem_id,
        "kind": pair.kind,
        "branch_step": pair.branch_step,
        "gold": pair.gold,
        "chosen_answer": pair.chosen_answer,
        "rejected_answer": pair.rejected_answer,
        "drop": pair.confirmation.drop,
    }


def _text(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _blocks(records: Iterable[BlockRecord]) -> list[Block]:
    return [Block(record.type, record.content) for record in records]
