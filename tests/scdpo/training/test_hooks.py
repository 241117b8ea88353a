"""What the trainer hooks into of TRL, transformers and accelerate: a new version that lacks one is told in one line."""

from __future__ import annotations

import inspect
import re

import pytest
import transformers
import trl
from transformers import AttentionInterface, AttentionMaskInterface, Trainer
from transformers.integrations import sdpa_attention
from trl import DPOConfig, DPOTrainer, GRPOTrainer, SFTTrainer

from scdpo.training.config import _REFUSED, _REFUSED_WITH_TREE, LOSS_TYPES

HOOKS = {
    DPOTrainer: [
        "_prepare_dataset", "_precompute_ref_logps", "compute_ref_log_probs", "_compute_loss", "compute_loss", "log",
        "create_accelerator_and_postprocess", "_get_train_sampler", "_run_epoch", "create_model_card",
        "is_world_process_zero", "is_fsdp_enabled",
    ],
    GRPOTrainer: [
        "_generate", "_generate_single_turn", "_tokenize_prompts", "_get_tool_suffix_ids", "_calculate_rewards",
        "_generate_and_score_completions",
    ],
    SFTTrainer: ["_run_epoch", "create_model_card", "save_model"],
    Trainer: ["training_step", "get_batch_samples"],
    sdpa_attention: ["repeat_kv", "sdpa_attention_forward"],
    AttentionInterface: ["register"],
    AttentionMaskInterface: ["register"],
}  # fmt: skip
ATTRIBUTES = (
    "_precompute_engine",
    "_total_train_tokens",
    "_train_batch_size",
    "aux_loss_enabled",
    "ref_model",
)
MESSAGE = f"is gone from trl {trl.__version__} with transformers {transformers.__version__}"


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in HOOKS.items() for name in names]
)
def test_a_hook_is_there(owner: type, name: str) -> None:
    if name == "is_fsdp_enabled":
        assert "is_fsdp_enabled" in inspect.getsource(Trainer), f"Trainer.{name} {MESSAGE}"
    else:
        assert hasattr(owner, name), f"{owner.__name__}.{name} {MESSAGE}"


@pytest.mark.parametrize(
    "name",
    [
        "environments",
        "environment_factories",
        "_env_tools",
        "max_tool_calling_iterations",
        "_metrics",
        "_is_vlm",
    ],
)
def test_an_attribute_of_the_policy_trainer_is_there(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(GRPOTrainer), f"GRPOTrainer().{name} {MESSAGE}"


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_that_is_read_is_there(name: str) -> None:
    found = inspect.getsource(DPOTrainer) + inspect.getsource(Trainer)
    assert f"self.{name}" in found, f"DPOTrainer().{name} {MESSAGE}"


def test_the_arguments_are_trls_in_its_order() -> None:
    from scdpo.training.trainer import SCDPOTrainer

    theirs, ours = (list(inspect.signature(c.__init__).parameters) for c in (DPOTrainer, SCDPOTrainer))
    assert ours == theirs, f"the arguments of DPOTrainer changed: {MESSAGE}"


def test_the_losses_are_trls() -> None:
    theirs = re.findall(r'loss_type == "(\w+)"', inspect.getsource(DPOTrainer._compute_loss))
    assert set(LOSS_TYPES) == set(theirs), f"loss_type of DPOConfig changed: {MESSAGE}"


@pytest.mark.parametrize("name", [*_REFUSED, *_REFUSED_WITH_TREE])
def test_a_setting_that_is_refused_is_a_setting(name: str) -> None:
    assert name in DPOConfig.__dataclass_fields__, f"DPOConfig.{name} {MESSAGE}"
