"""Train a model on the pairs of a run: what ``scdpo train`` does, as a function.

Reads ``pairs.jsonl``, trains with ``SCDPOTrainer`` and leaves a checkpoint that transformers loads. Called
again with the same arguments it goes on from the last checkpoint; reference log-probabilities are kept in
the output folder and not computed twice. Works under ``accelerate launch``.
"""

from __future__ import annotations

import hashlib
import logging
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import ceil
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    HfArgumentParser,
    PrinterCallback,
    TrainerCallback,
)
from trl import ModelConfig, get_peft_config, get_quantization_config

from scdpo.data.encoding import KINDS, NAIVE, EncodingReport, SolutionEncoder, encode_pairs
from scdpo.data.records import PairRecord
from scdpo.data.runs import RecordFile
from scdpo.errors import MissingFileError, ScdpoError, SettingsError
from scdpo.training import checkpoints
from scdpo.training.adapters import save_model
from scdpo.training.config import SCDPOConfig
from scdpo.training.trainer import SCDPOTrainer

_log = logging.getLogger(__name__)
_SHORT: Final = 100
"""A run of so many steps logs each of them: a plot of fewer points shows nothing."""
_FEWEST: Final = 10
"""Fewer steps can hardly move the weights: see ``too_few_steps``."""
C = TypeVar("C")
Method = Literal["dpo", "scdpo"]
KINDS_OF: dict[Method, Sequence[str]] = {"dpo": (NAIVE,), "scdpo": KINDS}


@dataclass(frozen=True)
class TrainResult:
    """What a training run left.

    Attributes:
        model_path: the folder of the trained model and its tokenizer.
        steps: optimizer steps in all, those before a resumption included.
        metrics: TRL's and ours, of the last log of the run, with ``train_loss`` and ``train_runtime``.
        history: every log entry, in order.
        report: pairs (or solutions) kept by kind and dropped by reason.
        tokens: that were encoded for training since the run was last started, counted as they passed, over all
            processes; padding and the reference's pass not included.
        peak_memory: GiB of this process at most: allocated on its GPU, or resident where there is none.
    """

    model_path: Path
    steps: int
    metrics: dict[str, float]
    history: list[dict[str, float]]
    report: EncodingReport
    tokens: int
    peak_memory: float

    @classmethod
    def of(cls, trainer: Any, output: Path, report: EncodingReport) -> TrainResult:
        """Read the result off a trainer that has finished."""
        history = [dict(entry) for entry in trainer.state.log_history]
        merged = {key: value for entry in history[-2:] for key, value in entry.items()}
        tokens = int(trainer._total_train_tokens)  # the log leaves out what follows its last entry
        return cls(output, trainer.state.global_step, merged, history, report, tokens, peak_memory())


