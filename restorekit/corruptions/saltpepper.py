"""Impulse noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of


@dataclass(frozen=True)
class SaltPepper(Corruption):
    """Each value becomes 0 or 1 with probability rate / 2 each; which ones is unknown.

    Parameters
    ----------
    rate : float or (float, float)
        Share of values replaced, in [0, 1].
    """

    name: ClassVar[str] = "saltpepper"
    noise_law: ClassVar[NoiseLaw | None] = "impulse"

    rate: Ranged = field(default=0.1, metadata={"low": 0.0, "high": 1.0, "share": True})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Replace values of x, (B, C, H, W)."""
        rate = self.draw("rate", x, rng)
        u = rng.uniform(self.name, tuple(x.shape), x.device)
        y = torch.where(u < rate / 2, 0.0, torch.where(u < rate, 1.0, x))
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(y, observed, shape_of(x), params={"rate": rate})

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the log-probability of the observed values, (B,) nats; -inf where y is none of 0, 1 and x."""
        rate, y = observation.params["rate"], observation.y
        probability = (1 - rate) * (y == x) + rate / 2 * (y == 0) + rate / 2 * (y == 1)
        return torch.where(observation.observed, probability.log(), 0.0).flatten(1).sum(1)
