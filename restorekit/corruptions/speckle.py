"""Multiplicative noise of coherent light: ultrasound, radar, laser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, shape_of

DARK = 1e-4  # intensities under this count as this: black has no density


@dataclass(frozen=True)
class Speckle(Corruption):
    """y = x g with independent g ~ Gamma(looks, 1 / looks), of mean 1 and variance 1 / looks.

    Reference: Goodman, "Some fundamental properties of speckle", JOSA 1976: a mean of so many intensities.

    Parameters
    ----------
    looks : int
        Intensities averaged; fewer means more noise.
    """

    name: ClassVar[str] = "speckle"
    noise_law: ClassVar[NoiseLaw | None] = "speckle"
    smooth: ClassVar[bool] = True

    looks: int = field(default=16, metadata={"low": 1, "high": 1000})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Multiply x, (B, C, H, W), by noise; negative intensities count as 0."""
        normals = rng.normal(self.name, (len(x), 2 * self.looks * x.shape[1], *x.shape[2:]), x.device)
        gamma = normals.square().view(len(x), -1, *x.shape[1:]).sum(1) / (2 * self.looks)  # chi squared
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(x.clamp_min(DARK) * gamma, observed, shape_of(x))

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the log-density of the observed values, (B,) nats."""
        looks, x, y = x.new_tensor(float(self.looks)), x.clamp_min(DARK), observation.y.clamp_min(1e-12)
        values = looks * (looks / x).log() - torch.lgamma(looks) + (looks - 1) * y.log() - looks * y / x
        return torch.where(observation.observed, values, 0.0).flatten(1).sum(1)
