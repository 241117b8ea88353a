"""FlexAttention's path through a tree: the same mask, output and loss as segment by segment.

On a processor FlexAttention runs as it is written, without the kernel of a GPU and without gradients; the mask and its
blocks are the same.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from scdpo.training import flex
from scdpo.training.layout import TreeLayout
from scdpo.training.tree_attention import tree_attention
from scdpo.training.trunk import pack

from .test_trainer_exact import make_trainer


def random_tree(seed: int, trunk: int = 150) -> TreeLayout:
    """Some problems with shared beginnings of very different lengths, beyond a block of 128."""
    draw = random.Random(seed)
    sequences = []
    for problem in range(4):
        shared = [1000 * problem + draw.randrange(500) for _ in range(draw.randrange(1, trunk))]
        for _ in range(draw.randrange(1, 5)):
            kept = shared[: draw.randrange(1, len(shared) + 1)]
            ids = kept + [draw.randrange(9000) for _ in range(draw.randrange(1, 90))]
            sequences.append((ids, [0] + [draw.randrange(2) for _ in ids[1:]]))
    return pack(sequences).layout


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_counted_as_the_dense_mask_has_them(seed: int) -> None:
    tree = random_tree(seed, trunk=(2, 40, 150, 300, 150, 150)[seed])
    dense = tree.dense_mask()
    size = -(-tree.length // flex.BLOCK) * flex.BLOCK
    padded = torch.zeros(size, size)
    padded[: tree.length, : tree.length] = dense
    expected = padded.unflatten(0, (-1, flex.BLOCK)).unflatten(2, (-1, flex.BLOCK)).sum((1, 3))
    assert (flex.visible_pairs(tree) == expected.numpy()).all()


def test_blocks_that_are_whole_and_blocks_that_nobody_sees_are_told_apart() -> None:
    # One sequence of 512 tokens after a trunk of 256, and a second of 300 beside it.
    trunk = list(range(256))
    first, second = trunk + list(range(1000, 1512)), trunk + list(range(2000, 2300))
    tree = pack([(ids, [0] * 256 + [1] * (len(ids) - 256)) for ids in (first, second)]).layout
    mask = flex.block_mask(tree, torch.device("cpu"))
    whole, part = int(mask.full_kv_num_blocks.sum()), int(mask.kv_num_blocks.sum())
    blocks = -(-tree.length // flex.BLOCK)
    assert blocks <= part + whole < blocks**2 / 2 + blocks
    assert whole > blocks
    assert mask is flex.block_mask(tree, torch.device("cpu"))


def both(
    tree: TreeLayout, heads: tuple[int, int], dtype: torch.dtype, device: str, gradients: bool
) -> list[Any]:
    """The output of both paths, and with them the gradients by queries, keys and values."""
    torch.manual_seed(0)
    states = [
        torch.randn(1, count, tree.length, 16, dtype=dtype, device=device, requires_grad=gradients)
        for count in (heads[0], heads[1], heads[1])
    ]
    weight = torch.randn(1, tree.length, heads[0], 16, dtype=dtype, device=device)
    found = []
    for attend in (flex.flex_tree_attention, _by_segments):
        output = attend(*states, 0.3, tree).transpose(1, 2)
        found.append([output, *(torch.autograd.grad((output * weight).sum(), states) if gradients else ())])
    return found


def _by_segments(query: Any, key: Any, value: Any, scaling: float, tree: TreeLayout) -> torch.Tensor:
    module = torch.nn.Module()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex, "takes", lambda *_: False)
        return tree_attention(module, query, key, value, None, scaling=scaling, tree=tree)[0].transpose(1, 2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
def test_the_output_is_that_of_segment_by_segment_in_float64(seed: int, heads: tuple[int, int]) -> None:
    whole, segments = both(random_tree(seed), heads, torch.float64, "cpu", gradients=False)
    torch.testing.assert_close(whole, segments, rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="FlexAttention has gradients on a GPU only")
@pytest.mark.parametrize("seed", range(4))
def test_on_a_gpu_the_gradients_are_those_of_segment_by_segment(seed: int) -> None:
    whole, segments = both(random_tree(seed), (4, 2), torch.float32, "cuda", gradients=True)
    torch.testing.assert_close(whole, segments, rtol=2e-3, atol=2e-3)  # TF32 on both sides


def test_a_batch_has_the_same_loss_and_reference_in_float64(
    tiny_model: Path, pairs: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for whole in (False, True):
        monkeypatch.setattr(flex, "takes", lambda *_, whole=whole: whole)
        trainer = make_trainer(tiny_model, pairs, tmp_path, torch.float64)
        with torch.no_grad():
            loss = trainer.compute_loss(trainer.model, trainer.data_collator(list(trainer.train_dataset)))
        found.append(
            [
                loss.item(),
                *trainer.train_dataset["ref_chosen_logps"],
                *trainer.train_dataset["ref_rejected_logps"],
            ]
        )
    assert found[1] == pytest.approx(found[0], rel=1e-6)


def test_a_processor_keeps_to_segments() -> None:
    assert not flex.takes(torch.zeros(1), 0.0)
