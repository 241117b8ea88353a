"""Read the rows of other evaluation programs' logs, to verify again what they scored.

- lm-eval (``--log_samples``): ``samples_TASK_DATE.jsonl``, one row for each problem and filter.
- lighteval (``--save-details``): ``details_TASK_DATE.parquet``.
- inspect_ai: ``.eval`` and ``.json``, one row that holds the samples.

The model's text is read as it was logged, whatever the program extracted from it, and the score that the program gave
is the item's label. Of several scores the first counts. Formats: lm-eval 0.4.13, lighteval 0.13, inspect_ai 0.3.285.

Not covered: tasks that are scored by likelihood, which hold no text to read an answer from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from verifier.files.item import Item
from verifier.files.jsonl import naming
from verifier.files.rows import Row
from verifier.given import gold_text

_BY_LIKELIHOOD = "no generated text in the field {!r}: a task that is scored by likelihood"
_TASK = re.compile(r"(?:samples|details)_(.+)_\d{4}-\d\d-\d\dT.*")


class ResultLog(NamedTuple):
    """A program's log.

    Attributes:
        program: whose log it is, in words.
        signs: fields by which its rows are known.
        items: reads a row; raises KeyError, TypeError, ValueError, IndexError or AttributeError for one that is none.
    """

    program: str
    signs: frozenset[str]
    items: Callable[[Row], Iterator[Item]]


def log_of(row: Row) -> ResultLog | None:
    """Return the program that logged a row, or None where it is no such log."""
    return next((log for log in _LOGS if log.signs <= row.fields.keys()), None)


def _lm_eval(row: Row) -> Iterator[Item]:
    line = row.fields
    responses = line["resps"]
    texts = responses[0] if isinstance(responses, list) and len(responses) == 1 else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(_BY_LIKELIHOOD.format("resps"))
    problem, filtered = str(line["doc_id"]), str(line.get("filter", "none"))
    kind, name = _task(row), problem
    if filtered != "none":
        kind, name = f"{kind}, {filtered}", f"{problem}/{filtered}"
    scores = {metric: line.get(metric) for metric in line.get("metrics", ())}
    doc = line.get("doc")
    question = str(doc.get("question") or doc.get("problem") or "") if isinstance(doc, dict) else ""
    item = Item(name, "", gold_text(line["target"]), kind, _label(scores), problem, question=question)
    yield from _samples(item, texts)


def _lighteval(row: Row) -> Iterator[Item]:
    doc, texts = row.fields["doc"], row.fields["model_response"]["text"]
    if not texts:
        raise ValueError(_BY_LIKELIHOOD.format("model_response.text"))
    places = doc["gold_index"] if isinstance(doc["gold_index"], list) else [doc["gold_index"]]
    golds = [str(doc["choices"][place]).strip() for place in places]
    problem = str(doc.get("id") or row.name.rpartition("/")[2])
    kind, label = doc.get("task_name") or _task(row), _label(row.fields["metric"])
    gold = gold_text(golds if len(golds) > 1 else golds[0])
    item = Item(problem, "", gold, kind, label, problem, question=str(doc.get("query") or ""))
    yield from _samples(item, texts)


def _inspect(row: Row) -> Iterator[Item]:
    kind = str(row.fields["eval"]["task"])
    for number, sample in enumerate(row.fields["samples"], start=1):
        with naming(f"{row.where}, sample {number}"):
            yield _inspect_sample(sample, kind)


def _inspect_sample(sample: Mapping[str, Any], kind: str) -> Item:
    output = sample.get("output") or {}
    text = output.get("completion") or _message_text(output)
    text = sample.get("attachments", {}).get(
        text.removeprefix("attachment://"), text
    )  # long texts stand apart
    scores = {scorer: score.get("value") for scorer, score in (sample.get("scores") or {}).items()}
    problem, epoch, asked = str(sample["id"]), str(sample.get("epoch", 1)), sample.get("input")
    question = asked if isinstance(asked, str) else ""
    gold, label = gold_text(sample["target"]), _label(scores)
    return Item(f"{problem}/{epoch}", text, gold, kind, label, problem, epoch, question)


def _message_text(output: Mapping[str, Any]) -> str:
    """Return the text of the last message; logs of 2024 have no ``completion``."""
    choices = output.get("choices") or [{}]
    content = choices[0].get("message", {}).get("content", "")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


_LOGS = (
    ResultLog("lm-eval's log of samples", frozenset({"doc_id", "target", "resps"}), _lm_eval),
    ResultLog("lighteval's details", frozenset({"doc", "metric", "model_response"}), _lighteval),
    ResultLog("inspect_ai's log", frozenset({"eval", "samples"}), _inspect),
)


def _samples(item: Item, texts: list[str]) -> Iterator[Item]:
    """Yield ``item`` with each sampled text; a score that stands for several of them labels none."""
    if len(texts) == 1:
        yield replace(item, prediction=texts[0], sample="0")
        return
    for number, text in enumerate(texts):
        yield replace(item, id=f"{item.id}/{number}", prediction=text, label=None, sample=str(number))


def _label(scores: Mapping[str, Any] | None) -> bool | None:
    """Return the first score that says right or wrong: C and I as inspect_ai writes them, 1 and 0, true and false."""
    for value in (scores or {}).values():
        if value in ("C", "I"):
            return bool(value == "C")
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
    return None


def _task(row: Row) -> str:
    match = _TASK.fullmatch(row.origin)
    return match[1] if match else row.origin
