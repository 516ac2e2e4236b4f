"""Muon: momentum with orthogonalised updates, for the weights of hidden layers.

Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. PyTorch's own takes
matrices only; this one takes convolutions as matrices of (outputs, inputs x height x width), and skips an update
on the device where it is told to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration that drives singular values towards 1
ITERATIONS = 5
LEAST = 16  # layers of fewer outputs are heads: they are not hidden


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return the matrix, (m, n), with its singular values driven to about 1 by a Newton-Schulz iteration."""
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def hidden(p: nn.Parameter) -> bool:
    """Say whether a parameter is the weight of a hidden layer."""
    return p.ndim >= 2 and p.shape[0] > LEAST and p[0].numel() > LEAST


class Muon(torch.optim.Optimizer):
    """Step weights along their orthogonalised momentum.

    Parameters
    ----------
    params : iterable of Parameter
        Weights with at least two dimensions, outputs first.
    lr : float
        Length of a step, in units of the spectral norm.
    momentum : float
        Decay of the running mean of the gradients.
    weight_decay : float
        Share of a weight that a step of length 1 takes away. Without it the weights of a long training grow until a
        step of fixed length hardly turns them (Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2).
    """

    found_inf: Tensor | None = None  # 1 where this update is to be skipped, as PyTorch's fused optimisers have it

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)

    def _update(self, p: nn.Parameter, gradient: Tensor, settings: dict[str, Any]) -> None:
        lr, momentum = settings["lr"], settings["momentum"]
        keep = 1.0 if self.found_inf is None else 1.0 - self.found_inf
        gradient = gradient if self.found_inf is None else torch.where(self.found_inf > 0, 0.0, gradient)
        mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
        mean.add_((gradient - mean) * keep, alpha=1 - momentum)
        ahead = gradient.lerp(mean, momentum)  # Nesterov's look ahead
        update = orthogonalised(ahead.reshape(len(p), -1)).view(p.shape)
        p.mul_(1 - lr * settings["weight_decay"] * keep)
        p.sub_(update * keep, alpha=lr * max(1.0, len(p) / p[0].numel()) ** 0.5)
