"""What a training run will cost, before it starts: pairs, tokens, steps, memory, time. ``--dry-run``.

Where the model is not there yet, its shape is enough: tokens are then estimated at three characters each.

Tokens and steps are counted on the encoded pairs. Memory is an estimate from the model's configuration, made
without loading weights: parameters, gradients and AdamW's states exactly as stored, activations by the
usual count for transformer layers. Not covered: fragmentation, communication buffers, quantised weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import ModelConfig, get_peft_config

from sandbox.formats import get_format
from scdpo.data.formats import CHAT_FORMATS
from scdpo.training.batching import PairCollator, Row, TreeCollator, TrunkSampler, sides, tree_tokens
from scdpo.training.config import SCDPOConfig
from scdpo.training.train import (
    Method,
    load_tokenizer,
    optimizer_steps,
    parse_settings,
    read_encoded,
    too_few_steps,
)
from scdpo.training.trunk import pack

_GIGA = 1024**3
# Code-integrated solutions under vocabularies of 32,000 to 152,000 words: 2.7 to 3.3.
_CHARACTERS_PER_TOKEN = 3
# Bytes a token and layer that a forward pass keeps, in units of width * bytes a number: the inputs of the
# norms, projections and residuals of a gated layer; the feed-forward part is counted by its own width.
_KEPT_WIDTHS = 8
_KEPT_FEED_FORWARD = 3


@dataclass(frozen=True)
class Memory:
    """Estimated memory of one device in GiB."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    head: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.head

    def sharded(self, processes: int) -> Memory:
        """Return the memory when FSDP or ZeRO-3 shares weights, gradients and states out among processes."""
        return replace(
            self,
            weights=self.weights / processes,
            gradients=self.gradients / processes,
            optimizer=self.optimizer / processes,
        )


@dataclass(frozen=True)
class TrainingPlan:
    """A training run, counted beforehand.

    Attributes:
        pairs: by kind.
        dropped: by reason.
        estimated: whether tokens are estimates from characters, since the model's tokenizer was not there.
        retokenised: sides whose recorded token ids do not fit this tokenizer.
        tokens_plain: tokens an epoch that encoding every side on its own takes, without padding.
        tokens_encoded: tokens an epoch that are really encoded.
        tokens_counted: tokens an epoch that count in the loss.
        largest_batch: the most tokens in one forward pass.
        batch_pairs: pairs of an optimizer step.
        steps: optimizer steps in all.
        parameters: of the model.
        trainable: parameters that change.
        processes: devices that train together.
        memory: of one device that holds the whole model; ``memory.sharded(processes)`` where it is shared out.
        train_flops: floating-point operations of the whole run, the reference pass included.
        warning: what is said of a run too short to move the weights; empty if it is not.
    """

    pairs: dict[str, int]
    dropped: dict[str, int]
    estimated: bool
    retokenised: int
    tokens_plain: int
    tokens_encoded: int
    tokens_counted: int
    largest_batch: int
    batch_pairs: int
    steps: int
    parameters: int
    trainable: int
    processes: int
    memory: Memory
    train_flops: float
    warning: str

    def hours(self, tflops: float) -> float:
        """Return the run's hours on hardware that sustains so many TFLOP/s in all."""
        return self.train_flops / (tflops * 1e12) / 3600

    def device_memory(self) -> float:
        """Return the GiB of one device, with weights, gradients and states shared out where there are several."""
        return (self.memory.sharded(self.processes) if self.processes > 1 else self.memory).total

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        data = asdict(self)
        data["memory"]["total"] = self.memory.total
        return data


