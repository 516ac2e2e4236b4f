"""No corruption at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, shape_of


@dataclass(frozen=True)
class Clean(Corruption):
    """y = x: for models of the images themselves, and to see what a restorer does to an intact picture."""

    name: ClassVar[str] = "clean"
    noise_law: ClassVar[NoiseLaw | None] = "none"

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Return x, (B, C, H, W), fully observed."""
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(x, observed, shape_of(x), x.new_zeros(x.shape[0], 1, 1, 1))
