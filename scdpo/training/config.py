"""The settings of preference training: TRL's ``DPOConfig`` with the paper's values and a few fields more.

Every field of ``DPOConfig`` (and so of ``transformers.TrainingArguments``) is accepted as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from trl import DPOConfig

from scdpo.data.formats import FORMAT_NAMES
from scdpo.errors import SettingsError

LOSS_TYPES: Final = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
)  # fmt: skip
"""TRL's losses. It looks at the name only after the reference has scored every pair, which may take hours."""

# Settings of TRL that would have no effect here, or another one than their name says: the values that are fine, and
# what to say of others.
_REFUSED: Final[dict[str, tuple[tuple[Any, ...], str]]] = {
    "precompute_ref_log_probs": ((True,), "must stay true: the reference is scored once and cached"),
    "sync_ref_model": (
        (False,),
        "changes the reference during training; its cached scores would be stale",
    ),
    "ld_alpha": ((None,), "weighs tokens by their position; rewards by kind of pair would not match it"),
    "remove_unused_columns": ((False,), "must stay false: the collator reads the pairs' own columns"),
    "truncation_mode": (
        ("keep_start",),
        "has no effect: nothing is cut, and a pair that does not fit max_length is left out",
    ),
    "padding_free": (
        (False,),
        "has no effect in this version of TRL; share_trunk: true encodes without padding",
    ),
    "label_smoothing_factor": ((0, 0.0), "has no effect on preference losses; label_smoothing has"),
}
_OVER_A_BATCH: Final = ("aot", "aot_unpaired", "sft")
"""Losses that are no mean over pairs: they sort a batch, or weigh its tokens."""
# The same, where the pairs of a problem are encoded as one tree.
_REFUSED_WITH_TREE: Final[dict[str, tuple[tuple[Any, ...], str]]] = {
    "train_sampling_strategy": (
        ("random",),
        "has no effect: batches hold whole problems and are balanced by their tokens",
    ),
    "pad_to_multiple_of": ((None,), "has no effect: a tree holds no padding"),
    "neftune_noise_alpha": (
        (None,),
        "scales its noise by the length of a row, and a row holds many sequences",
    ),
    "torch_compile": ((False,), "would compile anew for every batch, since each tree has its own shape"),
    "include_num_input_tokens_seen": (
        ("no", "non_padding"),
        "would count the scored tokens, not the encoded ones; num_tokens in the log counts those",
    ),
}


@dataclass
class SCDPOConfig(DPOConfig):  # type: ignore[misc]  # trl has no types
    r"""Settings of ``SCDPOTrainer``.

    The defaults are the paper's for Mistral-7B: ``learning_rate`` 1e-7, ``num_train_epochs`` 2, cosine
    schedule with a warm-up of a tenth, ``max_length`` 1024, ``beta`` 0.1. Reference log-probabilities are
    always computed once, before training, and cached.

    Attributes:
        format: how solutions are written for the model: a name of ``scdpo.data.formats``, such as ``mathcoder``,
            ``markdown``, ``chat`` or ``tools``.
        system_prompt: the system text of every prompt.
        count_execution: count the kernel's output in the loss, as the reference implementation does.
        count_thoughts: count what a reasoning model writes for itself in the loss; else it is context.
        confirmed_only: leave out step-controlled pairs whose error roll-outs do not place at the branch, and those
            without roll-outs (``scdpo corrupt --confirm``).
        pairs_per_problem: at most so many pairs per problem: naive ones first, then those with the largest fall.
        share_trunk: encode the tokens that the pairs of a problem share once, instead of once a side.
        max_tokens_per_pass: the most tokens of one forward pass. A batch of ``per_device_train_batch_size`` pairs that
            has more takes several passes, with the loss and gradient of one. Left out, a batch is one pass, as in TRL.

    Raises:
        ValueError: for settings under which the trainer's figures would be wrong (see ``__post_init__``).
    """

    learning_rate: float = field(default=1e-7, metadata={"help": "The initial learning rate for AdamW."})
    num_train_epochs: float = field(default=2.0, metadata={"help": "Passes over the pairs."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "The schedule of the learning rate."})
    warmup_steps: float = field(
        default=0.1, metadata={"help": "Warm-up steps; below 1, the share of all steps."}
    )
    precompute_ref_log_probs: bool = field(
        default=True, metadata={"help": "Compute reference log-probabilities once. Must stay true."}
    )
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must stay false: the collator reads the pairs' own columns."}
    )
    format: str = field(
        default="mathcoder",
        metadata={"help": "How solutions are written.", "choices": list(FORMAT_NAMES)},
    )
    system_prompt: str = field(default="", metadata={"help": "The system text of every prompt."})
    count_execution: bool = field(
        default=False, metadata={"help": "Count execution output in the loss, as the reference does."}
    )
    count_thoughts: bool = field(default=False, metadata={"help": "Count thoughts in the loss."})
    confirmed_only: bool = field(
        default=False,
        metadata={
            "help": "Leave out step-controlled pairs whose error roll-outs do not place at the branch."
        },
    )
    pairs_per_problem: int | None = field(
        default=None,
        metadata={"help": "At most so many pairs per problem, those with the largest fall first."},
    )
    share_trunk: bool = field(
        default=True, metadata={"help": "Encode what the pairs of a problem share only once."}
    )
    max_tokens_per_pass: int | None = field(
        default=None,
        metadata={
            "help": "Most tokens of one forward pass; larger batches take several, with the same gradient."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs_per_problem is not None and self.pairs_per_problem < 1:
            raise SettingsError(f"pairs_per_problem is 1 or more, not {self.pairs_per_problem}")
        self._refuse(_REFUSED, "")
        if self.share_trunk:
            self._refuse(_REFUSED_WITH_TREE, "; or set share_trunk: false")
            self._refuse_split_batches()
        for name in self.loss_type:
            if name not in LOSS_TYPES:
                raise SettingsError(f"loss_type {name!r} is not one of {', '.join(LOSS_TYPES)}")
        if self.max_tokens_per_pass is not None:
            self._check_passes(self.max_tokens_per_pass)

    def _refuse(self, settings: dict[str, tuple[tuple[Any, ...], str]], remedy: str) -> None:
        for name, (fine, why) in settings.items():
            if getattr(self, name) not in fine:
                raise SettingsError(f"{name} {why}; leave it at {fine[0]!r}{remedy}")

    def _check_passes(self, most: int) -> None:
        if most < 1:
            raise SettingsError(f"max_tokens_per_pass is 1 or more, not {most}")
        whole = [name for name in self.loss_type if name in _OVER_A_BATCH]
        if whole:
            raise SettingsError(
                f"the loss {whole[0]!r} is no mean over pairs, so a batch cannot be cut: leave max_tokens_per_pass out"
            )

    def _refuse_split_batches(self) -> None:
        for name in ("split_batches", "dispatch_batches"):
            if getattr(self.accelerator_config, name):
                raise SettingsError(
                    f"accelerator_config.{name} would cut a batch into parts, and a tree cannot be cut; "
                    "leave it out, or set share_trunk: false"
                )

    @classmethod
    def of(cls, args: DPOConfig) -> SCDPOConfig:
        """Return a configuration of TRL's with our fields added, so that a script of TRL's runs as it stands.

        Scoring the reference beforehand, which TRL leaves off by default, gives the same loss, so it is turned on.
        """
        if isinstance(args, cls):
            return args
        given = {f.name: getattr(args, f.name) for f in fields(args) if f.init}
        return cls(**{**given, "precompute_ref_log_probs": True, "remove_unused_columns": False})
