"""What a training was begun with, so that it goes on with the same and is never mixed with another.

``training.json`` in an output folder names the start model, the encoded data and the settings that shape the
result. A second call is compared with it before it goes on from a checkpoint. Not covered: settings of logging,
saving and the machine, which may change between calls.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import PreTrainedConfig, TrainingArguments

from scdpo.data.fingerprint import fingerprint
from scdpo.data.prompt_style import TRAINING_FILE
from scdpo.data.runs import RunError
from scdpo.data.whole_files import written_whole

_DATA: Final = "the data (a digest)"
_MODEL: Final = "the start model (a digest of its files, or its name and revision)"
_BATCH: Final = "the items of a step, over all processes"
# Of the many settings of transformers' trainer, those that change what is learned; TRL's and ours count whole.
_SHAPING: Final = {
    "adam_beta1", "adam_beta2", "adam_epsilon", "data_seed", "label_smoothing_factor", "learning_rate",
    "lr_scheduler_kwargs", "lr_scheduler_type", "max_grad_norm", "max_steps", "neftune_noise_alpha",
    "num_train_epochs", "optim", "optim_args", "optim_target_modules", "per_device_train_batch_size", "seed",
    "warmup_steps", "weight_decay",
}  # fmt: skip

_OF_THE_MACHINE: Final = {
    "dataset_num_proc", "activation_offloading", "precompute_ref_batch_size", "max_tokens_per_pass",
}  # fmt: skip
"""TRL's own settings and ours that change nothing but time and memory."""


def identity(model: str, revision: str | None) -> str:
    """Return what tells a start model from others: its fingerprint, or the name and commit of one on the hub.

    Under several processes the first one reads the files for all.
    """
    found = [""]
    if PartialState().is_main_process:
        found[0] = fingerprint(Path(model))
        if not found[0]:
            config, _ = PreTrainedConfig.get_config_dict(model, revision=revision)
            found[0] = f"{model}@{config.get('_commit_hash') or revision}"
    broadcast_object_list(found)
    return found[0]


def digest(encoded: Dataset) -> str:
    """Return a digest of a data set's rows."""
    content = io.BytesIO()
    encoded.to_parquet(content)
    return hashlib.sha256(content.getbuffer()).hexdigest()[:16]


def settle(output: Path, start: str, data: str, args: TrainingArguments, model_args: Any) -> None:
    """Enter in an output folder what a training is made of; refuse one that was begun with something else.

    Args:
        output: the folder; made if it is not there.
        start: ``identity`` of the start model.
        data: ``digest`` of what is trained on.
        args: the trainer's settings.
        model_args: TRL's ``ModelConfig``.

    Raises:
        RunError: if the folder holds a model or checkpoints of another training; names what differs.
    """
    made = {_MODEL: start, _DATA: data, **_shaping(args, model_args)}
    file = output / TRAINING_FILE
    if any(output.glob("checkpoint-*")) or any(output.glob("*.safetensors")):
        _compare(file, made)
    if PartialState().is_main_process:
        try:
            with written_whole(file) as part:  # so that no process reads half of it
                part.write_text(json.dumps(made, indent=1), encoding="utf-8")
        except OSError as error:
            raise RunError(
                f"cannot write {output}: {error.strerror or error}; choose another --output"
            ) from error


def _compare(file: Path, made: dict[str, Any]) -> None:
    remedy = f"Choose another --output, or remove {file.parent} to begin anew."
    if not file.exists():
        raise RunError(
            f"{file.parent} holds a model, and no {TRAINING_FILE} says what it was trained on. {remedy}"
        )
    before = json.loads(file.read_text(encoding="utf-8"))
    changed = [
        f"{name} was {before.get(name)!r} and is {made.get(name)!r}"
        for name in sorted(before.keys() | made.keys())
        if before.get(name) != made.get(name)
    ]
    if changed:
        raise RunError(
            f"{file.parent} was begun otherwise: {'; '.join(changed)}. "
            f"Call it as it was begun, and it goes on. {remedy}"
        )


def _shaping(args: TrainingArguments, model_args: Any) -> dict[str, Any]:
    """Return the settings that shape the result, as JSON holds them."""
    shared = {f.name for f in fields(TrainingArguments)} - _SHAPING | _OF_THE_MACHINE
    chosen = {
        f.name: getattr(given, f.name)
        for given in (model_args, args)
        for f in fields(given)
        if f.name not in shared
    }
    chosen[_BATCH] = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    result: dict[str, Any] = json.loads(json.dumps(chosen, sort_keys=True, default=str))
    return result


class ResumeMixin:
    """Has a ``transformers.Trainer`` that goes on from its last step take no further one.

    It takes one where the training ended within an epoch. A base class that stands before the trainer's.
    """

    state: Any

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)  # type: ignore[misc]  # the trainer's


def newest(output: Path) -> str | None:
    """Return the newest whole checkpoint of a folder; None if there is none.

    ``trainer_state.json`` is what a checkpoint is finished with: without it, saving was interrupted.
    """
    whole = [path.parent for path in output.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None
