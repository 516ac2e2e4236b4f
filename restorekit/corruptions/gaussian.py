"""Additive white Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of


@dataclass(frozen=True)
class Gaussian(Corruption):
    """y = x + sigma n with standard normal n, neither clipped nor quantised.

    Parameters
    ----------
    sigma : float or (float, float)
        Standard deviation on the [0, 1] scale.
    """

    name: ClassVar[str] = "gaussian"
    noise_law: ClassVar[NoiseLaw | None] = "gaussian"
    smooth: ClassVar[bool] = True

    sigma: Ranged = field(default=25 / 255, metadata={"low": 0.0, "high": 1.0, "of_255": True})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Add noise to x, (B, C, H, W)."""
        sigma = self.draw("sigma", x, rng)
        y = x + sigma * rng.normal(self.name, tuple(x.shape), x.device)
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(y, observed, shape_of(x), sigma)

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return sigma; None where it is drawn for each image."""
        return self.fixed("sigma", count)

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the normal log-density of the observed values, (B,) nats; None where any sigma is 0 or unknown."""
        if observation.sigma is None or not bool((observation.sigma > 0).all()):  # NaN, unknown, is not above 0
            return None
        residual = (observation.y - x) / observation.sigma
        values = -0.5 * residual**2 - observation.sigma.log() - 0.5 * math.log(2 * math.pi)
        return torch.where(observation.observed, values, 0.0).flatten(1).sum(1)
