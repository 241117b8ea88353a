"""Records of three projects, as they stand in their files."""

import gzip
import json
from pathlib import Path

import pytest

from sandbox.solution import Solution
from verifier import verify
from verifier.files.inputs import read_items
from verifier.files.jsonl import LineError


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_plain_pairs(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"prediction": "1", "gold": "2", "kind": "k", "correct": False},
        {"prediction": "3", "answer": 3},
    )
    first, second = read_items(path)
    assert (first.prediction, first.gold, first.kind, first.label) == ("1", "2", "k", False)
    assert (second.id, second.gold, second.kind, second.label) == ("a:2", "3", "a", None)


def test_our_records(tmp_path: Path) -> None:
    record = {
        "id": "s1",
        "gold": "4",
        "blocks": [{"type": "text", "content": "\\boxed{4}"}],
        "verdict": {"status": "correct"},
    }
    (item,) = read_items(write(tmp_path / "solutions.jsonl", record))
    assert isinstance(item.prediction, Solution)
    assert item.label is True


def test_mathcoder(tmp_path: Path) -> None:
    line = {
        "id": "1",
        "ground_truth": {"answer": "18", "solution": ""},
        "debug_result": [
            {"role": "system", "content": ""},
            {"type": "code", "content": "9*2"},
            {"type": "execution", "content": "18"},
            {"type": "text", "content": "It is \\boxed{18}."},
            {"type": "text", "content": "18"},
        ],
    }
    (item,) = read_items(write(tmp_path / "GSM8K-wrong.jsonl", line))
    assert isinstance(item.prediction, Solution)
    assert [b.type for b in item.prediction.blocks] == ["code", "execution", "text"]
    assert item.label is False


def test_tora(tmp_path: Path) -> None:
    line = {
        "idx": 7,
        "gt": "5",
        "code": ["```output\n5\n```\nIt is $\\boxed{5}$.", "no"],
        "pred": ["5", ""],
        "score": [True, False],
    }
    items = list(read_items(write(tmp_path / "t.jsonl", line)))
    assert [(i.id, i.label) for i in items] == [("7/0", True), ("7/1", False)]


def test_gzip_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write('\n{"prediction": "1", "gold": "1"}\n')
    assert [i.id for i in read_items(path)] == ["b:2"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"prediction": "1"}', '{"blocks": [{"type": "x", "content": ""}], "gold": "1"}', "3"]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"prediction": "1", "gold": "1"}\n' + line + "\n")
    with pytest.raises(ValueError, match="line 2"):
        list(read_items(path))


@pytest.mark.parametrize(
    "line",
    [
        '{"prediction": "no solution", "gold": %s}',
        '{"prediction": "no solution", "answer": %s}',
        '{"blocks": [{"type": "text", "content": "5"}], "gold": %s}',
        '{"code": ["no solution"], "pred": [""], "gt": %s}',
        '{"debug_result": [{"type": "text", "content": "5"}], "ground_truth": {"answer": %s}}',
    ],
)
@pytest.mark.parametrize("missing", ["null", "NaN"])
def test_a_line_without_a_gold_answer_is_named(tmp_path: Path, line: str, missing: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(line % missing + "\n")
    with pytest.raises(LineError, match=f"line 1: the gold answer .* is missing .{missing}"):
        list(read_items(path))


def test_a_prediction_that_is_null_is_no_answer(tmp_path: Path) -> None:
    (item,) = read_items(write(tmp_path / "a.jsonl", {"prediction": None, "gold": "no solution"}))
    assert verify(item.prediction, item.gold).status == "incorrect"


def test_real_records(shared_dir: Path) -> None:
    items = list(read_items(shared_dir / "data" / "tir" / "sample.jsonl.gz"))
    assert len(items) == 2159
    assert all(isinstance(i.prediction, Solution) for i in items)


def test_a_file_that_is_no_text_or_no_gzip_is_named(tmp_path: Path) -> None:
    for name in ("binary.jsonl", "not.jsonl.gz"):
        path = tmp_path / name
        path.write_bytes(b"\x89PNG\r\n")
        with pytest.raises(LineError, match=name):
            list(read_items(path))
