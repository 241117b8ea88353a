"""``SCDPOTrainer``: TRL's ``DPOTrainer`` for naive and step-controlled pairs (paper, equations 3 to 5).

TRL computes the losses, the reference and the training loop. This module gives it our token masks, our
batches, and a model call that encodes the pairs of a problem as one tree. It hooks in at ``compute_loss``,
``compute_ref_log_probs``, ``create_accelerator_and_postprocess``, ``log`` and the collator, and, because TRL has no
public way to accept tokens that are already there or to end its ZeRO-3 engine, at ``_prepare_dataset``,
``_get_train_sampler`` and ``_precompute_ref_logps`` (and ``scdpo.training.checkpoints.ResumeMixin`` at ``_run_epoch``).

Not covered: a reference that changes during training, vision models, mixture-of-experts auxiliary losses
together with trunk sharing.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import PeftModel
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, TrainerCallback
from trl import DPOConfig, DPOTrainer, is_conversational

from scdpo.data.encoding import ENCODED_FEATURES, KINDS, EncodingReport, SolutionEncoder, encode_pairs
from scdpo.errors import SettingsError
from scdpo.training.batching import (
    KIND_KEY,
    PASSES_KEY,
    SHARE_KEY,
    TREE_KEYS,
    PairCollator,
    PassCollator,
    TreeCollator,
    TrunkSampler,
    tree_tokens,
)
from scdpo.training.card import PAPER, CardMixin
from scdpo.training.checkpoints import ResumeMixin
from scdpo.training.columns import check_columns, encode_columns
from scdpo.training.config import SCDPOConfig
from scdpo.training.layout import TreeLayout
from scdpo.training.progress import ReferenceProgress
from scdpo.training.tree_attention import LAYER_TYPES, REMEDY, TREE_ATTENTION

_NO_EFFECT: Final = {
    "data_collator": "the trainer's own collator carries the loss masks and the tree",
    "compute_metrics": "the head scores counted tokens only, so there are no logits to pass to it",
}
_TQDM: Final = "TQDM_DISABLE"
_CHECKED: Final = 2
"""Pairs on which the tree is compared with the plain path before the reference scores the rest."""
# How far the two may be apart per token, in units of the log-probabilities' spread. Both paths round, in another order:
# to 24 bits, or to bfloat16's 8, where a random Llama differs by 0.004 to 0.01. A model that the tree cannot follow
# (Doge, whose attention makes a mask of its own) differs by 0.1 or more.
_EXACT: Final = 1e-3
_ROUGH: Final = 0.05
_LEAST_SPREAD: Final = 1e-3
_PER_TOKEN: Final = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


class SCDPOTrainer(ResumeMixin, CardMixin, DPOTrainer):  # type: ignore[misc]  # trl has no types
    """Trains a model on preference pairs, step-controlled and naive ones mixed.

    Logged besides TRL's figures: ``rewards/accuracies_K`` and ``rewards/margins_K`` for K in ``naive`` and
    ``step_controlled``, over all pairs of that kind since the last log.

    Takes what ``trl.DPOTrainer`` takes, in its order, so that a script of TRL's becomes ours by the name of the class.

    Args:
        model: a causal language model, its path, or a PEFT model.
        ref_model: the reference; by default the model as it is before training.
        args: the settings; by default ``SCDPOConfig``'s. TRL's own ``DPOConfig`` is taken as it stands.
        data_collator: must be left out: the trainer's own carries the masks.
        train_dataset: rows in TRL's layout (``scdpo.training.columns``), pair records (``pairs.jsonl``), or rows that
            ``encode_pairs`` made.
        eval_dataset: likewise, or several by name.
        processing_class: the tokenizer; by default the model's own.
        compute_metrics: must be left out: no logits are made.
        callbacks: of ``transformers.Trainer``.
        optimizers: of ``transformers.Trainer``.
        quantization_config: how a model given by its path is loaded, for QLoRA.
        peft_config: wraps the model for LoRA and the like.

    Raises:
        SettingsError: if the data cannot be read as pairs or no pair is left to train on, if an argument or a setting
            would have no effect, if the model's attention cannot follow a tree, or if FSDP would load the weights
            into the first process only.
    """

    _tag_names = ("trl", "dpo", "scdpo")
    _name = "SCDPO"
    paper = PAPER
    _precompute_engine: Any

    def __init__(
        self,
        model: str | PreTrainedModel | PeftModel,
        ref_model: PreTrainedModel | None = None,
        args: DPOConfig | None = None,
        data_collator: None = None,
        train_dataset: Dataset | None = None,
        eval_dataset: Dataset | Mapping[str, Dataset] | None = None,
        processing_class: Any = None,
        compute_metrics: None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        quantization_config: Any = None,
        peft_config: Any = None,
    ) -> None:
        if isinstance(ref_model, DPOConfig):  # (model, args, train_dataset), as this class took them at first
            ref_model, args, train_dataset = None, ref_model, args
        for name, given in {"data_collator": data_collator, "compute_metrics": compute_metrics}.items():
            if given is not None:
                raise SettingsError(f"{name} has no effect here: {_NO_EFFECT[name]}; leave it out")
        args = SCDPOConfig.of(args) if args is not None else _default_args(model)
        check_columns(train_dataset, "train_dataset")
        for name, dataset in _eval_sets(eval_dataset).items():
            check_columns(dataset, name)
        tokenizer = processing_class or AutoTokenizer.from_pretrained(
            model if isinstance(model, str) else model.config._name_or_path,
            trust_remote_code=args.trust_remote_code,
        )
        if args.pad_token is not None:
            tokenizer.pad_token = args.pad_token
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.encoding_reports: dict[str, EncodingReport] = {}
        self._by_kind: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        self._unchecked: list[dict[str, Any]] = []
        if args.share_trunk:
            _use_tree_attention(model, args, peft_config)
            if ref_model is not None:
                _causal_lm(ref_model).set_attn_implementation(TREE_ATTENTION)
        super().__init__(
            model=model,
            ref_model=ref_model,
            args=args,
            data_collator=_collator(args, tokenizer),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=tokenizer,
            callbacks=callbacks,
            optimizers=optimizers,
            peft_config=peft_config,
            quantization_config=quantization_config,
        )

    def create_accelerator_and_postprocess(self) -> None:
        """Create the accelerator, with FSDP set so that log-probabilities come out right."""
        super().create_accelerator_and_postprocess()
        if self.args.max_tokens_per_pass and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise SettingsError(
                "max_tokens_per_pass lets each process take as many passes as its batch needs, and under FSDP and "
                "DeepSpeed all must take the same; leave it out, with a smaller per_device_train_batch_size"
            )
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is None:
            return
        if plugin.cpu_ram_efficient_loading:
            raise SettingsError(
                "fsdp_cpu_ram_efficient_loading gives the weights to the first process only, and the reference "
                "would be scored with the others' empty ones; set it to false"
            )
        if isinstance(plugin.mixed_precision_policy, MixedPrecisionPolicy):
            # accelerate asks for bf16 outputs: a sum of -700 would then be known to the nearest 4.
            plugin.mixed_precision_policy = replace(plugin.mixed_precision_policy, output_dtype=None)

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """Score with the reference; under ZeRO-3, take the engine that did it off the model again."""
        self._unchecked = (
            list(dataset.select(range(min(_CHECKED, len(dataset))))) if self.args.share_trunk else []
        )
        self._batches = ceil(ceil(len(dataset) / batch_size) / self.accelerator.num_processes)
        self._done = 0
        with self._placed(), _without_tqdm(self.args.disable_tqdm):
            scored = super()._precompute_ref_logps(dataset, name, batch_size)
        if self._precompute_engine is not None:
            # Its hooks would count the passes of training as their own, and fail.
            self._precompute_engine.destroy()
            self._precompute_engine = None
        return scored

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Have the model where the batches are, whole, while it scores as its own reference under FSDP.

        That is so with LoRA. FSDP takes the model to its device, in parts, only as training begins.
        """
        before, device = next(self.model.parameters()).device, self.accelerator.device
        if self.ref_model is not None or not self.is_fsdp_enabled or before == device:
            yield
            return
        self.model.to(device)
        try:
            yield
        finally:
            self.model.to(before)

    def _prepare_dataset(
        self, dataset: Dataset, processing_class: Any, args: SCDPOConfig, dataset_name: str
    ) -> Dataset:
        """Encode pair records and rows in TRL's layout; rows that are already encoded pass."""
        check_columns(dataset, dataset_name)
        if set(ENCODED_FEATURES) <= set(dataset.column_names):
            return dataset
        if "question" in dataset.column_names:
            encoder = SolutionEncoder(
                processing_class, args.format, args.system_prompt, args.count_execution, args.count_thoughts
            )
            encoded, report = encode_pairs(
                dataset,
                encoder,
                args.max_length,
                confirmed_only=args.confirmed_only,
                per_problem=args.pairs_per_problem,
                workers=args.dataset_num_proc,
            )
        else:
            # The others find the first process's result in the cache.
            with PartialState().main_process_first():
                encoded, report = encode_columns(
                    dataset, processing_class, args.max_length, args.dataset_num_proc
                )
            self.asked = "messages" if is_conversational(dataset[0]) else "text"
        self.encoding_reports[dataset_name] = report
        if not len(encoded):
            raise SettingsError(f"no pair of {dataset_name} is left; dropped: {dict(report.dropped)}")
        return encoded

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Any:
        """Keep the pairs of a problem together where they share a trunk."""
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        if not self.args.share_trunk:
            return super()._get_train_sampler(dataset)
        columns = dataset.select_columns(["problem_id", "prompt_ids", "chosen_ids", "rejected_ids"])
        seed = self.args.data_seed if self.args.data_seed is not None else self.args.seed
        return TrunkSampler(dataset["problem_id"], tree_tokens(columns), self._train_batch_size, seed)

    def compute_ref_log_probs(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """Score a batch with the reference, as TRL does before training; the first time, check the tree."""
        rows, self._unchecked = self._unchecked, []
        if rows:
            self._check_tree(model, rows)
        scored = [self._scored(model, part) for part in inputs.get(PASSES_KEY, [inputs])]
        self._done += 1
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, ReferenceProgress):
                callback.on_reference_batch(self.state, self._done, self._batches)
        return tuple(torch.cat(side) for side in zip(*scored, strict=True))

    def _scored(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        fields, tree = _split(inputs)
        return super().compute_ref_log_probs(self._scorer(model, tree), fields)

    def _check_tree(self, model: Any, rows: list[dict[str, Any]]) -> None:
        """Compare the log-probabilities of some pairs as a tree and each side on its own.

        Raises:
            SettingsError: if they differ: the model looks at more than what a tree's attention shows it.
        """
        found = []
        for collator in (PairCollator(self.processing_class.pad_token_id), TreeCollator()):
            fields, tree = _split(self._prepare_inputs(collator(rows)))
            scorer = self._scorer(model, tree)
            super().compute_ref_log_probs(scorer, fields)
            found.append(scorer.log_probs[fields["completion_mask"][:, 1:].bool()].double())
        plain, shared = found
        rough = self.accelerator.mixed_precision != "no" or self.model.dtype in (
            torch.bfloat16,
            torch.float16,
        )
        apart, spread = float((shared - plain).abs().mean()), float(plain.std())
        if not apart <= (_ROUGH if rough else _EXACT) * max(spread, _LEAST_SPREAD):
            raise SettingsError(
                f"as a tree, this model gives other log-probabilities: they differ by {apart:.2g} a token, and spread "
                f"by {spread:.2g}. It looks at more than its attention shows it; {REMEDY}"
            )

    def _scorer(self, model: Any, tree: Mapping[str, Any]) -> _Scorer:
        return _Scorer(model, _causal_lm(self.accelerator.unwrap_model(model)).base_model, tree)

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return TRL's loss for a batch, with the rewards of each kind of pair noted for the log."""
        if return_outputs:
            raise ValueError("the trainer returns losses and logged figures, not logits")
        if PASSES_KEY in inputs:
            losses = [self.compute_loss(model, part) for part in inputs[PASSES_KEY]]
            return torch.stack(losses).sum()
        fields, tree = _split(inputs)
        scorer = self._scorer(model, tree)
        loss = super().compute_loss(scorer, fields, num_items_in_batch=num_items_in_batch)
        self._note_rewards(scorer.log_probs, inputs)
        return loss * inputs.get(SHARE_KEY, 1.0)

    def training_step(self, model: Any, inputs: Mapping[str, Any], num_items_in_batch: Any = None) -> Any:
        """Return the loss of a batch whose gradient was added; one pass after another where it takes several."""
        if PASSES_KEY not in inputs:
            return super().training_step(model, inputs, num_items_in_batch)
        *first, last = inputs[PASSES_KEY]
        with self.accelerator.no_sync(model):  # processes share their gradients once
            losses = [
                super(SCDPOTrainer, self).training_step(model, part, num_items_in_batch) for part in first
            ]
        return torch.stack([*losses, super().training_step(model, last, num_items_in_batch)]).sum()

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> Any:
        """Return the operations of a batch, as transformers estimates them."""
        return sum(
            super(SCDPOTrainer, self).floating_point_ops(part) for part in inputs.get(PASSES_KEY, [inputs])
        )

    def _note_rewards(self, log_probs: torch.Tensor, inputs: Mapping[str, Any]) -> None:
        chosen, rejected = log_probs.sum(dim=1).chunk(2)
        margins = self.beta * (
            (chosen - inputs["ref_chosen_logps"]) - (rejected - inputs["ref_rejected_logps"])
        )
        totals = self._by_kind["train" if self.model.training else "eval"]
        for kind, members in zip(KINDS, (~inputs[KIND_KEY], inputs[KIND_KEY]), strict=True):
            mine = margins[members].float()
            figures = torch.stack(
                [torch.tensor(mine.numel(), device=mine.device), (mine > 0).sum(), mine.sum()]
            )
            totals[kind] = totals.get(kind, 0) + figures

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the rewards of each kind of pair."""
        mode = "train" if self.model.training else "eval"
        prefix = "" if mode == "train" else "eval_"
        for kind, figures in self._by_kind.pop(mode, {}).items():
            count, right, margin = self.accelerator.reduce(figures, reduction="sum").tolist()
            if count:
                logs[f"{prefix}rewards/accuracies_{kind}"] = right / count
                logs[f"{prefix}rewards/margins_{kind}"] = margin / count
        super().log(logs, start_time)


class _Scorer:
    """A model as TRL calls it, which returns one log-probability a counted token and row.

    Args:
        model: the model, wrapped as it is for training.
        backbone: the module inside it whose output goes to the language-model head.
        tree: the packed row of the batch; empty for the plain layout.
    """

    def __init__(self, model: Any, backbone: PreTrainedModel, tree: Mapping[str, Any]) -> None:
        self._model = model
        self._backbone = backbone
        self._tree = tree
        self.log_probs: torch.Tensor = torch.empty(0)

    def __call__(self, labels: torch.Tensor, **inputs: Any) -> Any:
        outputs = self._score_tree(inputs) if self._tree else self._model(**inputs, labels=labels)
        self.log_probs = outputs.log_probs.detach()
        return outputs

    def _score_tree(self, inputs: dict[str, Any]) -> Any:
        layout: TreeLayout = self._tree["tree"]
        del inputs["input_ids"], inputs["attention_mask"]
        layout.attended = 0
        keep = self._backbone.register_forward_hook(self._keep_slots)
        try:
            outputs = self._model(
                input_ids=self._tree["tree_ids"],
                position_ids=self._tree["tree_positions"],
                # Four dimensions pass transformers' mask making untouched; the layout says who sees whom.
                attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self._tree["tree_ids"].device),
                shift_labels=self._tree["slot_labels"].unsqueeze(0),
                tree=layout,
                **inputs,
            )
        finally:
            keep.remove()
        layers = self._backbone.config.get_text_config().num_hidden_layers
        if layout.attended < layers:
            raise SettingsError(
                f"{layout.attended} of this model's {layers} layers follow the tree with their attention; {REMEDY}"
            )
        for name in _PER_TOKEN:
            if name in outputs:
                outputs[name] = _to_rows(outputs[name][0], self._tree["row_slots"])
        return outputs

    def _keep_slots(self, module: torch.nn.Module, args: Any, output: Any) -> Any:
        """Leave only the hidden states that score a counted token for the language-model head."""
        output.last_hidden_state = output.last_hidden_state[:, self._tree["slot_positions"]]
        return output


def _to_rows(values: torch.Tensor, row_slots: torch.Tensor) -> torch.Tensor:
    """Spread the values of slots over rows; ``row_slots`` is ``(rows, width)``, padding gives zero."""
    return torch.cat([values, values.new_zeros(1)])[row_slots]


@contextmanager
def _without_tqdm(disabled: bool) -> Iterator[None]:
    """Keep TRL's own bar off the terminal; it asks the environment alone, not ``disable_tqdm``."""
    before = os.environ.get(_TQDM)
    if disabled:
        os.environ[_TQDM] = "1"
    try:
        yield
    finally:
        if disabled and before is None:
            del os.environ[_TQDM]
        elif before is not None:
            os.environ[_TQDM] = before


def _split(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate what TRL knows from what describes the tree."""
    ours = (KIND_KEY, SHARE_KEY, *TREE_KEYS)
    return (
        {key: value for key, value in inputs.items() if key not in ours},
        {key: inputs[key] for key in TREE_KEYS if key in inputs},
    )


def _collator(args: SCDPOConfig, tokenizer: Any) -> PairCollator | TreeCollator | PassCollator:
    whole = (
        TreeCollator() if args.share_trunk else PairCollator(tokenizer.pad_token_id, args.pad_to_multiple_of)
    )
    return whole if args.max_tokens_per_pass is None else PassCollator(whole, args.max_tokens_per_pass)


def _default_args(model: str | PreTrainedModel | PeftModel) -> SCDPOConfig:
    """Return the settings of a trainer that was given none: TRL's folder, and bf16 on a GPU only."""
    name = Path(model if isinstance(model, str) else model.config._name_or_path).name or "model"
    return SCDPOConfig(f"{name}-SCDPO", bf16=torch.cuda.is_available())


def _eval_sets(dataset: Any) -> dict[str, Any]:
    """Return the evaluation's data sets by what to call them in an error."""
    if isinstance(dataset, Mapping):
        return {f"eval_dataset[{name!r}]": part for name, part in dataset.items()}
    return {} if dataset is None else {"eval_dataset": dataset}


def _use_tree_attention(
    model: str | PreTrainedModel | PeftModel, args: SCDPOConfig, peft_config: Any = None
) -> None:
    """Set a model, or the way it will be loaded, up for trees.

    Raises:
        SettingsError: if another attention was asked for, not every layer of the model is attention, its router has a
            loss of its own, or an adapter puts tokens before every sequence.
    """
    if getattr(peft_config, "is_prompt_learning", False):
        raise SettingsError(
            f"{type(peft_config).__name__} puts tokens before every sequence, and a tree is one row; {REMEDY}"
        )
    loading = args.model_init_kwargs or {}
    asked = loading.get("attn_implementation")
    if asked not in (None, TREE_ATTENTION):
        raise SettingsError(
            f"share_trunk brings an attention of its own: leave attn_implementation out, or {REMEDY}"
        )
    if isinstance(model, str):
        config = AutoConfig.from_pretrained(
            model, revision=loading.get("revision"), trust_remote_code=args.trust_remote_code
        )
    else:
        config = _causal_lm(model).config
    text_config = config.get_text_config()
    _refuse_router_loss(text_config, args.router_aux_loss_coef)
    others = set(getattr(text_config, "layer_types", None) or ()) - LAYER_TYPES
    if others:
        raise SettingsError(
            f"this model has layers of {', '.join(sorted(others))}, which mix sequences; {REMEDY}"
        )
    if isinstance(model, str):
        args.model_init_kwargs = {**loading, "attn_implementation": TREE_ATTENTION}
    else:
        _causal_lm(model).set_attn_implementation(TREE_ATTENTION)


def _refuse_router_loss(config: Any, asked: float | None) -> None:
    """Refuse a mixture of experts whose router has an auxiliary loss: it counts tokens, which a tree holds once."""
    coefficient = getattr(config, "router_aux_loss_coef", 0.0) if asked is None else asked
    if hasattr(config, "output_router_logits") and coefficient:
        raise SettingsError(
            f"this is a mixture of experts, whose router's loss (router_aux_loss_coef {coefficient}) counts tokens, "
            "and a tree holds shared ones once; set router_aux_loss_coef: 0 to train without that loss, or "
            f"{REMEDY.removeprefix('set ')}"
        )


def _causal_lm(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    return model.get_base_model() if isinstance(model, PeftModel) else model
