"""Result logs of lm-eval, lighteval and inspect_ai, as these programs write them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from verifier.files import eval_archive
from verifier.files.inputs import read_items
from verifier.files.jsonl import LineError

RIGHT = r"So it is \boxed{\frac{1}{2}}."


def lm_eval_line(doc_id: int, text: str, score: float, filtered: str = "none", **more: Any) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "doc": {"question": "What is 1/4 + 1/4?", "answer": "1/4 + 1/4 = 0.5\n#### 0.5"},
        "target": "1/4 + 1/4 = 0.5\n#### 0.5",
        "arguments": {"gen_args_0": {"arg_0": "Question: …", "arg_1": {"until": ["Question:"]}}},
        "resps": [[text]],
        "filtered_resps": ["0.5"],
        "filter": filtered,
        "metrics": ["exact_match"],
        "doc_hash": "d", "prompt_hash": "p", "target_hash": "t",
        "exact_match": score,
        **more,
    }  # fmt: skip


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_lm_eval(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "samples_gsm8k_2026-11-01T10-00-00.123456.jsonl",
        lm_eval_line(0, RIGHT, 0.0, "strict-match"),
        lm_eval_line(0, RIGHT, 1.0, "flexible-extract"),
        lm_eval_line(1, "No idea.", 0.0),
    )
    strict, flexible, other = read_items(path)
    assert (strict.id, strict.problem, strict.sample, strict.kind) == (
        "0/strict-match",
        "0",
        "0",
        "gsm8k, strict-match",
    )
    assert (strict.prediction, strict.label, strict.question) == (RIGHT, False, "What is 1/4 + 1/4?")
    assert (flexible.label, flexible.problem, flexible.sample) == (True, "0", "0")
    assert (other.id, other.kind, other.label) == ("1", "gsm8k", False)


def test_several_samples_of_lm_eval_have_no_label_of_their_own(tmp_path: Path) -> None:
    line = lm_eval_line(3, "", 1.0, resps=[["a", "b"]])
    items = list(read_items(write_lines(tmp_path / "samples_t_2026-11-01T10-00-00.jsonl", line)))
    assert [(i.id, i.prediction, i.label, i.problem, i.sample) for i in items] == [
        ("3/0", "a", None, "3", "0"),
        ("3/1", "b", None, "3", "1"),
    ]


@pytest.mark.parametrize("resps", [[[["-1.5", "False"]], [["-0.5", "True"]]], [], [[]], "x"])
def test_a_task_scored_by_likelihood_is_said(tmp_path: Path, resps: Any) -> None:
    path = write_lines(
        tmp_path / "samples_arc_2026-11-01T10-00-00.jsonl", lm_eval_line(0, "", 1.0, resps=resps)
    )
    with pytest.raises(LineError, match=r"line 1: .*scored by likelihood"):
        list(read_items(path))


def lighteval_row(
    text: list[str], gold_index: Any = 0, choices: Any = ("0.5",), score: float = 0.0
) -> dict[str, Any]:
    return {
        "doc": {
            "query": "What is 1/4 + 1/4?", "choices": list(choices), "gold_index": gold_index, "id": "7",
            "task_name": "gsm8k|5", "specific": None,
        },
        "metric": {"extractive_match": score, "other": None},
        "model_response": {"text": text, "input": "…", "logprobs": []},
    }  # fmt: skip


def write_parquet(path: Path, *rows: dict[str, Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def test_lighteval(tmp_path: Path) -> None:
    path = tmp_path / "details_gsm8k|5_2026-11-01T10-00-00.parquet"
    one, two, three = read_items(
        write_parquet(path, lighteval_row([RIGHT]), lighteval_row(["a", "b"], score=1.0))
    )
    assert (one.id, one.prediction, one.gold, one.kind) == ("7", RIGHT, "0.5", "gsm8k|5")
    assert (one.label, one.problem, one.question) == (False, "7", "What is 1/4 + 1/4?")
    assert [(i.id, i.prediction, i.label, i.sample) for i in (two, three)] == [
        ("7/0", "a", None, "0"),
        ("7/1", "b", None, "1"),
    ]


def test_a_parquet_file_of_something_else_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"doc": 1})
    with pytest.raises(LineError, match=r"a\.parquet, row 1: field 'answer' is missing"):
        list(read_items(path))
    path.write_bytes(b"no Parquet file")
    with pytest.raises(LineError, match=r"a\.parquet: cannot be read as Parquet"):
        list(read_items(path))
    unscored = write_parquet(tmp_path / "b.parquet", lighteval_row(["1"]), lighteval_row([], score=1.0))
    with pytest.raises(LineError, match=r"row 2: .*scored by likelihood"):
        list(read_items(unscored))


def inspect_sample(id: object = 1, score: Any = "I", epoch: int = 1, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": RIGHT}
    return {
        "id": id,
        "epoch": epoch,
        "input": "What is 1/4 + 1/4?",
        "target": "0.5",
        "messages": [message],
        "output": {
            "model": "m",
            "choices": [{"message": message, "stop_reason": "stop"}],
            "completion": RIGHT,
        },
        "scores": {"match": {"value": score, "answer": "", "explanation": RIGHT}},
        "attachments": {},
        **more,
    }


HEADER = {"version": 2, "status": "success", "eval": {"task": "fractions", "model": "m"}}


def write_eval(path: Path, *samples: dict[str, Any], zstandard: bool = False) -> Path:
    members = {"header.json": HEADER} | {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in samples}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if zstandard else zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, json.dumps(value))
    return path


def assert_inspect_items(path: Path) -> None:
    one, two, three = read_items(path)
    assert (one.id, one.prediction, one.gold, one.kind) == ("1/1", RIGHT, "0.5", "fractions")
    assert (one.label, one.problem, one.sample, one.question) == (False, "1", "1", "What is 1/4 + 1/4?")
    assert (two.id, two.label, two.sample) == ("1/2", True, "2")
    assert (three.problem, three.label) == ("b", None)


SAMPLES = (inspect_sample(), inspect_sample(score="C", epoch=2), inspect_sample("b", score="P"))


def test_inspect_json(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-01T10-00-00_fractions_x.json"
    path.write_text(json.dumps({**HEADER, "samples": list(SAMPLES)}), encoding="utf-8")
    assert_inspect_items(path)


def test_inspect_eval(tmp_path: Path) -> None:
    assert_inspect_items(write_eval(tmp_path / "a.eval", *SAMPLES))


def compress(path: Path) -> Path:
    """Rewrite a stored ZIP file with Zstandard members, as inspect_ai writes them."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    packed = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            packed[info.filename] = (pyarrow.compress(archive.read(info), "zstd", asbytes=True), info)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, (data, _) in packed.items():
            archive.writestr(name, data)
        for info in archive.filelist:  # the directory, which is what is read, says what the members are
            info.compress_type = eval_archive.ZSTANDARD
            info.file_size = packed[info.filename][1].file_size
    return path


