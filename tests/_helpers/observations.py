"""Small random images, and observations of them."""

from __future__ import annotations

import torch

from restorekit.core.types import Observation


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def seen(x: torch.Tensor, observed: torch.Tensor | None = None, sigma: float | None = None) -> Observation:
    everywhere = torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)
    level = None if sigma is None else torch.full((1, 1, 1, 1), sigma)
    return Observation(x, everywhere if observed is None else observed, tuple(x.shape[1:]), level)
