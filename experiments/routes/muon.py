"""Muon: an optimizer for matrices that learns what AdamW learns in about half of the steps (Jordan and others, 2024).

A matrix moves by its momentum with all singular values made about equal, by five rounds of Newton and Schulz; the move
is scaled to the size of AdamW's, so that both take the same learning rates (arXiv:2502.16982). torch's own version
works in bfloat16, which processors without it emulate at a tenth of the speed. Not covered: anything but matrices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch

_ROUNDS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial: they bring singular values between 0.7 and 1.2 as fast as can be."""


class Muon(torch.optim.Optimizer):
    """Takes matrices; a learning rate is one of AdamW's, ``weight_decay`` is decoupled."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes[matrix.shape].append(matrix)
            for shape, matrices in shapes.items():  # those of one shape in one product
                moves = orthogonal(torch.stack([self._momentum(m, group["momentum"]) for m in matrices]))
                for matrix, move in zip(matrices, moves, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(move, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def _momentum(self, matrix: torch.nn.Parameter, share: float) -> torch.Tensor:
        """Return Nesterov's momentum of a matrix."""
        assert matrix.grad is not None
        kept = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
        kept.lerp_(matrix.grad, 1 - share)
        move: torch.Tensor = matrix.grad.lerp(kept, share)
        return move


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices, shape (number, rows, columns), with the same singular vectors and values near 1."""
    a, b, c = _COEFFICIENTS
    wide: torch.Tensor = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    wide = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        square = wide @ wide.mT
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide if matrices.shape[1] <= matrices.shape[2] else wide.mT
