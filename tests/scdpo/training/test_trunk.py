"""Packing sequences as a tree changes nothing: not what a token sees, not its log-probability, no gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from scdpo.training.batching import TrunkSampler
from scdpo.training.tree_attention import TREE_ATTENTION, tree_attention
from scdpo.training.trunk import TokenTree, pack

TOKENS = st.lists(st.integers(1, 3), min_size=1, max_size=8)
SEQUENCE = TOKENS.flatmap(
    lambda ids: st.tuples(
        st.just(ids),
        st.lists(st.integers(0, 1), min_size=len(ids) - 1, max_size=len(ids) - 1).map(lambda m: [0, *m]),
    )
)


@given(st.lists(SEQUENCE, min_size=1, max_size=6))
def test_every_counted_token_is_predicted_from_exactly_its_own_prefix(
    sequences: list[tuple[list[int], list[int]]],
) -> None:
    packed = pack(sequences)
    visible = packed.layout.dense_mask()
    for (ids, counted), slots in zip(sequences, packed.rows, strict=True):
        wanted = [i for i, c in enumerate(counted) if c]
        assert len(slots) == len(wanted)
        for slot, i in zip(slots, wanted, strict=True):
            seen = visible[packed.slot_positions[slot]].nonzero().flatten().tolist()
            assert [packed.positions[j] for j in seen] == list(range(i))
            assert [packed.token_ids[j] for j in seen] == ids[:i]
            assert packed.slot_labels[slot] == ids[i]


@given(st.lists(SEQUENCE, min_size=1, max_size=6))
def test_a_tree_is_never_longer_than_its_sequences(sequences: list[tuple[list[int], list[int]]]) -> None:
    assert len(pack(sequences).token_ids) <= sum(len(ids) for ids, _ in sequences)


@given(st.lists(SEQUENCE, min_size=1, max_size=6))
def test_a_tree_knows_its_length_before_it_is_laid_out(sequences: list[tuple[list[int], list[int]]]) -> None:
    tree = TokenTree()
    for ids, counted in sequences:
        tree.add(ids, counted)
    assert tree.length == len(pack(sequences).token_ids)


def test_a_shared_trunk_stands_once() -> None:
    trunk = list(range(10, 30))
    packed = pack([(trunk + leaf, [0] * 20 + [1] * 3) for leaf in ([1, 2, 3], [4, 5, 6], [7, 8, 9])])
    # The trunk, two tokens a leaf (nothing follows the third), and a copy of the last trunk token for two.
    assert len(packed.token_ids) == 20 + 3 * 2 + 2


def test_a_counted_first_token_is_refused() -> None:
    with pytest.raises(ValueError, match="first token"):
        pack([([1, 2], [1, 1])])


SEQUENCES = [
    ([5, 6, 7, 8, 9, 10, 11, 12], [0, 0, 0, 1, 1, 0, 1, 1]),
    ([5, 6, 7, 8, 9, 20, 21, 22, 23], [0, 0, 0, 0, 0, 1, 1, 1, 1]),
    ([5, 6, 7, 8, 9, 20, 30], [0, 0, 0, 0, 0, 0, 1]),
    ([5, 6, 40, 41], [0, 0, 1, 1]),
    ([50, 51, 52], [0, 1, 1]),
]


def in_own_precision(model: torch.nn.Module) -> torch.nn.Module:
    """Llama's norms round to float32 on the way; PyTorch's keep the model's precision."""
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "LlamaRMSNorm":
            norm = torch.nn.RMSNorm(
                module.weight.shape, eps=module.variance_epsilon, dtype=module.weight.dtype
            )
            norm.weight.data.copy_(module.weight.data)
            model.get_submodule(name.rpartition(".")[0]).add_module(name.rpartition(".")[2], norm)
    return model


def plain_log_probs(model: torch.nn.Module) -> list[torch.Tensor]:
    rows = []
    for ids, counted in SEQUENCES:
        scores = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        rows.append(torch.stack([scores[i - 1, ids[i]] for i, c in enumerate(counted) if c]))
    return rows


