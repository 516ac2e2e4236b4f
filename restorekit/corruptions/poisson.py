"""Photon-counting noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of


@dataclass(frozen=True)
class Poisson(Corruption):
    """y = k / peak with k ~ Poisson(peak x): shot noise, stronger in bright places.

    Parameters
    ----------
    peak : float or (float, float)
        Expected photons at x = 1; fewer means more noise.
    """

    name: ClassVar[str] = "poisson"
    noise_law: ClassVar[NoiseLaw | None] = "poisson"
    smooth: ClassVar[bool] = True

    peak: Ranged = field(default=30.0, metadata={"low": 1e-3, "high": 1e6, "unit": "photons at x = 1"})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Count photons of x, (B, C, H, W); negative intensities count as 0."""
        peak = self.draw("peak", x, rng)
        y = rng.poisson(self.name, peak * x.clamp_min(0)) / peak
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(y, observed, shape_of(x), params={"peak": peak})

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the log-probability of the observed counts, (B,) nats."""
        peak = observation.params["peak"]
        count, rate = observation.y * peak, (peak * x).clamp_min(1e-12)
        values = torch.xlogy(count, rate) - rate - torch.lgamma(count + 1)
        return torch.where(observation.observed, values, 0.0).flatten(1).sum(1)
