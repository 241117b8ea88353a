r"""Preference pairs and solutions as token ids with loss masks.

A pair becomes ``prompt_ids`` (the question and, for a step-controlled pair, the shared prefix: context
only) and one ``*_ids`` and ``*_mask`` a side. A mask is 1 where a token counts in the loss. What the
kernel wrote (execution blocks) is masked unless ``count_execution`` asks for the reference's behaviour;
the end-of-message token counts. Nothing is truncated: a pair that does not fit ``max_length`` is dropped
under a named reason, and the reasons are counted.

Needs a fast tokenizer (character offsets). Not covered: images.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from datasets import Dataset, Features, List, Value

from sandbox.blocks import Block
from sandbox.formats import Located, normalise_newlines
from scdpo.data.formats import bound_format
from scdpo.data.records import ConfirmationRecord
from scdpo.data.tokens import Ids, Tokens, begin_ids
from scdpo.errors import SettingsError

__all__ = [
    "ENCODED_FEATURES",
    "KINDS",
    "NAIVE",
    "STEP_CONTROLLED",
    "EncodingReport",
    "SolutionEncoder",
    "begin_ids",
    "drop_reason",
    "encode_pair",
    "encode_pairs",
]

NAIVE: Final = "naive"
STEP_CONTROLLED: Final = "step_controlled"
KINDS: Final = (NAIVE, STEP_CONTROLLED)
_IDS = List(Value("int32"))
_MASK = List(Value("int8"))
ENCODED_FEATURES: Final = Features(
    {
        "id": Value("string"),
        "problem_id": Value("string"),
        "kind": Value("string"),
        "prompt_ids": _IDS,
        "chosen_ids": _IDS,
        "chosen_mask": _MASK,
        "rejected_ids": _IDS,
        "rejected_mask": _MASK,
    }
)


@dataclass
class EncodingReport:
    """What became of the pairs that were read.

    Attributes:
        kept: pairs by kind that training will see.
        dropped: pairs by reason: ``prefix_fills_context`` (question and prefix leave no room for a
            completion), ``too_long`` (a side would have to be cut), ``nothing_counted`` (a side without one
            token of the model's own), ``same_sides``; where a least drop is asked for, ``not_confirmed`` (no
            roll-outs) and ``small_drop``; where a problem has a cap, ``over_cap``.
        retokenised: sides whose recorded token ids do not spell the recorded blocks, so that the blocks
            were tokenised again.
    """

    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    retokenised: int = 0


class SolutionEncoder:
    """Turns questions and blocks into token ids and masks for one tokenizer and one format.

    Training, sampling, export, credit and evaluation all write solutions with it.

    Args:
        tokenizer: a fast tokenizer of transformers.
        format: a name of ``scdpo.data.formats``, such as ``mathcoder``, ``markdown``, ``chat`` or ``tools``.
        system: the system text of the prompt.
        count_execution: count the kernel's tokens in the loss, as the reference does.
        count_thoughts: count the tokens of thoughts, which else are context of their steps.

    Raises:
        ValueError: if the tokenizer is not a fast one, lacks one of the format's special tokens or the chat template
            that the format needs, or has no end token where the format relies on it.
    """

    def __init__(
        self,
        tokenizer: Any,
        format: str = "mathcoder",
        system: str = "",
        count_execution: bool = False,
        count_thoughts: bool = False,
    ) -> None:
        if not tokenizer.is_fast:
            raise SettingsError("the loss masks need character offsets, which only fast tokenizers give")
        self.tokenizer = tokenizer
        self.tokens = Tokens(tokenizer)
        self.format = bound_format(format, tokenizer)
        self.system = system
        self.count_execution = count_execution
        self.count_thoughts = count_thoughts
        missing = [t for t in self.format.special_tokens if t not in tokenizer.get_vocab()]
        if missing:
            raise SettingsError(
                f"the tokenizer lacks special tokens of the {format} format: {' '.join(missing)}. `scdpo sft` adds "
                "them and teaches the model to use them; an instruct model is used as it was trained with --format "
                "chat or tools, a base model with --format markdown"
            )
        if not self.format.end and tokenizer.eos_token_id is None:
            raise SettingsError(
                f"the {format} format ends a message with the tokenizer's end token; it has none"
            )

    def prompt(self, question: str) -> Ids:
        """Return the ids of everything that stands before the first block."""
        return self.tokens.encode_prompt(self.format.prompt(question, self.system))

    def context(
        self, question: str, prefix: Sequence[Block] = (), recorded: Sequence[Sequence[int]] = ()
    ) -> Ids:
        """Return the ids of the prompt and the prefix: what stands before the completion.

        Args:
            question: the problem's text.
            prefix: the blocks before the completion.
            recorded: the sampled ids of each prefix block, if they are known; used where they read as the blocks.
        """
        if prefix and self.reads(recorded, prefix):
            return self.prompt(question) + _joined(recorded)
        return self.tokens.encode_prompt(self._context_text(question, prefix))

    def completion(
        self,
        question: str,
        prefix: Sequence[Block],
        blocks: Sequence[Block],
        recorded: Sequence[Sequence[int]] = (),
    ) -> tuple[Ids, list[int]]:
        """Return the ids of a completion and its loss mask, of equal length.

        The completion is tokenised as the continuation of its context, as a model that samples it sees it.

        Args:
            question: the problem's text.
            prefix: the blocks before the completion that are context only.
            blocks: the completion.
            recorded: the sampled ids of each block and of the end of the message, if they are known;
                used where they read as the blocks.
        """
        if len(recorded) == len(blocks) + 1 and self.reads(recorded, blocks, bool(prefix)):
            counts = [self._counts(block, block.type != "execution") for block in blocks] + [True]
            return _joined(recorded), [
                int(counted) for ids, counted in zip(recorded, counts, strict=True) for _ in ids
            ]
        text, own = self.text(blocks, prefix)
        ids, spans = self._continue(self._context_text(question, prefix), text)
        mask = [int(all(own[max(start, 0) : end])) for start, end in spans]
        if not self.format.end:
            ids, mask = [*ids, self.tokenizer.eos_token_id], [*mask, 1]
        return ids, mask

    def text(self, blocks: Sequence[Block], prefix: Sequence[Block] = ()) -> tuple[str, list[bool]]:
        """Return the text of a completion and, for each of its characters, whether it counts.

        A text that goes on from a prefix's text was sampled without a mark between the two.
        """
        pieces = self.format.write(blocks, prefix, ended=True)
        own: list[bool] = []
        for piece, block in zip(pieces, [*blocks, None], strict=True):
            for run, mine in piece.runs:
                own += [self._counts(block, mine) if block else mine] * len(run)
        return "".join(piece.text for piece in pieces), own

    def located(self, text: str, prefix: Sequence[Block] = ()) -> list[Located]:
        """Read the text of a completion back into blocks, with where each stands."""
        return self.format.locate(text, bool(prefix))

    def reads(
        self, recorded: Sequence[Sequence[int]], blocks: Sequence[Block], continued: bool = False
    ) -> bool:
        """Whether recorded ids read as these blocks; ids of another tokenizer will not.

        What was sampled may be written otherwise than the format writes: it counts as it was sampled.

        Args:
            recorded: ids, piece by piece.
            blocks: what they are to be.
            continued: whether they follow a part of the message.
        """
        ids = _joined(recorded)
        if not ids or max(ids) >= len(self.tokenizer):
            return False
        if not self.format.end and ids[-1] == self.tokenizer.eos_token_id:
            ids = ids[:-1]  # it ends the message, and is no part of the last block
        found = self.format.locate(self.tokens.spell(ids, ids[0] if continued else None), continued)
        return [read.block for read in found] == [
            Block(b.type, normalise_newlines(b.content)) for b in blocks
        ]

    def spells(self, recorded: Sequence[Sequence[int]], text: str) -> bool:
        """Whether recorded ids decode to the text; ids of another tokenizer will not."""
        ids = _joined(recorded)
        return bool(ids) and max(ids) < len(self.tokenizer) and self.tokens.spell(ids) == text

    def _counts(self, block: Block, own: bool) -> bool:
        if block.type == "execution":
            return own or self.count_execution
        return own and (block.type != "thought" or self.count_thoughts)

    def _context_text(self, question: str, prefix: Sequence[Block]) -> str:
        written = "".join(piece.text for piece in self.format.write(prefix))
        return self.format.prompt(question, self.system) + written

    def _continue(self, context: str, text: str) -> tuple[Ids, list[tuple[int, int]]]:
        """Return ids and character spans of ``text`` as it follows ``context``."""
        head = self.tokens.encode(context)
        whole = self.tokenizer(context + text, add_special_tokens=False, return_offsets_mapping=True)
        if whole["input_ids"][: len(head)] == head:
            cut = len(context)
            spans = [(start - cut, end - cut) for start, end in whole["offset_mapping"][len(head) :]]
            return list(whole["input_ids"][len(head) :]), spans
        # A token straddles the boundary; generation starts after the context's own last token.
        return self.tokens.encode_with_spans(text, head[-1])


def _joined(parts: Sequence[Sequence[int]]) -> Ids:
    return [token for part in parts for token in part]


def encode_pair(pair: Mapping[str, Any], encoder: SolutionEncoder) -> dict[str, Any]:
    """Return a pair record as a row of ``ENCODED_FEATURES``.

    Args:
        pair: a record of ``pairs.jsonl`` (``scdpo.data.records.PairRecord``); the token fields may be missing.
        encoder: the tokenizer and format to write it with.

    Raises:
        SettingsError: naming the pair, if its kind is unknown, a block is malformed, or the format cannot express it.
    """
    if pair["kind"] not in KINDS:
        raise SettingsError(f"pair {pair.get('id')}: kind {pair['kind']!r} is not one of {', '.join(KINDS)}")
    try:
        return _row(pair, encoder)
    except ValueError as error:
        raise SettingsError(
            f"pair {pair.get('id')}: {error}; choose the format that the pairs were sampled in, or another that holds "
            "their blocks, with --set format=…"
        ) from error


def _row(pair: Mapping[str, Any], encoder: SolutionEncoder) -> dict[str, Any]:
    prefix = [Block.from_dict(b) for b in pair["prefix"]]
    row: dict[str, Any] = {name: pair[name] for name in ("id", "problem_id", "kind")}
    row["prompt_ids"] = encoder.context(pair["question"], prefix, pair.get("prefix_tokens") or ())
    for side in ("chosen", "rejected"):
        blocks = [Block.from_dict(b) for b in pair[side]]
        recorded = pair.get(f"{side}_tokens") or ()
        ids, mask = encoder.completion(pair["question"], prefix, blocks, recorded)
        # A side without blocks is the end mark alone, which says nothing.
        row[f"{side}_ids"], row[f"{side}_mask"] = ids, mask if blocks else [0] * len(mask)
    return row


def drop_reason(row: Mapping[str, Any], max_length: int | None) -> str | None:
    """Return why an encoded pair cannot be trained on without cutting it, or None if it can."""
    if max_length is not None and len(row["prompt_ids"]) >= max_length:
        return "prefix_fills_context"
    longest = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
    if max_length is not None and len(row["prompt_ids"]) + longest > max_length:
        return "too_long"
    if not any(row["chosen_mask"]) or not any(row["rejected_mask"]):
        return "nothing_counted"
    if row["chosen_ids"] == row["rejected_ids"]:
        return "same_sides"
    return None


def encode_pairs(
    pairs: Iterable[Mapping[str, Any]],
    encoder: SolutionEncoder,
    max_length: int | None,
    kinds: Sequence[str] = KINDS,
    confirmed_only: bool = False,
    per_problem: int | None = None,
    workers: int | None = None,
) -> tuple[Dataset, EncodingReport]:
    """Encode pairs into a data set whose rows stand problem by problem, naive pairs first.

    Args:
        pairs: records of ``pairs.jsonl``.
        encoder: the tokenizer and format to write them with.
        max_length: the most tokens of prompt and completion together; None for no limit.
        kinds: the kinds of pair to take; others are left out without being counted as dropped.
        confirmed_only: leave out step-controlled pairs whose error roll-outs do not place at the branch
            (``ConfirmationRecord.confirmed``), and those without roll-outs.
        per_problem: at most so many pairs per problem, 1 or more: naive ones first, then those with the largest
            fall; None for no cap.
        workers: processes that encode; None for this one alone.

    Returns:
        The data set (``ENCODED_FEATURES``) and the report of what was kept and dropped.
    """
    report = EncodingReport()
    by_problem: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    wanted = (pair for pair in pairs if pair["kind"] in kinds or pair["kind"] not in KINDS)
    for pair, row in _encoded(wanted, encoder, workers):
        report.retokenised += _retokenised(pair, row)
        reason = (_unconfirmed(pair) if confirmed_only else None) or drop_reason(row, max_length)
        if reason is not None:
            report.dropped[reason] += 1
            continue
        by_problem.setdefault(row["problem_id"], []).append((_drop(pair), row))
    rows = []
    for group in by_problem.values():
        # By id, not by place in the file: there they stand in the order in which they were ready.
        group.sort(key=lambda pair: (KINDS.index(pair[1]["kind"]), -pair[0], pair[1]["id"]))
        rows += [row for _, row in group[:per_problem]]
    report.kept.update(row["kind"] for row in rows)
    over = sum(map(len, by_problem.values())) - len(rows)
    if over:
        report.dropped["over_cap"] = over
    columns = {name: [row[name] for row in rows] for name in ENCODED_FEATURES}
    return Dataset.from_dict(columns, features=ENCODED_FEATURES), report


def _encoded(
    pairs: Iterable[Mapping[str, Any]], encoder: SolutionEncoder, workers: int | None
) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Yield each pair with its row, in order."""
    if workers is None or workers < 2:
        yield from ((pair, encode_pair(pair, encoder)) for pair in pairs)
        return
    taken = list(pairs)
    texts = Dataset.from_dict({"pair": [json.dumps(pair) for pair in taken]})
    rows = texts.map(
        partial(_encode_text, encoder=encoder),
        remove_columns="pair",
        features=ENCODED_FEATURES,
        num_proc=workers,
        desc="Encoding pairs",
    )
    yield from zip(taken, rows, strict=True)