def test_inspect_eval_as_it_compresses(tmp_path: Path) -> None:
    assert_inspect_items(compress(write_eval(tmp_path / "a.eval", *SAMPLES, zstandard=True)))


def test_a_member_that_is_larger_than_it_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_eval(tmp_path / "a.eval", inspect_sample(store={"x": "0" * 2_000_000}))
    monkeypatch.setattr(eval_archive, "MAX_MEMBER", 1_000_000)
    with pytest.raises(LineError, match=r"samples/1_epoch_1\.json: would take"):
        list(read_items(path))


def test_long_texts_stand_apart_and_messages_have_parts(tmp_path: Path) -> None:
    apart = inspect_sample(output={"completion": "attachment://abc"}, attachments={"abc": RIGHT})
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": RIGHT}]
    older = inspect_sample("b", output={"choices": [{"message": {"content": parts}}]})
    failed = inspect_sample("c", output={"choices": []}, scores=None)
    items = list(read_items(write_eval(tmp_path / "a.eval", apart, older, failed)))
    assert [i.prediction for i in items] == [RIGHT, RIGHT, ""]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"eval": 3, "samples": []}', b'{"eval": {"task": 1}, "samples": 3}'],
)
@pytest.mark.parametrize("ending", ["json", "eval"])
def test_what_is_no_log_is_named(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(LineError, match=rf"a\.{ending}"):
        list(read_items(path))


@pytest.mark.parametrize(
    "sample", [3, {}, {"id": 1}, inspect_sample(target={"a": 1}), inspect_sample(scores=[3])]
)
def test_a_broken_sample_is_named(tmp_path: Path, sample: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**HEADER, "samples": [inspect_sample(), sample]}), encoding="utf-8")
    with pytest.raises(LineError, match="sample 2"):
        list(read_items(path))
