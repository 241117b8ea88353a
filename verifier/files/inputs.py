"""Read pairs to verify from JSON Lines: plain pairs, our records, and the output files of MathCoder and ToRA.

Known lines: ``prediction`` and ``gold`` (or ``answer``); ``blocks`` and ``gold`` or ``answer`` (our records);
``debug_result`` and ``ground_truth`` (MathCoder, whose file name says ``-correct`` or ``-wrong``); ``code``, ``gt``
and ``pred`` (ToRA, one item a sample). A label is taken along where the line has one. Gzip files are read as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.blocks import BLOCK_TYPES, Block
from sandbox.solution import Solution
from verifier.files.jsonl import read_lines
from verifier.given import gold_text, prediction_text


@dataclass(frozen=True, slots=True)
class Item:
    """One pair to verify.

    Attributes:
        id: the line's own id, or the file's name and line number.
        prediction: a whole solution, or a bare answer as text.
        gold: the gold answer.
        kind: what to group it by in a table: the line's ``kind``, else its ``source``, else the file's name.
        label: whether it is correct by the line's own account; None where it does not say.
    """

    id: str
    prediction: str | Solution
    gold: str
    kind: str
    label: bool | None = None


def read_items(path: Path) -> Iterator[Item]:
    """Yield the pairs of a JSON Lines file (``.gz`` too).

    Raises:
        LineError: naming the file and line, if a line is not JSON, is none of the known records, or has no gold
            answer.
        OSError: if the file cannot be read.
    """
    yield from read_lines(path, lambda line, number: _items(line, path, number))


def _items(line: dict[str, Any], path: Path, number: int) -> Iterator[Item]:
    stem = path.name.split(".", 1)[0]
    name = str(line.get("id", line.get("idx", f"{stem}:{number}")))
    kind = str(line.get("kind") or line.get("source") or stem)
    if "debug_result" in line:
        label = True if stem.endswith("-correct") else False if stem.endswith("-wrong") else None
        yield Item(name, _mathcoder(line), _gold(line["ground_truth"], "answer"), kind, label)
    elif "code" in line and "gt" in line:
        for sample, text in enumerate(line["code"]):
            yield Item(
                f"{name}/{sample}", prediction_text(text), _gold(line, "gt"), kind, _tora_label(line, sample)
            )
    else:
        gold = _gold(line, "gold" if "gold" in line else "answer")
        said = Solution.of(line["blocks"]) if "blocks" in line else prediction_text(line["prediction"])
        yield Item(name, said, gold, kind, _label(line))


def _gold(record: dict[str, Any], field: str) -> str:
    """Return the gold answer as text.

    Raises:
        KeyError: if there is no such field.
        TypeError: if it is neither text nor a number.
        ValueError: if it is null or NaN.
    """
    value = record[field]
    if value is None or value != value:
        raise ValueError(f"the gold answer in the field {field!r} is missing ({json.dumps(value)})")
    return gold_text(value)


def _label(line: dict[str, Any]) -> bool | None:
    for field in ("correct", "recorded_correct"):
        if isinstance(line.get(field), bool):
            return bool(line[field])
    verdict = line.get("verdict")
    status = verdict.get("status") if isinstance(verdict, dict) else None
    return None if status in (None, "unverifiable") else status == "correct"


def _mathcoder(line: dict[str, Any]) -> Solution:
    """MathCoder adds the answer it extracted as one more text block; it is dropped after a text block."""
    blocks = [Block(b["type"], b["content"]) for b in line["debug_result"] if b.get("type") in BLOCK_TYPES]
    if len(blocks) > 1 and blocks[-1].type == blocks[-2].type == "text":
        blocks.pop()
    return Solution(tuple(blocks))


def _tora_label(line: dict[str, Any], sample: int) -> bool | None:
    scores = line.get("score")
    return bool(scores[sample]) if isinstance(scores, list) and sample < len(scores) else None