def _encode_text(row: Mapping[str, Any], encoder: SolutionEncoder) -> dict[str, Any]:
    return encode_pair(json.loads(row["pair"]), encoder)


def _confirmation(pair: Mapping[str, Any]) -> ConfirmationRecord:
    return ConfirmationRecord.model_validate(pair.get("confirmation") or {})


def _drop(pair: Mapping[str, Any]) -> float:
    """Return by how much the share of right roll-outs falls across a pair's first wrong move; -inf if not tried."""
    drop = _confirmation(pair).drop
    return -math.inf if drop is None else drop


def _unconfirmed(pair: Mapping[str, Any]) -> str | None:
    """Return why roll-outs do not confirm the error step of a pair, or None if they do or need not."""
    if pair["kind"] != STEP_CONTROLLED:
        return None
    confirmed = _confirmation(pair).confirmed
    if confirmed is None:
        return "no_rollouts"
    return None if confirmed else "not_confirmed"


def _retokenised(pair: Mapping[str, Any], row: Mapping[str, Any]) -> int:
    """Return how many sides have recorded ids that were not used."""
    recorded = ((side, pair.get(f"{side}_tokens") or ()) for side in ("chosen", "rejected"))
    return sum(bool(tokens) and _joined(tokens) != row[f"{side}_ids"] for side, tokens in recorded)
