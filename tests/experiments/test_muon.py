"""Muon moves a matrix by its gradient with all singular values made about equal, as much as AdamW would move it."""

from __future__ import annotations

import pytest
import torch

from experiments.routes.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (8, 8)])
def test_singular_values_come_near_one_and_the_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonal(matrix[None])[0]
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ made @ right.T  # diagonal, if the singular vectors are the same
    assert torch.allclose(turned, torch.diag(turned.diagonal()), atol=1e-4)


def test_a_step_goes_down_and_has_the_size_of_adamws() -> None:
    matrix = torch.nn.Parameter(torch.zeros(16, 64))
    wanted = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    optimizer = Muon([matrix], lr=0.1, weight_decay=0.0)
    loss = (matrix - wanted).square().sum()
    loss.backward()
    optimizer.step()
    assert (matrix - wanted).square().sum() < loss
    size = matrix.detach().square().mean().sqrt()  # AdamW's first steps have 0.2 to 0.4 of the rate
    assert 0.05 * 0.1 < size < 0.4 * 0.1


def test_weights_decay_apart_from_the_gradient() -> None:
    matrix = torch.nn.Parameter(torch.ones(4, 4))
    matrix.grad = torch.zeros(4, 4)
    Muon([matrix], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(matrix.detach(), torch.full((4, 4), 0.95))
