"""Stripes: rows or columns of a sensor that read too high or too low."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of


@dataclass(frozen=True)
class Stripes(Corruption):
    """y = x + an offset for each column, or row, normally distributed. It can only be simulated.

    Parameters
    ----------
    strength : float or (float, float)
        Standard deviation of the offsets on the [0, 1] scale.
    axis : {"columns", "rows"}
        Direction of the lines with one offset each.
    """

    name: ClassVar[str] = "stripes"
    noise_law: ClassVar[NoiseLaw | None] = "correlated"

    strength: Ranged = field(default=0.05, metadata={"low": 0.0, "high": 1.0, "of_255": True})
    axis: str = field(default="columns", metadata={"choices": ("columns", "rows")})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Offset the lines of x, (B, C, H, W)."""
        b, c, h, w = x.shape
        shape = (b, c, 1, w) if self.axis == "columns" else (b, c, h, 1)
        y = x + self.draw("strength", x, rng) * rng.normal(self.name, shape, x.device)
        observed = x.new_ones((b, 1, h, w), dtype=torch.bool)
        return Observation(y, observed, shape_of(x))