def dry_run(
    pairs: Path | str,
    model: str,
    method: Method = "scdpo",
    settings: Mapping[str, Any] | None = None,
    processes: int = 1,
    shape: Mapping[str, Any] | None = None,
) -> TrainingPlan:
    """Count a training run without training; arguments as of ``scdpo.training.train.train``.

    Args:
        pairs: a ``pairs.jsonl`` file.
        model: the model to start from; only its configuration and tokenizer are read.
        method: ``dpo`` or ``scdpo``.
        settings: fields of ``SCDPOConfig`` and of TRL's ``ModelConfig``.
        processes: devices that train together.
        shape: what the model's ``config.json`` holds, if the model is not there; tokens are then estimated.

    Raises:
        SettingsError: as ``train``.
    """
    # Nothing is computed here, so bf16 may be planned for on a machine that has none.
    args, model_args = parse_settings(SCDPOConfig, {**(settings or {}), "use_cpu": True}, Path("."))
    scale = 1 if shape is None else _CHARACTERS_PER_TOKEN
    if shape is None:
        tokenizer = load_tokenizer(model, model_args.model_revision, args.trust_remote_code)
        config = AutoConfig.from_pretrained(
            model, revision=model_args.model_revision, trust_remote_code=args.trust_remote_code
        )
    else:
        if args.format in CHAT_FORMATS:
            args.format = "markdown"  # a chat template comes with the model; its marks are as long as these
        tokenizer = _character_tokenizer(args.format)
        args.max_length = args.max_length and args.max_length * scale
        config = AutoConfig.for_model(**shape)
    encoded, report = read_encoded(pairs, tokenizer, args, method)
    rows = list(encoded)
    per_pass = [tokens // scale for tokens in _tokens_per_pass(rows, args)]
    plain = [ids for ids, _ in sides(rows)]
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=args.trust_remote_code)
        peft = get_peft_config(model_args)
        trained = get_peft_model(empty, peft) if peft is not None else empty
    trainable = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    parameters = sum(p.numel() for p in trained.parameters())
    batch = args.per_device_train_batch_size * args.gradient_accumulation_steps * processes
    steps = optimizer_steps(args, len(rows), processes)
    encoded_tokens = sum(per_pass)
    passes = 3 + int(args.gradient_checkpointing)
    epochs = steps * batch / len(rows)
    return TrainingPlan(
        pairs=dict(report.kept),
        dropped=dict(report.dropped),
        estimated=shape is not None,
        retokenised=0 if shape is not None else report.retokenised,
        tokens_plain=sum(map(len, plain)) // scale,
        tokens_encoded=encoded_tokens,
        tokens_counted=sum(sum(mask) for _, mask in sides(rows)) // scale,
        largest_batch=max(per_pass),
        batch_pairs=batch,
        steps=steps,
        parameters=parameters,
        trainable=trainable,
        processes=processes,
        memory=_memory(config, parameters, trainable, max(per_pass), args, model_args),
        train_flops=2.0 * parameters * encoded_tokens * (passes * epochs + 1),
        warning=too_few_steps(args, len(rows), processes),
    )


def _character_tokenizer(format: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose tokens are single bytes and the format's marks."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>", *get_format(format).special_tokens])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


def _tokens_per_pass(rows: list[dict[str, Any]], args: SCDPOConfig) -> list[int]:
    """Return the tokens of each forward pass of the first epoch."""
    size = args.per_device_train_batch_size
    order = list(range(len(rows)))
    if args.share_trunk:
        seed = args.data_seed if args.data_seed is not None else args.seed
        order = list(TrunkSampler([row["problem_id"] for row in rows], tree_tokens(rows), size, seed))
    batches = ([rows[j] for j in order[i : i + size]] for i in range(0, len(order), size))
    collator = TreeCollator() if args.share_trunk else PairCollator(0)
    parts = (part for batch in batches for part in _passes(collator, batch, args.max_tokens_per_pass))
    if args.share_trunk:
        return [len(pack(sides(part)).token_ids) for part in parts]
    return [2 * len(part) * max(len(ids) for ids, _ in sides(part)) for part in parts]


def _passes(
    collator: TreeCollator | PairCollator, batch: Sequence[Row], most: int | None
) -> Iterator[Sequence[Row]]:
    return iter([batch]) if most is None else collator.cut(batch, most)


def _memory(
    config: Any, parameters: int, trainable: int, tokens: int, args: SCDPOConfig, model_args: ModelConfig
) -> Memory:
    config = config.get_text_config()
    stored = {"bfloat16": 2, "float16": 2}.get(str(model_args.dtype).removeprefix("torch."), 4)
    computed = 2 if args.bf16 or args.fp16 else stored
    feed_forward = getattr(config, "intermediate_size", 4 * config.hidden_size)
    layer = computed * (_KEPT_WIDTHS * config.hidden_size + _KEPT_FEED_FORWARD * feed_forward)
    kept = layer + config.num_hidden_layers * computed * config.hidden_size
    if not args.gradient_checkpointing:
        kept = layer * config.num_hidden_layers
    # The head works on tiles of 4,096 positions by 32,768 words, twice: logits and their gradient.
    tile = 2 * min(tokens, 4096) * min(config.vocab_size, 32768) * computed
    head_gradient = 4 * config.vocab_size * config.hidden_size
    return Memory(
        weights=parameters * stored / _GIGA,
        gradients=trainable * stored / _GIGA,
        optimizer=2 * trainable * stored / _GIGA,
        activations=tokens * kept / _GIGA,
        head=(tile + head_gradient) / _GIGA,
    )
