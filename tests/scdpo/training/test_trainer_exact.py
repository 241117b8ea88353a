"""The loss is the paper's, and on naive pairs it is stock TRL's; the tree changes neither loss nor gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Lfm2Config, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer

from sandbox import Block
from scdpo.data.encoding import SolutionEncoder, encode_pair, encode_pairs
from scdpo.errors import SettingsError
from scdpo.training.batching import KIND_KEY, PASSES_KEY
from scdpo.training.config import SCDPOConfig
from scdpo.training.trainer import SCDPOTrainer

Pair = dict[str, Any]
BETA = 0.3


def load(tiny_model: Path, seed: int, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    """The tiny model with its weights moved by random numbers, so that policy and reference differ."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.4 if weight.dim() > 1 else 1).add_(0.02 * torch.randn_like(weight))
    return model.to(dtype)


def common(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path), "beta": BETA, "bf16": False, "gradient_checkpointing": False, "use_cpu": True,
        "report_to": "none", "disable_tqdm": True, "per_device_train_batch_size": 9, "max_length": 512,
        "precompute_ref_log_probs": True, "remove_unused_columns": False,
    }  # fmt: skip


def make_trainer(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, dtype: torch.dtype = torch.float32, **settings: Any
) -> SCDPOTrainer:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    args = SCDPOConfig(**{**common(tmp_path), **settings})
    encoder = SolutionEncoder(tokenizer, args.format, args.system_prompt, args.count_execution)
    return SCDPOTrainer(
        model=load(tiny_model, 1, dtype),
        ref_model=load(tiny_model, 2, dtype),
        args=args,
        train_dataset=encode_pairs(pairs, encoder, args.max_length)[0],
        processing_class=tokenizer,
    )


def loss_and_gradients(trainer: Any) -> tuple[float, list[torch.Tensor]]:
    """One forward and backward pass over all pairs, in the order of the data set."""
    trainer.model.train()
    batch = trainer.data_collator(list(trainer.train_dataset))
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return loss.item(), [p.grad for p in trainer.model.parameters()]


def assert_same(
    first: tuple[float, list[torch.Tensor]], second: tuple[float, list[torch.Tensor]], tolerance: float
) -> None:
    assert first[0] == pytest.approx(second[0], rel=tolerance)
    for mine, theirs in zip(first[1], second[1], strict=True):
        assert (mine - theirs).norm() <= tolerance * theirs.norm() + 1e-9


def sequence_log_prob(model: LlamaForCausalLM, row: Pair, side: str) -> torch.Tensor:
    """log pi(counted tokens of a side | everything before each), from the definition."""
    ids = row["prompt_ids"] + row[f"{side}_ids"]
    scores = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    start = len(row["prompt_ids"])
    counted = [start + i for i, c in enumerate(row[f"{side}_mask"]) if c]
    return sum((scores[i - 1, ids[i]] for i in counted), torch.zeros((), dtype=torch.float64))


@pytest.mark.parametrize("share_trunk", [False, True])
@pytest.mark.parametrize("count_execution", [False, True])
def test_the_loss_is_the_papers_in_float64(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, share_trunk: bool, count_execution: bool
) -> None:
    trainer = make_trainer(
        tiny_model, pairs, tmp_path, torch.float64, share_trunk=share_trunk, count_execution=count_execution
    )
    # Equations 3 and 4 differ only in where counting starts; equation 5 adds them up over a mixed batch.
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model), count_execution=count_execution)
    policy, reference = load(tiny_model, 1, torch.float64), load(tiny_model, 2, torch.float64)
    losses = []
    for row in (encode_pair(pair, encoder) for pair in pairs):
        ratio = {
            side: sequence_log_prob(policy, row, side) - sequence_log_prob(reference, row, side).detach()
            for side in ("chosen", "rejected")
        }
        losses.append(-torch.log(torch.sigmoid(BETA * (ratio["chosen"] - ratio["rejected"]))))
    expected = torch.stack(losses).mean()
    expected.backward()
    # TRL's language-model head sums in float32 whatever the model's precision.
    assert_same(loss_and_gradients(trainer), (expected.item(), [p.grad for p in policy.parameters()]), 1e-4)


@pytest.mark.parametrize("share_trunk", [False, True])
def test_a_batch_in_several_passes_has_the_loss_and_gradient_of_one(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, share_trunk: bool
) -> None:
    whole = make_trainer(tiny_model, pairs, tmp_path / "1", torch.float64, share_trunk=share_trunk)
    cut = make_trainer(
        tiny_model, pairs, tmp_path / "2", torch.float64, share_trunk=share_trunk, max_tokens_per_pass=300
    )
    rows = list(cut.train_dataset)
    batch = cut.data_collator(rows)
    passes = batch[PASSES_KEY]
    assert len(passes) > 1
    assert all(part["attention_mask"].numel() <= 300 or len(part[KIND_KEY]) == 1 for part in passes)
    assert torch.cat([part[KIND_KEY] for part in passes]).tolist() == batch[KIND_KEY].tolist()
    # The reference was scored in passes too, pair by pair in the same order.
    for side in ("chosen", "rejected"):
        key = f"ref_{side}_logps"
        assert whole.train_dataset[key] == pytest.approx(cut.train_dataset[key], rel=1e-6)
    cut.model.train()
    for trainer in (whole, cut):
        trainer.current_gradient_accumulation_steps = 1
    loss = cut.training_step(cut.model, batch)
    assert_same((loss.item(), [p.grad for p in cut.model.parameters()]), loss_and_gradients(whole), 1e-5)
    unscored = cut.train_dataset.remove_columns(["ref_chosen_logps", "ref_rejected_logps"])
    assert cut.evaluate(unscored)["eval_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_losses_over_a_whole_batch_are_not_cut(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no mean over pairs"):
        SCDPOConfig(**common(tmp_path), loss_type=["aot"], max_tokens_per_pass=300)
    with pytest.raises(SettingsError, match="1 or more"):
        SCDPOConfig(**common(tmp_path), max_tokens_per_pass=0)


