"""Read what other evaluation programs log, one sample after the other, to verify it again.

- lm-eval (``--log_samples``): ``samples_TASK_DATE.jsonl``, one line for each problem and filter.
- lighteval (``--save-details``): ``details_TASK_DATE.parquet``.
- inspect_ai: ``.eval`` (a ZIP file) and ``.json``.

The model's text is read as it was logged, whatever the program extracted from it, and the score that the program gave
is the item's label. Of several scores the first counts. Formats: lm-eval 0.4.13, lighteval 0.13, inspect_ai 0.3.285.

Not covered: tasks that are scored by likelihood, which hold no text to read an answer from.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from verifier.files.item import Item
from verifier.files.jsonl import LineError
from verifier.given import gold_text

MAX_MEMBER = (
    512 * 2**20
)  # bytes of one sample of an .eval file: some hold 100 MB of events, a bomb holds more
ZSTANDARD = 93  # how inspect_ai compresses; Python's zipfile knows it from 3.14 on
_LM_EVAL_NAME = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT.*")
_LIGHTEVAL_NAME = re.compile(r"details_(.+)_\d{4}-\d\d-\d\dT.*")


# --- lm-eval


def is_lm_eval(line: Mapping[str, Any]) -> bool:
    """Whether a line of a JSON Lines file is a sample that lm-eval logged."""
    return {"doc_id", "target", "resps"} <= line.keys()


def lm_eval_items(line: Mapping[str, Any], path: Path) -> Iterator[Item]:
    """Yield the samples of one line.

    Raises:
        KeyError: if a field is missing.
        TypeError: if the gold answer is of another type.
        ValueError: if the line holds no generated text.
    """
    responses = line["resps"]
    texts = responses[0] if isinstance(responses, list) and len(responses) == 1 else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("no generated text in the field 'resps': a task that is scored by likelihood")
    problem, filtered = str(line["doc_id"]), str(line.get("filter", "none"))
    kind = _task(path, _LM_EVAL_NAME)
    name = problem
    if filtered != "none":
        kind, name = f"{kind}, {filtered}", f"{problem}/{filtered}"
    scores = {metric: line.get(metric) for metric in line.get("metrics", ())}
    doc = line.get("doc")
    question = str(doc.get("question") or doc.get("problem") or "") if isinstance(doc, dict) else ""
    item = Item(name, "", gold_text(line["target"]), kind, _label(scores), problem, 0, question)
    yield from _samples(item, texts)


# --- lighteval


def lighteval_items(path: Path) -> Iterator[Item]:
    """Yield the samples of a Parquet file of details.

    Raises:
        LineError: if it cannot be read, or is no such file; the message names the row.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise LineError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from error
    kind = _task(path, _LIGHTEVAL_NAME)
    try:
        with ParquetFile(path) as file:
            missing = {"doc", "metric", "model_response"} - set(file.schema_arrow.names)
            if missing:
                raise LineError(f"{path}: no details of lighteval: column {sorted(missing)[0]!r} is missing")
            batches = file.iter_batches(batch_size=256, columns=["doc", "metric", "model_response"])
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                with _named(f"{path}, row {number}"):
                    yield from _lighteval_row(row, kind, number)
    except ArrowException as error:
        raise LineError(f"{path}: no Parquet file, or damaged ({error})") from error


def _lighteval_row(row: Mapping[str, Any], kind: str, number: int) -> Iterator[Item]:
    doc, texts = row["doc"], row["model_response"]["text"]
    if not texts:
        raise ValueError("no generated text: a task that is scored by likelihood")
    places = doc["gold_index"] if isinstance(doc["gold_index"], list) else [doc["gold_index"]]
    golds = [str(doc["choices"][place]).strip() for place in places]
    problem = str(doc.get("id") or number)
    gold = gold_text(golds if len(golds) > 1 else golds[0])
    task = doc.get("task_name") or kind
    item = Item(problem, "", gold, task, _label(row["metric"]), problem, 0, str(doc.get("query") or ""))
    yield from _samples(item, texts)


# --- inspect_ai


