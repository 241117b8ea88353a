"""The settings of preference training: TRL's ``DPOConfig`` with the paper's values and a few fields more.

Every field of ``DPOConfig`` (and so of ``transformers.TrainingArguments``) is accepted as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trl import DPOConfig

from scdpo.data.formats import FORMAT_NAMES
from scdpo.errors import SettingsError


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
        pairs_per_problem: at most so many pairs a problem: naive ones first, then those with the largest fall.
        share_trunk: encode the tokens that the pairs of a problem share once, instead of once a side.

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
        default=None, metadata={"help": "At most so many pairs a problem, those with the largest fall first."}
    )
    share_trunk: bool = field(
        default=True, metadata={"help": "Encode what the pairs of a problem share only once."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs_per_problem is not None and self.pairs_per_problem < 1:
            raise SettingsError(f"pairs_per_problem is 1 or more, not {self.pairs_per_problem}")
        if not self.precompute_ref_log_probs:
            raise SettingsError(
                "precompute_ref_log_probs must stay true: the reference is scored once and cached"
            )
        if self.sync_ref_model:
            raise SettingsError(
                "sync_ref_model changes the reference during training; its cached scores would be stale"
            )
        if self.ld_alpha is not None:
            raise SettingsError(
                "ld_alpha weighs tokens by their position; rewards by kind of pair would not match it"
            )
        if self.remove_unused_columns:
            raise SettingsError(
                "remove_unused_columns must stay false: the collator reads the pairs' own columns"
            )
