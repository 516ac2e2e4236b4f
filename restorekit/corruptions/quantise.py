"""Storage in few bits: values are clipped to [0, 1] and rounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, shape_of


@dataclass(frozen=True)
class Quantise(Corruption):
    """y = round(clip(x) L) / L with L = 2^bits - 1, as an image file of `bits` bits stores it.

    It can only be simulated: a rounded value has no density. Its sigma is that of the rounding alone.

    Parameters
    ----------
    bits : int
        Bits per value, 1 to 16.
    share : float
        Share of images that are stored so; the others pass untouched. For training on both.
    """

    name: ClassVar[str] = "quantise"
    noise_law: ClassVar[NoiseLaw | None] = "rounding"

    bits: int = field(default=8, metadata={"low": 1, "high": 16})
    share: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0, "share": True})

    @property
    def _rounding(self) -> float:
        """Standard deviation of a rounding error, which is uniform over a step."""
        return float(1 / ((2**self.bits - 1) * 12**0.5))

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return the level of the rounding; None where a share of the images has it."""
        level = None if 0 < self.share < 1 else self.share * self._rounding
        return None if level is None else torch.full((count, 1, 1, 1), level)

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Store x, (B, C, H, W)."""
        levels = 2**self.bits - 1
        stored = (x.clamp(0, 1) * levels).round() / levels
        chosen = rng.uniform(self.name, (x.shape[0], 1, 1, 1), x.device) < self.share
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        sigma = chosen * self._rounding
        return Observation(torch.where(chosen, stored, x), observed, shape_of(x), sigma)