def inspect_items(path: Path) -> Iterator[Item]:
    """Yield the samples of an ``.eval`` or a ``.json`` log.

    Raises:
        LineError: if it cannot be read, or is no such log; the message names the sample.
    """
    if path.suffix == ".json":
        with _named(str(path)):
            log = json.loads(path.read_bytes())
            if not isinstance(log, dict) or not isinstance(log.get("samples"), list) or "eval" not in log:
                raise ValueError("no log of inspect_ai: it holds no eval and no list of samples")
            kind = str(log["eval"]["task"])
        for number, sample in enumerate(log["samples"], start=1):
            with _named(f"{path}, sample {number}"):
                yield _inspect_sample(sample, kind)
        return
    with _named(str(path)):
        archive = zipfile.ZipFile(path)
    with archive, path.open("rb") as raw:
        with _named(str(path)):
            kind = str(_member(archive, raw, "header.json")["eval"]["task"])
        for info in archive.infolist():
            if info.filename.startswith("samples/") and info.filename.endswith(".json"):
                with _named(f"{path}, {info.filename}"):
                    yield _inspect_sample(_member(archive, raw, info.filename), kind)


def _inspect_sample(sample: Mapping[str, Any], kind: str) -> Item:
    output = sample.get("output") or {}
    text = output.get("completion") or _message_text(output)
    text = sample.get("attachments", {}).get(
        text.removeprefix("attachment://"), text
    )  # long texts stand apart
    scores = {scorer: score.get("value") for scorer, score in (sample.get("scores") or {}).items()}
    problem = str(sample["id"])
    epoch = int(sample.get("epoch", 1))
    asked = sample.get("input")
    question = asked if isinstance(asked, str) else ""
    name, gold = f"{problem}/{epoch}", gold_text(sample["target"])
    return Item(name, text, gold, kind, _label(scores), problem, epoch, question)


def _message_text(output: Mapping[str, Any]) -> str:
    """Return the text of the last message; logs before 0.3.9 have no ``completion``."""
    choices = output.get("choices") or [{}]
    content = choices[0].get("message", {}).get("content", "")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _member(archive: zipfile.ZipFile, raw: IO[bytes], name: str) -> dict[str, Any]:
    """Return the JSON of one member of an ``.eval`` file."""
    info = archive.getinfo(name)
    if info.file_size > MAX_MEMBER:
        raise ValueError(f"{name} would take {info.file_size} bytes")
    data = _unpacked(info, raw) if info.compress_type == ZSTANDARD else archive.read(info)
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no JSON object")
    return found


def _unpacked(info: zipfile.ZipInfo, raw: IO[bytes]) -> bytes:
    """Read a member that is compressed with Zstandard."""
    try:
        import pyarrow
    except ImportError as error:
        raise ValueError("reading .eval files needs pyarrow: pip install pyarrow") from error
    raw.seek(info.header_offset + 26)  # a local header of 30 bytes, whose last four are two lengths
    lengths = raw.read(4)
    raw.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), 1)
    packed = pyarrow.BufferReader(raw.read(info.compress_size))
    with pyarrow.input_stream(packed, compression="zstd") as stream:
        data: bytes = stream.read(MAX_MEMBER + 1)
    if len(data) != info.file_size:
        raise ValueError(f"{info.filename} has not the length that the file says")
    return data


# --- shared


def _samples(item: Item, texts: list[str]) -> Iterator[Item]:
    """Yield ``item`` with each sampled text; a score that stands for several of them labels none."""
    if len(texts) == 1:
        yield replace(item, prediction=texts[0])
        return
    for number, text in enumerate(texts):
        yield replace(item, id=f"{item.id}/{number}", prediction=text, label=None, sample=number)


def _label(scores: Mapping[str, Any] | None) -> bool | None:
    """Return the first score that says right or wrong: C and I as inspect_ai writes them, 1 and 0, true and false."""
    for value in (scores or {}).values():
        if value in ("C", "I"):
            return bool(value == "C")
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
    return None


def _task(path: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.fullmatch(path.name)
    return match[1] if match else path.name.split(".", 1)[0]


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say where something is not as it should be.

    Raises:
        LineError: for what a log that is none, or is damaged, raises.
    """
    try:
        yield
    except LineError:
        raise
    except KeyError as error:
        raise LineError(f"{where}: {error} is missing") from error
    except (
        ValueError, TypeError, AttributeError, IndexError, OSError, RecursionError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        raise LineError(f"{where}: {error}") from error
