"""Muon: momentum with orthogonalised updates, for the weights of hidden layers.

Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. `torch.optim.Muon` accepts
matrices only (PyTorch 2.15; pull request 180561 is open). This one treats a convolution as a matrix of (outputs,
inputs x height x width), and can skip an update on the device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration that drives singular values towards 1
ITERATIONS = 5
MIN_HIDDEN_WIDTH = 16  # layers with at most so many inputs or outputs are heads


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices, (..., m, n), with their singular values driven to about 1 by a Newton-Schulz iteration."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


def is_hidden(p: nn.Parameter) -> bool:
    """Return whether a parameter is the weight of a hidden layer."""
    return p.ndim >= 2 and p.shape[0] > MIN_HIDDEN_WIDTH and p[0].numel() > MIN_HIDDEN_WIDTH


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
        Share of a weight that a step of length 1 removes. Without it the weights of a long training grow until a
        step of fixed length hardly turns them (Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2).
    """

    found_inf: Tensor | None = None  # 1 = skip this update, as in PyTorch's fused optimisers

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient, those of one shape together to save launches on a GPU."""
        for group in self.param_groups:
            alike = defaultdict[torch.Size, list[Tensor]](list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append(p)
            lr, momentum = group["lr"], group["momentum"]
            keep = 1.0 if self.found_inf is None else 1.0 - self.found_inf
            for params in alike.values():
                gradients = torch.stack([p.grad for p in params if p.grad is not None])
                gradients = gradients if self.found_inf is None else torch.where(self.found_inf > 0, 0.0, gradients)
                means = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in params]
                moved = torch.stack(means)
                moved += (gradients - moved) * (keep * (1 - momentum))
                torch._foreach_copy_(means, list(moved))
                ahead = gradients.lerp(moved, momentum)  # Nesterov's look-ahead
                update = orthogonalised(ahead.flatten(2)).view_as(ahead)
                length = max(1.0, len(params[0]) / params[0][0].numel()) ** 0.5
                torch._foreach_mul_(params, 1 - keep * (lr * group["weight_decay"]))
                torch._foreach_sub_(params, list(update * (keep * lr * length)))