def peak_memory() -> float:
    """Return the most memory that this process has held, in GiB: on its GPU, or resident where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1024**3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def train(
    pairs: Path | str,
    model: str,
    output_dir: Path | str,
    method: Method = "scdpo",
    settings: Mapping[str, Any] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainResult:
    """Train a model on pairs by DPO (naive pairs only) or SCDPO (both kinds).

    Args:
        pairs: a ``pairs.jsonl`` file.
        model: the model to start from, which is also the reference: a folder or a name on the hub.
        output_dir: for the trained model, its checkpoints and the cached reference.
        method: ``dpo`` or ``scdpo``.
        settings: fields of ``SCDPOConfig`` and of TRL's ``ModelConfig`` (``use_peft``, ``lora_r``,
            ``dtype``, …), as in TRL's YAML files.
        callbacks: of ``transformers.Trainer``, for progress.

    Raises:
        ValueError: for an unknown setting or method, a model that cannot take the format, or pairs of
            which none can be trained on.
        scdpo.data.runs.RunError: if a line of the file is no pair, or the output folder holds another training.
    """
    output = Path(output_dir)
    args, model_args = parse_settings(SCDPOConfig, settings, output)
    tokenizer = load_tokenizer(model, model_args.model_revision, args.trust_remote_code)
    mine, data, report = _encode_once(pairs, tokenizer, args, method)
    start = checkpoints.identity(model, model_args.model_revision)
    checkpoints.settle(output, start, data, args, model_args)
    encoded = _stored(mine, _place(output, start, data))
    prepare_short_run(args, len(encoded))
    loading = {**args.model_init_kwargs, "trust_remote_code": args.trust_remote_code}
    trainer = SCDPOTrainer(
        model=model,
        args=args,
        train_dataset=encoded,
        processing_class=tokenizer,
        peft_config=get_peft_config(model_args),
        quantization_config=get_quantization_config(model_args),
        callbacks=list(callbacks),
    )
    if args.disable_tqdm:
        trainer.remove_callback(PrinterCallback)  # it would print every log entry in place of the bar
    trainer.train(resume_from_checkpoint=checkpoints.newest(output))
    save_model(trainer, output, lambda: AutoModelForCausalLM.from_pretrained(model, **loading))
    trainer.save_state()
    return TrainResult.of(trainer, output, report)


def parse_settings(
    config: type[C], settings: Mapping[str, Any] | None, output: Path
) -> tuple[C, ModelConfig]:
    """Return the settings as a configuration of ``config`` and TRL's ``ModelConfig``.

    Where they are silent, bf16, gradient checkpointing and pinned memory are used on a GPU only, and nothing
    is reported to a logging service.

    Raises:
        ValueError: for an unknown or malformed setting.
    """
    gpu = torch.cuda.is_available()
    by_device = {"bf16": gpu, "gradient_checkpointing": gpu, "dataloader_pin_memory": gpu}
    chosen = {**by_device, "report_to": "none", **(settings or {})}
    known = {f.name: str(f.type) for f in (*fields(cast(Any, config)), *fields(ModelConfig))}
    for name in chosen.keys() - known.keys():
        near = get_close_matches(name, known, 1)
        raise SettingsError(
            f"there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    for name, value in chosen.items():
        if value is False and name.endswith("_strategy"):
            chosen[name] = "no"  # which YAML takes for false
        # YAML takes 2e-5, without a point, for a word.
        if isinstance(value, str) and "float" in known[name] and "str" not in known[name]:
            try:
                chosen[name] = float(value)
            except ValueError as error:
                raise SettingsError(f"the setting {name!r} is a number, not {value!r}") from error
    parser = HfArgumentParser((config, ModelConfig))
    try:
        args, model_args = parser.parse_dict({**chosen, "output_dir": str(output)})
    except (
        ValueError,
        TypeError,
    ) as error:  # what TRL and transformers say of settings that do not go together
        raise SettingsError(str(error)) from error
    loading = {
        "revision": model_args.model_revision,
        "dtype": model_args.dtype,
        "attn_implementation": model_args.attn_implementation,
    }
    args.model_init_kwargs = {
        **{key: value for key, value in loading.items() if value is not None},
        **(args.model_init_kwargs or {}),
    }
    return args, model_args


def optimizer_steps(args: Any, items: int, processes: int) -> int:
    """Return the optimizer steps of a training on so many items, as transformers counts them."""
    if args.max_steps > 0:
        return int(args.max_steps)
    passes: int = ceil(ceil(items / args.per_device_train_batch_size) / processes)
    per_epoch: int = max(1, ceil(passes / args.gradient_accumulation_steps))
    return ceil(float(args.num_train_epochs) * per_epoch)


def too_few_steps(args: Any, items: int, processes: int) -> str:
    """Return what to say of a training too short to move the weights; empty if it is not, or ``max_steps`` asks for it.

    The learning rate climbs and falls within the run, so in a handful of steps hardly one is taken at its full size.
    """
    steps = optimizer_steps(args, items, processes)
    if steps >= _FEWEST or args.max_steps > 0:
        return ""
    batch = args.per_device_train_batch_size * args.gradient_accumulation_steps * processes
    return (
        f"{items} items give {steps} optimizer steps, too few to move the weights: lower per_device_train_batch_size "
        f"times gradient_accumulation_steps (now {batch}) or raise num_train_epochs (now {args.num_train_epochs:g})"
    )


def prepare_short_run(args: Any, items: int) -> None:
    """Log each step of a short run, and warn of one too short to move the weights."""
    if optimizer_steps(args, items, args.world_size) <= _SHORT:
        args.logging_steps = 1
    if words := too_few_steps(args, items, args.world_size):
        _log.warning("%s", words)


def load_tokenizer(model: str, revision: str, trust_remote_code: bool) -> Any:
    """Return a model's tokenizer.

    Raises:
        SettingsError: if there is no such model, or its tokenizer cannot be loaded.
    """
    try:
        return AutoTokenizer.from_pretrained(model, revision=revision, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot load the tokenizer of {model!r}: {error}") from error


def read_pairs(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the pairs of a file as dictionaries.

    Raises:
        FileNotFoundError: if there is no such file.
        scdpo.data.runs.RunError: if a line is no pair.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"no pairs at {path}; `scdpo sample` and `scdpo corrupt` make them")
    for record in RecordFile(Path(path), PairRecord):
        yield record.model_dump()


def read_encoded(
    pairs: Path | str, tokenizer: Any, args: SCDPOConfig, method: Method
) -> tuple[Dataset, EncodingReport]:
    """Return the pairs that a method trains on as token ids, and the report of what was dropped.

    Raises:
        ValueError: if the method is unknown or no pair is left.
    """
    if method not in KINDS_OF:
        raise SettingsError(f"method {method!r} is not one of {', '.join(KINDS_OF)}")
    encoder = SolutionEncoder(
        tokenizer, args.format, args.system_prompt, args.count_execution, args.count_thoughts
    )
    encoded, report = encode_pairs(
        read_pairs(pairs),
        encoder,
        args.max_length,
        KINDS_OF[method],
        confirmed_only=args.confirmed_only,
        per_problem=args.pairs_per_problem,
        workers=args.dataset_num_proc,
    )
    if not len(encoded):
        kinds = " or ".join(kind.replace("_", " ") for kind in KINDS_OF[method])
        why = f"dropped: {dict(report.dropped)}" if report.dropped else f"none of its pairs is {kinds}"
        raise SettingsError(f"{pairs} holds no pair that {method} can train on; {why}")
    return encoded, report


def _place(output: Path, start: str, data: str) -> Path:
    """Return the folder of the encoded pairs, and of the reference scores, which depend on the start model.

    TRL names the scores after the model's weights, and under ZeRO-3 those are empty when it does.
    """
    return output / "encoded" / hashlib.sha256(f"{start} {data}".encode()).hexdigest()[:16]


def _encode_once(
    pairs: Path | str, tokenizer: Any, args: SCDPOConfig, method: Method
) -> tuple[Dataset | None, str, EncodingReport]:
    """Encode in the first process; return its data set (None in the others), the digest and the report of it.

    Raises:
        ScdpoError: what ``read_encoded`` raises, in every process, so that none waits for one that has ended.
    """
    encoded: Dataset | None = None
    shared: list[Any] = [None]
    if PartialState().is_main_process:
        try:
            encoded, report = read_encoded(pairs, tokenizer, args, method)
            shared = [(checkpoints.digest(encoded), report)]
        except ScdpoError as error:
            shared = [error]
    broadcast_object_list(shared)
    if isinstance(shared[0], ScdpoError):
        raise shared[0]
    data, report = shared[0]
    return encoded, data, report


def _stored(encoded: Dataset | None, place: Path) -> Dataset:
    """Return the data set from a folder of its own on disk, where TRL keeps the reference scores beside it."""
    if encoded is not None and not (place / "state.json").exists():
        encoded.save_to_disk(place)
    PartialState().wait_for_everyone()
    return Dataset.load_from_disk(place)
