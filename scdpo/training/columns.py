"""TRL's preference data as pairs: the columns ``prompt``, ``chosen`` and ``rejected``, as token ids with masks.

They may hold texts or messages (with ``tools`` and ``chat_template_kwargs``), and the prompt may be left out where both
sides begin with it. Token ids are those of ``trl.DPOTrainer``. Added to TRL's layout: ``prefix`` (or Step-DPO's
``initial_reason_steps``), steps that both sides share, which are context; such a pair counts as step-controlled, the
others as naive. What is no assistant's message within a side (a tool's result) is context too. Not covered: images,
and sides that are cut to a length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

from datasets import Dataset
from trl import extract_prompt

from scdpo.data.encoding import ENCODED_FEATURES, NAIVE, STEP_CONTROLLED, EncodingReport, drop_reason
from scdpo.errors import SettingsError

SIDES: Final = ("chosen", "rejected")
PREFIXES: Final = ("prefix", "initial_reason_steps")
RECORD_COLUMNS: Final = ("id", "problem_id", "kind", "question", "prefix", "chosen", "rejected")
"""The least that a record of ``pairs.jsonl`` holds to be trained on."""
Messages = list[dict[str, Any]]
Ids = list[int]


def check_columns(dataset: Any, name: str) -> None:
    """Refuse a data set that cannot be read as pairs.

    Args:
        dataset: pair records, encoded pairs, or rows in TRL's layout.
        name: what the caller calls it.

    Raises:
        SettingsError: if it is no ``datasets.Dataset``, is empty, or lacks a column; names what is missing.
    """
    if isinstance(dataset, Mapping):
        raise SettingsError(
            f"{name} holds several splits: give one, as {name}[{next(iter(dataset), 'train')!r}]"
        )
    if not isinstance(dataset, Dataset):
        raise SettingsError(
            f"{name} is a {type(dataset).__name__}; it must be a datasets.Dataset, since the reference scores "
            "every pair before training"
        )
    if not len(dataset):
        raise SettingsError(f"{name} is empty: there is no pair to train on")
    columns = dataset.column_names
    images = {"image", "images"} & set(columns)
    if images:
        raise SettingsError(f"{name} has a column {min(images)!r}, and this trainer takes texts only")
    if set(ENCODED_FEATURES) <= set(columns):
        return
    needed: Sequence[str] = RECORD_COLUMNS if "question" in columns else SIDES
    missing = [column for column in needed if column not in columns]
    if missing:
        raise SettingsError(
            f"{name} lacks {', '.join(map(repr, missing))} (it has {', '.join(columns)}). Needed are prompt, chosen "
            f"and rejected, each a text or a list of messages; or, of pairs.jsonl, {', '.join(RECORD_COLUMNS)}"
        )


def encode_columns(
    dataset: Dataset, tokenizer: Any, max_length: int | None, workers: int | None = None
) -> tuple[Dataset, EncodingReport]:
    """Encode rows in TRL's layout, in the order in which they stand.

    Args:
        dataset: has passed ``check_columns``.
        tokenizer: of the model.
        max_length: the most tokens of prompt and side together; None for no limit.
        workers: processes that encode; None for this one alone.

    Returns:
        The data set (``ENCODED_FEATURES``) and the report of what was kept and dropped; a side that is empty counts
        as ``nothing_counted``.

    Raises:
        SettingsError: if a row mixes texts and messages, or its messages cannot be told apart in the template's text.
    """
    rows = dataset.map(
        partial(_encode_row, tokenizer=tokenizer),
        with_indices=True,
        remove_columns=dataset.column_names,
        features=ENCODED_FEATURES,
        num_proc=workers,
        desc="Encoding pairs",
    )
    reasons = [drop_reason(row, max_length) for row in rows]
    kept = rows.select([index for index, reason in enumerate(reasons) if reason is None])
    report = EncodingReport()
    report.kept.update(kept["kind"])
    report.dropped.update(reason for reason in reasons if reason is not None)
    return kept, report


def _encode_row(row: Mapping[str, Any], index: int, tokenizer: Any) -> dict[str, Any]:
    # Arrow fills keys that only other rows' messages have with null, and templates take null for a value.
    given = {name: _without_nulls(value) for name, value in row.items()}
    if given.get("prompt") is None:
        given.update(extract_prompt(given))
    prefix = next((given[name] for name in PREFIXES if given.get(name)), None)
    types = {type(given[name]) for name in ("prompt", *SIDES)}
    if types == {str} and isinstance(prefix, str | None):
        prompt_ids, sides = _encode_texts(given, prefix or "", tokenizer)
    elif types == {list}:
        prompt_ids, sides = _encode_messages(given, prefix, tokenizer, index)
    else:
        raise SettingsError(
            f"row {index}: prompt, chosen and rejected must all be texts, or all lists of messages"
        )
    asked = json.dumps([given["prompt"], given.get("tools")], sort_keys=True, default=str)
    return {
        "id": str(given.get("id") or index),
        "problem_id": hashlib.sha256(asked.encode()).hexdigest()[:16],
        "kind": STEP_CONTROLLED if prefix else NAIVE,
        "prompt_ids": prompt_ids,
        **{f"{side}_ids": ids for side, (ids, _) in zip(SIDES, sides, strict=True)},
        **{f"{side}_mask": mask for side, (_, mask) in zip(SIDES, sides, strict=True)},
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _split(
    prompt: Ids, wholes: Sequence[Ids], masks: Sequence[list[int]]
) -> tuple[Ids, list[tuple[Ids, list[int]]]]:
    """Cut the sides off behind what they share with the prompt, as TRL does: tokens may merge across the boundary."""
    shared = min(_common(prompt, whole) for whole in wholes)
    return prompt[:shared], [(ids[shared:], mask[shared:]) for ids, mask in zip(wholes, masks, strict=True)]


def _common(first: Ids, second: Ids) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _encode_texts(
    row: Mapping[str, Any], prefix: str, tokenizer: Any
) -> tuple[Ids, list[tuple[Ids, list[int]]]]:
    context, end = row["prompt"] + prefix, tokenizer.eos_token
    texts = [row[side] if row[side].endswith(end) else row[side] + end for side in SIDES]
    wholes = [tokenizer(text=context + text)["input_ids"] for text in texts]
    counted = [[int(bool(row[side]))] * len(whole) for side, whole in zip(SIDES, wholes, strict=True)]
    return _split(tokenizer(text=context)["input_ids"], wholes, counted)


def _encode_messages(
    row: Mapping[str, Any], prefix: str | Messages | None, tokenizer: Any, index: int
) -> tuple[Ids, list[tuple[Ids, list[int]]]]:
    """Encode messages through the chat template; a prefix may be whole messages or the beginning of an answer."""
    tools = json.loads(row["tools"]) if isinstance(row.get("tools"), str) else row.get("tools")
    render = partial(
        tokenizer.apply_chat_template, tokenize=False, tools=tools, **(row.get("chat_template_kwargs") or {})
    )
    context: Messages = row["prompt"] + (prefix if isinstance(prefix, list) else [])
    sides: list[Messages] = [row[side] for side in SIDES]
    if isinstance(prefix, str) and prefix:
        begun = {"role": "assistant", "content": prefix}
        prompt = render([*context, begun], continue_final_message=True)
        sides = [[{**side[0], "content": prefix + side[0]["content"]}, *side[1:]] for side in sides if side]
    else:
        prompt = render(context, add_generation_prompt=True)
    if len(sides) < len(SIDES) or not all(sides):
        raise SettingsError(f"row {index}: {SIDES[0]} and {SIDES[1]} must each hold a message")
    encoded = [_encode_side(render, context, side, tokenizer, index) for side in sides]
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return _split(ids, [ids for ids, _ in encoded], [mask for _, mask in encoded])


def _encode_side(
    render: Any, context: Messages, side: Messages, tokenizer: Any, index: int
) -> tuple[Ids, list[int]]:
    """Return the ids of a context and a side, and 1 for each token that no tool or user wrote."""
    text = render(context + side)
    own = [True] * len(text)
    for start, end in _others(side):
        # From where the model's turn ended to where its next one begins, with the marks that the template writes.
        head = render(context + side[:start])
        tail = render(context + side[:end], add_generation_prompt=end < len(side))
        if not text.startswith(head) or not text.startswith(tail):
            raise SettingsError(
                f"row {index}: the chat template writes a message otherwise when more follow it, so a tool's output "
                "cannot be told from the model's own words; leave such pairs out, or use another template"
            )
        own[len(head) : len(tail)] = [False] * (len(tail) - len(head))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=not all(own))
    ids: Ids = encoded["input_ids"]
    return ids, [
        int(all(own[start:end])) for start, end in encoded.get("offset_mapping", [(0, 0)] * len(ids))
    ]


def _others(side: Messages) -> list[tuple[int, int]]:
    """Return the runs of messages that are not the assistant's, as first and last (excluded)."""
    runs, start = [], 0
    for is_own, group in groupby(side, key=lambda message: message["role"] == "assistant"):
        end = start + len(list(group))
        if not is_own:
            runs.append((start, end))
        start = end
    return runs
