"""Hand pairs over to other trainers: TRL's columns as Parquet, with a data card.

With a tokenizer the columns of TRL's collator stand beside the text, and masks of the tokens that count, so that
any trainer that takes token ids computes the loss of ``SCDPOTrainer``. Not covered: leaving out pairs that
are too long for the other trainer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi

from sandbox import Block
from sandbox.formats import Format, Piece
from scdpo.data.encoding import SolutionEncoder, encode_pair
from scdpo.data.formats import CHAT_FORMATS, bound_format
from scdpo.data.records import BlockRecord, PairRecord
from scdpo.data.runs import RunError
from scdpo.data.whole_files import written_whole

ROW_GROUP: Final = 256
"""Pairs that are in memory at once; 31 KB each with their token ids."""
_TEXT_COLUMNS: Final = [
    *((name, pa.string()) for name in ("prompt", "chosen", "rejected", "id", "problem_id", "kind")),
    ("branch_step", pa.int64()),
    *((name, pa.string()) for name in ("gold", "chosen_answer", "rejected_answer")),
    ("drop", pa.float64()),
]
_TOKEN_COLUMNS: Final = [
    *((f"{side}_ids", pa.list_(pa.int64())) for side in ("prompt", "chosen", "rejected")),
    *((f"{side}_mask", pa.list_(pa.int64())) for side in ("chosen", "rejected")),
]

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

    Pairs are read and written some hundred at a time, so that memory does not grow with their number.

    Args:
        pairs: of a run's ``pairs.jsonl``.
        path: the file to write; it is there once it is whole.
        system: the system message that stands in every prompt.
        tokenizer: a fast tokenizer of transformers, for the columns of token ids and masks; None for text only.

    Returns:
        How many pairs were written.

    Raises:
        RunError: if there are none, or the file cannot be written.
        ValueError: if the tokenizer cannot write the pairs' format.
    """
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; --out names a file")
    counts = _Counts()
    try:
        with written_whole(path) as part:
            _write(counts.counted(pairs), part, system, tokenizer)
        card = counts.card(path.name, tokenizer.name_or_path if tokenizer is not None else None)
        (path.parent / "README.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; --out names a file") from error
    return counts.pairs


def _write(pairs: Iterator[PairRecord], path: Path, system: str, tokenizer: Any) -> None:
    """Write the rows of pairs, a row group at a time."""
    first = next(pairs, None)
    if first is None:
        raise RunError("there are no pairs to export; make some with `scdpo sample` and `scdpo corrupt`")
    schema = pa.schema(_TEXT_COLUMNS + (_TOKEN_COLUMNS if tokenizer is not None else []))
    rest = chain([first], pairs)
    form_of = cache(lambda name: format_of(name, tokenizer))
    encoder_of = cache(lambda name: SolutionEncoder(tokenizer, name, system))
    with pq.ParquetWriter(path, schema) as file:
        while some := list(islice(rest, ROW_GROUP)):
            rows = [_columns(pair, system, form_of(pair.format)) for pair in some]
            if tokenizer is not None:
                for row, pair in zip(rows, some, strict=True):
                    row.update(encode_pair(pair.model_dump(), encoder_of(pair.format)))
            file.write_table(pa.Table.from_pylist(rows, schema=schema))


class _Counts:
    """What the data card tells of the pairs that went by."""

    def __init__(self) -> None:
        self._problems: dict[str, set[str]] = defaultdict(set)
        self._kinds: Counter[str] = Counter()
        self._makers: Counter[str] = Counter()
        self._formats: set[str] = set()

    @property
    def pairs(self) -> int:
        return self._kinds.total()

    def counted(self, pairs: Iterable[PairRecord]) -> Iterator[PairRecord]:
        for pair in pairs:
            self._kinds[pair.kind] += 1
            self._problems[pair.kind].add(pair.problem_id)
            self._makers[pair.origin.corruptor] += 1
            self._formats.add(pair.format)
            yield pair

    def card(self, name: str, tokenizer: str | None) -> str:
        rows = (
            f"| {kind.replace('_', '-')} | {n} | {len(self._problems[kind])} |"
            for kind, n in self._kinds.items()
        )
        return _CARD.format(
            rows="\n".join(rows),
            corruptors="\n".join(f"| {maker} | {n} |" for maker, n in self._makers.items()),
            formats=", ".join(sorted(self._formats)),
            tokens=_TOKENS.format(tokenizer=tokenizer) if tokenizer is not None else "",
            name=name,
        )


def push_to_hub(path: Path, repository: str) -> str:
    """Upload an exported file and its card to a data set of the Hugging Face hub; a new one is private.

    Args:
        path: as ``export_pairs`` wrote it.
        repository: ``OWNER/NAME``.

    Returns:
        The address of the data set.

    Raises:
        RunError: if the hub refuses, or cannot be reached.
    """
    hub = HfApi()
    try:
        address = hub.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        for file in (path, path.parent / "README.md"):
            hub.upload_file(
                path_or_fileobj=file, path_in_repo=file.name, repo_id=repository, repo_type="dataset"
            )
    except (OSError, ValueError) as error:  # the library's own, for names, tokens and networks
        raise RunError(
            f"cannot push to {repository}: {error}; {path} is whole, the command may be called again"
        ) from error
    return str(address)


def format_of(name: str, tokenizer: Any) -> Format:
    """Return the format of exported texts.

    Raises:
        RunError: if it is a chat template's, and no tokenizer says which.
    """
    if name in CHAT_FORMATS and tokenizer is None:
        raise RunError(
            f"pairs in the {name} format are written with the model's chat template: name the model with --tokenizer"
        )
    return bound_format(name, tokenizer)


def _columns(pair: PairRecord, system: str, form: Format) -> dict[str, object]:
    prefix, chosen, rejected = (_blocks(side) for side in (pair.prefix, pair.chosen, pair.rejected))
    return {
        "prompt": form.prompt(pair.question, system) + text_of(form.write(prefix)),
        # As training writes them: a text that goes on from the prefix's was sampled without a mark between the two.
        "chosen": text_of(form.write(chosen, prefix, ended=True)),
        "rejected": text_of(form.write(rejected, prefix, ended=True)),
        "id": pair.id,
        "problem_id": pair.problem_id,
        "kind": pair.kind,
        "branch_step": pair.branch_step,
        "gold": pair.gold,
        "chosen_answer": pair.chosen_answer,
        "rejected_answer": pair.rejected_answer,
        "drop": pair.confirmation.drop,
    }


def text_of(pieces: Iterable[Piece]) -> str:
    """Return the text of what a format wrote."""
    return "".join(piece.text for piece in pieces)


def _blocks(records: Iterable[BlockRecord]) -> list[Block]:
    return [Block(record.type, record.content) for record in records]