def tree_log_probs(model: torch.nn.Module) -> list[torch.Tensor]:
    packed = pack(SEQUENCES)
    hidden = model.model(
        input_ids=torch.tensor([packed.token_ids]),
        position_ids=torch.tensor([packed.positions]),
        attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool),
        tree=packed.layout,
    ).last_hidden_state[0, packed.slot_positions]
    scores = model.lm_head(hidden).log_softmax(-1)
    picked = scores[torch.arange(len(scores)), torch.tensor(packed.slot_labels)]
    return [picked[torch.tensor(slots)] for slots in packed.rows]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4), (torch.bfloat16, 0.1)]
)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_log_probabilities_and_gradients_equal_the_plain_ones(
    tiny_model: Path, dtype: torch.dtype, tolerance: float, checkpointing: bool
) -> None:
    results = []
    for implementation, score in (("sdpa", plain_log_probs), (TREE_ATTENTION, tree_log_probs)):
        # Weights of an ordinary size: bfloat16 has 8 bits.
        model = AutoModelForCausalLM.from_pretrained(
            tiny_model, dtype=dtype, attn_implementation=implementation
        )
        in_own_precision(model)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.5 if weight.dim() > 1 else 1)
        if checkpointing:
            model.gradient_checkpointing_enable()
        model.train()
        rows = score(model)
        sum(row.sum() * (i + 1) for i, row in enumerate(rows)).backward()
        results.append((torch.cat(rows), [p.grad for p in model.parameters()]))
    (plain, plain_grads), (tree, tree_grads) = results
    torch.testing.assert_close(tree, plain, rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(tree_grads, plain_grads, strict=True):
        error = (mine - theirs).norm() / theirs.norm().clamp(min=1e-6)
        assert error < max(tolerance, 1e-10)


def test_without_a_tree_the_attention_is_sdpa(tiny_model: Path) -> None:
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    outputs = []
    for implementation in ("sdpa", TREE_ATTENTION):
        model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation=implementation)
        outputs.append(model(input_ids=ids, attention_mask=mask).logits[mask.bool()])
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize("name", ["softcap", "s_aux", "position_bias"])
def test_attention_that_scores_in_another_way_is_refused(name: str) -> None:
    packed = pack(SEQUENCES)
    states = torch.zeros(1, 2, len(packed.token_ids), 4)
    with pytest.raises(ValueError, match=f"{name}.*share_trunk: false"):
        tree_attention(
            torch.nn.Module(), states, states, states, None, tree=packed.layout, **{name: torch.ones(2)}
        )


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=30),
    st.integers(1, 7),
    st.integers(0, 3),
    st.integers(1, 4),
)
def test_the_sampler_gives_each_pair_once_an_epoch(
    sizes: list[int], batch: int, epoch: int, window: int
) -> None:
    problems = [f"p{p}" for p, size in enumerate(sizes) for _ in range(size)]
    sampler = TrunkSampler(problems, [1 + i % 3 for i in range(len(problems))], batch, seed=0, window=window)
    sampler.set_epoch(epoch)
    assert sorted(sampler) == list(range(len(problems)))


def test_the_sampler_keeps_problems_whole_and_batches_even() -> None:
    problems = [f"p{p}" for p in range(64) for _ in range(3)]
    tokens = [100 + 37 * (i % 11) for i in range(len(problems))]
    order = list(TrunkSampler(problems, tokens, 12, seed=1))
    batches = [order[i : i + 12] for i in range(0, len(order), 12)]
    loads = [sum(tokens[i] for i in batch) for batch in batches]
    assert all(len({problems[i] for i in batch}) == 4 for batch in batches)
    assert max(loads) < 1.1 * sum(loads) / len(loads)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    problems = [f"p{i // 2}" for i in range(20)]
    first, again, other = (TrunkSampler(problems, [1] * 20, 4, seed=3) for _ in range(3))
    other.set_epoch(1)
    assert list(first) == list(again) != list(other)