@pytest.mark.parametrize("share_trunk", [False, True])
def test_on_naive_pairs_loss_and_gradients_are_stock_trls(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, share_trunk: bool
) -> None:
    naive = [pair for pair in pairs if pair["kind"] == "naive"]
    ours = make_trainer(tiny_model, naive, tmp_path, share_trunk=share_trunk, count_execution=True)
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model))
    texts = [
        {
            "prompt": encoder.format.prompt(pair["question"]),
            **{
                side: encoder.text([Block.from_dict(b) for b in pair[side]])[0]
                for side in ("chosen", "rejected")
            },
        }
        for pair in naive
    ]
    stock = DPOTrainer(
        model=load(tiny_model, 1),
        ref_model=load(tiny_model, 2),
        args=DPOConfig(**common(tmp_path)),
        train_dataset=Dataset.from_list(texts),
        processing_class=encoder.tokenizer,
    )
    assert_same(loss_and_gradients(ours), loss_and_gradients(stock), 1e-4 if share_trunk else 1e-6)


@pytest.mark.parametrize(
    "loss_type",
    ["sigmoid", "hinge", "ipo", "robust", "apo_zero", "sppo_hard", "nca_pair", "bco_pair", "aot", "discopop",
     "sigmoid_norm", ["sigmoid", "sft"]],
)  # fmt: skip
def test_every_loss_of_trl_is_the_same_with_and_without_the_tree(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, loss_type: Any
) -> None:
    plain, tree = (
        loss_and_gradients(
            make_trainer(
                tiny_model, pairs[:3], tmp_path, share_trunk=share, loss_type=loss_type, label_smoothing=0.1
            )
        )
        for share in (False, True)
    )
    assert_same(tree, plain, 1e-4)


def test_in_bfloat16_the_tree_is_as_exact_as_the_plain_path(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    exact, plain, tree = (
        loss_and_gradients(make_trainer(tiny_model, pairs, tmp_path, dtype, share_trunk=share))
        for dtype, share in ((torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True))
    )

    def error(run: tuple[float, list[torch.Tensor]]) -> float:
        mine, truth = (torch.cat([g.float().flatten() for g in grads]) for grads in (run[1], exact[1]))
        return float((mine - truth).norm() / truth.norm())

    assert tree[0] == pytest.approx(exact[0], rel=0.05)
    assert error(tree) < max(1.5 * error(plain), 0.05)


def hybrid() -> Any:
    """A model of which every other layer is a convolution."""
    config = Lfm2Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, layer_types=["conv", "full_attention"], block_multiple_of=8,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


class Forgetful(torch.nn.Module):
    """What stands where attention stood, and gives nothing on."""

    def forward(self, hidden_states: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
        return torch.zeros_like(hidden_states), None


@pytest.mark.parametrize("how", ["by its configuration", "by its layers", "by its path"])
def test_a_model_that_mixes_tokens_apart_from_attention_is_refused_a_tree(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path, how: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model: Any = hybrid()
    said = "layers of conv"
    if how == "by its path":
        model.save_pretrained(tmp_path / "hybrid")
        model = str(tmp_path / "hybrid")
    if how == "by its layers":
        model = load(tiny_model, 1)
        model.model.layers[1].self_attn = Forgetful()
        said = "1 of this model's 2 layers"
    args = SCDPOConfig(**common(tmp_path))
    with pytest.raises(ValueError, match=f"{said}.*share_trunk: false"):
        SCDPOTrainer(model, args, Dataset.from_list(pairs), processing_class=tokenizer)


def test_another_attention_is_refused_where_the_trunk_is_shared(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    args = SCDPOConfig(**common(tmp_path), model_init_kwargs={"attn_implementation": "eager"})
    with pytest.raises(ValueError, match=r"attn_implementation.*share_trunk: false"):
        SCDPOTrainer(str(tiny_model), args, Dataset.from_list(pairs))


def test_rewards_are_logged_for_each_kind_from_its_own_pairs(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    figures = {}
    for name, share, chosen in (
        ("mixed", True, pairs),
        ("naive", False, pairs[::3]),
        ("step_controlled", False, pairs[1::3] + pairs[2::3]),
    ):
        trainer = make_trainer(tiny_model, chosen, tmp_path / name, share_trunk=share)
        loss_and_gradients(trainer)
        logs: dict[str, float] = {}
        trainer.log(logs)
        figures[name] = logs
    for kind in ("naive", "step_controlled"):
        for what in ("accuracies", "margins"):
            mixed, alone = figures["mixed"][f"rewards/{what}_{kind}"], figures[kind][f"rewards/{what}"]
            assert mixed == pytest.approx(alone, rel=1e-4, abs=5e-5)  # sums of some hundreds in float32
    assert "rewards/margins_step_controlled" not in figures["naive"]


def test_evaluation_gives_loss_and_rewards_by_kind(
    tiny_model: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    args = SCDPOConfig(**common(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    data = Dataset.from_list(pairs)
    trainer = SCDPOTrainer(load(tiny_model, 1), args, data, eval_dataset=data, processing_class=tokenizer)
    figures = trainer.evaluate()
    assert figures["eval_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert trainer.state.log_history[-1]["eval_rewards/margins_naive"] == pytest.approx(0, abs=1e-3)
    assert trainer.encoding_reports["eval"].kept == {"naive": 3, "step_controlled": 6}
