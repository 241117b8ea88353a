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

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import torch
from datasets import Dataset
from peft import PeftModel
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, TrainerCallback
from trl import DPOTrainer

from scdpo.data.encoding import ENCODED_FEATURES, KINDS, EncodingReport, SolutionEncoder, encode_pairs
from scdpo.errors import SettingsError
from scdpo.training.batching import KIND_KEY, TREE_KEYS, PairCollator, TreeCollator, TrunkSampler, tree_tokens
from scdpo.training.checkpoints import ResumeMixin
from scdpo.training.config import SCDPOConfig
from scdpo.training.trunk import LAYER_TYPES, REMEDY, TREE_ATTENTION, TreeLayout

_PER_TOKEN: Final = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


class SCDPOTrainer(ResumeMixin, DPOTrainer):  # type: ignore[misc]  # trl has no types
    """Trains a model on preference pairs, step-controlled and naive ones mixed.

    Logged besides TRL's figures: ``rewards/accuracies_K`` and ``rewards/margins_K`` for K in ``naive`` and
    ``step_controlled``, over all pairs of that kind since the last log.

    Args:
        model: a causal language model, its path, or a PEFT model.
        args: the settings.
        train_dataset: pair records (``pairs.jsonl``), or rows that ``encode_pairs`` made.
        eval_dataset: likewise.
        processing_class: the tokenizer; by default the model's own.
        ref_model: the reference; by default the model as it is before training.
        peft_config: wraps the model for LoRA and the like.
        quantization_config: how a model given by its path is loaded, for QLoRA.
        callbacks: of ``transformers.Trainer``.
        optimizers: of ``transformers.Trainer``.

    Raises:
        ValueError: if no pair is left to train on, if the model's attention cannot follow a tree, or if FSDP
            would load the weights into the first process only.
    """

    _tag_names = ("trl", "dpo", "scdpo")
    _name = "SCDPO"
    _precompute_engine: Any

    def __init__(
        self,
        model: str | PreTrainedModel | PeftModel,
        args: SCDPOConfig,
        train_dataset: Dataset,
        eval_dataset: Dataset | None = None,
        processing_class: Any = None,
        ref_model: PreTrainedModel | None = None,
        peft_config: Any = None,
        quantization_config: Any = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
    ) -> None:
        tokenizer = processing_class or AutoTokenizer.from_pretrained(
            model if isinstance(model, str) else model.config._name_or_path
        )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.encoding_reports: dict[str, EncodingReport] = {}
        self._by_kind: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        if args.share_trunk:
            _use_tree_attention(model, args)
            if ref_model is not None:
                _causal_lm(ref_model).set_attn_implementation(TREE_ATTENTION)
        super().__init__(
            model=model,
            ref_model=ref_model,
            args=args,
            data_collator=TreeCollator() if args.share_trunk else PairCollator(tokenizer.pad_token_id),
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
        with self._placed():
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
        """Encode pair records; rows that are already encoded pass."""
        if set(ENCODED_FEATURES) <= set(dataset.column_names):
            return dataset
        encoder = SolutionEncoder(
            processing_class, args.format, args.system_prompt, args.count_execution, args.count_thoughts
        )
        encoded, self.encoding_reports[dataset_name] = encode_pairs(
            dataset,
            encoder,
            args.max_length,
            confirmed_only=args.confirmed_only,
            per_problem=args.pairs_per_problem,
        )
        if not len(encoded):
            raise SettingsError(
                f"no pair is left to train on; dropped: {self.encoding_reports[dataset_name].dropped}"
            )
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
        """Score a batch with the reference, as TRL does before training."""
        fields, tree = _split(inputs)
        return super().compute_ref_log_probs(self._scorer(model, tree), fields)

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
        fields, tree = _split(inputs)
        scorer = self._scorer(model, tree)
        loss = super().compute_loss(scorer, fields, num_items_in_batch=num_items_in_batch)
        self._note_rewards(scorer.log_probs, inputs)
        return loss

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
        if inputs.pop("output_router_logits", False):
            raise SettingsError(f"a tree cannot follow a router's auxiliary loss; {REMEDY}")
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


def _split(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate what TRL knows from what describes the tree."""
    ours = (KIND_KEY, *TREE_KEYS)
    return (
        {key: value for key, value in inputs.items() if key not in ours},
        {key: inputs[key] for key in TREE_KEYS if key in inputs},
    )


def _use_tree_attention(model: str | PreTrainedModel | PeftModel, args: SCDPOConfig) -> None:
    """Set a model, or the way it will be loaded, up for trees.

    Raises:
        ValueError: if another attention was asked for, or not every layer of the model is attention.
    """
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
    others = set(getattr(config.get_text_config(), "layer_types", None) or ()) - LAYER_TYPES
    if others:
        raise SettingsError(
            f"this model has layers of {', '.join(sorted(others))}, which mix sequences; {REMEDY}"
        )
    if isinstance(model, str):
        args.model_init_kwargs = {**loading, "attn_implementation": TREE_ATTENTION}
    else:
        _causal_lm(model).set_attn_implementation(TREE_ATTENTION)


def _causal_lm(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    return model.get_base_model() if isinstance(model, PeftModel) else model
