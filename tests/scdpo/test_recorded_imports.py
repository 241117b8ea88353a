"""What other models really wrote comes in for a model with a chat template, and is trained on as that model writes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox import Block
from sandbox.formats import MarkdownFormat
from scdpo.cli import app
from scdpo.data.encoding import SolutionEncoder, encode_pair
from scdpo.data.import_solutions import read_solutions
from scdpo.data.records import BlockRecord, PairRecord
from scdpo.data.runs import Run
from tests.scdpo.test_bound_formats import messages, solutions
from tests.scdpo.tokenizers import chat_tokenizer

Row = dict[str, Any]
TEXTS = MarkdownFormat()


def fenced(blocks: tuple[Block, ...]) -> list[Row]:
    """One answer of the assistant with fences, as ToRA and Qwen2.5-Math record it."""
    return [{"role": "assistant", "content": TEXTS.render(blocks)}]


WRITTEN = {"chat": fenced, "tools": messages}


def write(file: Path, rows: Iterable[Row]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def blocks_of(recorded: Iterable[Row]) -> tuple[Block, ...]:
    return tuple(Block.from_dict(block) for block in recorded)


def pairs_of(shared_dir: Path) -> list[Row]:
    """Right and wrong solutions of one problem by one model, which begin with the same blocks."""
    with (shared_dir / "data/tir/natural_prefix_pairs.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def imported(file: Path, run: Path, format: str) -> list[PairRecord]:
    done = CliRunner().invoke(app, ["import", str(run), str(file), "--format", format])
    assert done.exit_code == 0, done.output
    return list(Run(run).pairs)


def contents(pair: PairRecord) -> tuple[list[BlockRecord], ...]:
    return pair.prefix, pair.chosen, pair.rejected


def reads_back(pair: PairRecord, encoder: SolutionEncoder) -> None:
    """Check that the ids of a pair, as training takes them, are its blocks and nothing else."""
    row = encode_pair(pair.model_dump(), encoder)
    prompt = encoder.prompt(pair.question)
    assert row["prompt_ids"][: len(prompt)] == prompt
    for side, blocks in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        text = encoder.tokens.spell(row["prompt_ids"][len(prompt) :] + row[f"{side}_ids"])
        whole = blocks_of(block.model_dump() for block in (*pair.prefix, *blocks))
        assert encoder.format.parse(text) == whole
        assert 0 < sum(row[f"{side}_mask"]) < len(row[f"{side}_mask"])


@pytest.mark.parametrize(
    ("format", "families"), [("chat", ("qwen2_5", "llama3")), ("tools", ("qwen3", "glm4moe"))]
)
def test_recorded_pairs_come_in_whichever_way_they_are_written(
    shared_dir: Path, tmp_path: Path, format: str, families: tuple[str, ...]
) -> None:
    recorded, rows, plain = pairs_of(shared_dir), [], []
    for row in recorded:
        sides = {side: blocks_of(row[side]) for side in ("chosen", "rejected")}
        asked = {"prompt": [{"role": "user", "content": row["question"]}], "answer": row["answer"]}
        rows.append(asked | {side: WRITTEN[format](blocks) for side, blocks in sides.items()})
        plain.append(asked | {side: fenced(blocks) for side, blocks in sides.items()})
    made = imported(write(tmp_path / "pairs.jsonl", rows), tmp_path / "run", format)
    known = imported(write(tmp_path / "plain.jsonl", plain), tmp_path / "other", "markdown")
    [stage] = Run(tmp_path / "run").read_json("stages.json").values()
    assert (stage["kept"], stage["dropped"]) == (16, {"chosen_not_clean": 6})  # six apologise on the way
    assert list(map(contents, made)) == list(map(contents, known))
    assert {pair.format for pair in made} == {format}
    for family in families:
        encoder = SolutionEncoder(chat_tokenizer(family), format)
        for pair in made:
            reads_back(pair, encoder)


@pytest.mark.parametrize(("format", "family"), [("chat", "qwen2_5"), ("tools", "qwen3")])
def test_recorded_solutions_come_in_block_by_block(
    shared_dir: Path, tmp_path: Path, format: str, family: str
) -> None:
    recorded = [
        (question, blocks) for question, blocks in solutions(shared_dir, 80) if blocks[0].content.strip()
    ]
    rows = [
        {"messages": [{"role": "user", "content": question}, *WRITTEN[format](blocks)], "answer": "0"}
        for question, blocks in recorded
    ]
    encoder = SolutionEncoder(chat_tokenizer(family), format)
    made = list(read_solutions(write(tmp_path / "solutions.jsonl", rows), format))
    assert [(record.question, record.solution.blocks) for record in made] == recorded
    for record in made:
        ids, mask = encoder.completion(record.question, (), record.solution.blocks)
        assert encoder.format.parse(encoder.tokens.spell(ids)) == record.solution.blocks
        assert 0 < sum(mask) < len(mask)


def test_recorded_chains_of_thought_are_cut_into_their_paragraphs(shared_dir: Path, tmp_path: Path) -> None:
    with gzip.open(shared_dir / "data/train/math.jsonl.gz", "rt", encoding="utf-8") as lines:
        several = (row for row in map(json.loads, lines) if "\n\n" in (row.get("solution") or ""))
        rows = list(islice(several, 80))
    made = list(read_solutions(write(tmp_path / "math.jsonl", rows), "chat-cot"))
    assert len(made) == 80
    encoder = SolutionEncoder(chat_tokenizer("qwen2_5"), "chat-cot")
    for row, record in zip(rows, made, strict=True):
        blocks = record.solution.blocks
        assert len(blocks) > 1
        assert "".join(block.content for block in blocks) == row["solution"]
        ids, mask = encoder.completion(record.question, (), blocks)
        assert encoder.format.parse(encoder.tokens.spell(ids)) == blocks
        assert all(mask)
    assert sum(record.preferred for record in made) > 0.9 * len(made)


@pytest.mark.parametrize(
    ("name", "format"), [("step_dpo_10k.jsonl", "chat-cot"), ("trl_pairs_conv.jsonl", "chat")]
)
def test_pairs_in_the_layouts_of_others_come_in(
    shared_dir: Path, tmp_path: Path, name: str, format: str
) -> None:
    [pair] = imported(shared_dir / "data/layouts" / name, tmp_path / "run", format)
    assert (pair.format, pair.gold, pair.rejected_answer) == (format, "18", "11")
    assert (pair.kind == "step_controlled") == (format == "chat-cot")
