"""Fine-tune a model on code-integrated solutions, with the loss on the model's own tokens only.

Takes the preferred solutions of a ``solutions.jsonl`` and trains with TRL's ``SFTTrainer``; question and kernel
output are context. A tokenizer that lacks the format's special tokens gets them, and the model rows for
them. Called again with the same arguments it goes on from the last checkpoint. Not covered: packing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer, get_peft_config, get_quantization_config

from scdpo.data.encoding import EncodingReport, SolutionEncoder
from scdpo.data.formats import FORMAT_NAMES, bound_format
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import RecordFile
from scdpo.errors import MissingFileError, SettingsError
from scdpo.training import checkpoints
from scdpo.training.adapters import learn_tokens, save_model
from scdpo.training.card import CardMixin
from scdpo.training.train import TrainResult, load_tokenizer, parse_settings, prepare_short_run

_IGNORED: Final = -100


@dataclass
class SolutionSFTConfig(SFTConfig):  # type: ignore[misc]  # trl has no types
    """TRL's ``SFTConfig`` with the paper's values (learning rate 1e-5, 3 epochs, 2,048 tokens).

    Attributes:
        format: how solutions are written for the model: a name of ``scdpo.data.formats``.
        system_prompt: the system text of every prompt.
        count_execution: count the kernel's output in the loss.
        count_thoughts: count what a reasoning model writes for itself in the loss; else it is context.
    """

    learning_rate: float = field(default=1e-5, metadata={"help": "The initial learning rate for AdamW."})
    num_train_epochs: float = field(default=3.0, metadata={"help": "Passes over the solutions."})
    max_length: int | None = field(default=2048, metadata={"help": "Longer solutions are left out."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "The schedule of the learning rate."})
    warmup_steps: float = field(
        default=0.1, metadata={"help": "Warm-up steps; below 1, the share of all steps."}
    )
    format: str = field(
        default="mathcoder",
        metadata={"help": "How solutions are written.", "choices": list(FORMAT_NAMES)},
    )
    system_prompt: str = field(default="", metadata={"help": "The system text of every prompt."})
    count_execution: bool = field(default=False, metadata={"help": "Count execution output in the loss."})
    count_thoughts: bool = field(default=False, metadata={"help": "Count thoughts in the loss."})


def sft(
    solutions: Path | str,
    model: str,
    output_dir: Path | str,
    settings: Mapping[str, Any] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainResult:
    """Fine-tune a model on the preferred solutions of a file.

    Args:
        solutions: a ``solutions.jsonl`` file.
        model: the model to start from: a folder or a name on the hub.
        output_dir: for the trained model and its checkpoints.
        settings: fields of ``SolutionSFTConfig`` and of TRL's ``ModelConfig``.
        callbacks: of ``transformers.Trainer``, for progress.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for an unknown setting, or if no solution can be trained on.
        scdpo.data.runs.RunError: if a line of the file is no solution, or the output folder holds another training.
    """
    if not Path(solutions).is_file():
        raise MissingFileError(f"no solutions at {solutions}; `scdpo sample` makes them")
    output = Path(output_dir)
    args, model_args = parse_settings(SolutionSFTConfig, settings, output)
    args.dataset_kwargs = {"skip_prepare_dataset": True}
    tokenizer = load_tokenizer(model, model_args.model_revision, args.trust_remote_code)
    new = _add_tokens(tokenizer, args.format)
    encoder = SolutionEncoder(
        tokenizer, args.format, args.system_prompt, args.count_execution, args.count_thoughts
    )
    encoded, report = encode_solutions(RecordFile(Path(solutions), SolutionRecord), encoder, args.max_length)
    if not len(encoded):
        raise SettingsError(f"{solutions} holds no solution to train on; dropped: {dict(report.dropped)}")
    start = checkpoints.identity(model, model_args.model_revision)
    checkpoints.settle(output, start, checkpoints.digest(encoded), args, model_args)
    prepare_short_run(args, len(encoded))
    loading = {"trust_remote_code": args.trust_remote_code, **args.model_init_kwargs}
    load = partial(_load, model, len(tokenizer), args.seed, **loading)
    loaded = load(quantization_config=get_quantization_config(model_args))
    args.model_init_kwargs = None
    peft = get_peft_config(model_args)
    if peft is not None and new:
        learn_tokens(peft, loaded)
    trainer = _Trainer(
        model=loaded,
        args=args,
        train_dataset=encoded,
        processing_class=tokenizer,
        peft_config=peft,
        callbacks=list(callbacks),
    )
    if args.disable_tqdm:
        trainer.remove_callback(PrinterCallback)  # it would print every log entry in place of the bar
    trainer.train(resume_from_checkpoint=checkpoints.newest(output))
    save_model(trainer, output, load)
    return TrainResult.of(trainer, output, report)


class _Trainer(checkpoints.ResumeMixin, CardMixin, SFTTrainer):  # type: ignore[misc]  # trl has no types
    """TRL's trainer, called again after its last step or before."""


def _add_tokens(tokenizer: Any, format_name: str) -> bool:
    """Give a tokenizer the special tokens of a format and one for padding; return whether it lacked some."""
    special = bound_format(format_name, tokenizer).special_tokens
    known = tokenizer.get_vocab()
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(special)}, replace_extra_special_tokens=False
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return not known.keys() >= set(special)


def _load(model: str, tokens: int, seed: int, **loading: Any) -> PreTrainedModel:
    """Load a model with rows for so many tokens; rows that it lacks are drawn by the seed."""
    loaded = AutoModelForCausalLM.from_pretrained(model, **loading)
    if loaded.get_input_embeddings().weight.shape[0] < tokens:
        set_seed(seed)
        loaded.resize_token_embeddings(tokens)
    return loaded


def encode_solutions(
    records: Iterable[SolutionRecord], encoder: SolutionEncoder, max_length: int | None
) -> tuple[Dataset, EncodingReport]:
    """Return the preferred solutions as ``input_ids`` and ``labels``, and what was left out.

    Labels are -100 where a token does not count. Solutions that are not preferred, or longer than
    ``max_length`` tokens with their question, are dropped under ``not_preferred`` and ``too_long``.
    """
    report = EncodingReport()
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for record in records:
        if not record.preferred:
            report.dropped["not_preferred"] += 1
            continue
        prompt = encoder.context(record.question)
        ids, mask = encoder.completion(
            record.question, (), record.solution.blocks, record.sampling.block_tokens
        )
        if max_length is not None and len(prompt) + len(ids) > max_length:
            report.dropped["too_long"] += 1
            continue
        report.kept["solution"] += 1
        columns["input_ids"].append(prompt + ids)
        labels = [token if counted else _IGNORED for token, counted in zip(ids, mask, strict=True)]
        columns["labels"].append([_IGNORED] * len(prompt) + labels)
    return Dataset.from_dict(columns), report
