"""A model that a tree cannot follow is found out on the first pairs, before anything is scored or trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoTokenizer,
    BartConfig,
    BartForCausalLM,
    DogeConfig,
    DogeForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from scdpo.errors import SettingsError
from scdpo.training.config import SCDPOConfig
from scdpo.training.trainer import SCDPOTrainer

from .test_trainer_exact import common, make_trainer

SMALL: dict[str, Any] = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip


def doge() -> Any:
    """Its attention makes a mask of its own from the values."""
    return DogeForCausalLM(DogeConfig(**SMALL, keep_window_size=16, is_moe=False, initializer_range=0.5))


def bart() -> Any:
    """It counts its positions itself, whatever it is told."""
    config = BartConfig(
        vocab_size=300, d_model=32, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=64, is_decoder=True,
        max_position_embeddings=2048, init_std=0.5, is_encoder_decoder=False,
    )  # fmt: skip
    return BartForCausalLM(config)


def train_on(
    model: Any, tiny_model: Path, pairs: list[dict[str, Any]], tmp_path: Path, **settings: Any
) -> SCDPOTrainer:
    args = SCDPOConfig(**{**common(tmp_path), **settings})
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    return SCDPOTrainer(model, args=args, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)


@pytest.mark.parametrize("make", [doge, bart])
def test_a_model_that_looks_elsewhere_is_refused_a_tree(
    make: Any, tiny_model: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(SettingsError, match=r"share_trunk: false"):
        train_on(make(), tiny_model, pairs, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_a_tree_can_follow_passes(
    tiny_model: Path, pairs: list[dict[str, Any]], tmp_path: Path, dtype: torch.dtype
) -> None:
    assert make_trainer(tiny_model, pairs, tmp_path, dtype).train_dataset["ref_chosen_logps"]


def test_a_mixture_of_experts_is_told_of_its_routers_loss(
    tiny_model: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = MixtralConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2, router_aux_loss_coef=0.02)
    with pytest.raises(SettingsError, match=r"set router_aux_loss_coef: 0 to train without"):
        train_on(MixtralForCausalLM(config), tiny_model, pairs, tmp_path)
    trainer = train_on(MixtralForCausalLM(config), tiny_model, pairs, tmp_path, router_aux_loss_coef=0.0)
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert torch.isfinite(trainer.compute_loss(trainer.model, batch))
