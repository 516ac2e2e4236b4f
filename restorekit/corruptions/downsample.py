"""Fewer pixels: super-resolution is restoring it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.interpolation import fill
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, shape_of


@dataclass(frozen=True)
class Shrinking:
    """Means over squares of `factor` pixels a side, of images (C, H, W); a `restorekit.core.types.Linear`."""

    factor: int
    shape: tuple[int, int, int]

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on."""
        return self.factor - 1

    def apply(self, x: Tensor) -> Tensor:
        """Map x, (B, C, H, W), to (B, C, H / factor, W / factor), rounded up; squares at the border may be cut off."""
        return F.avg_pool2d(x, self.factor, ceil_mode=True)

    def adjoint(self, u: Tensor) -> Tensor:
        """Share every value out among its square's pixels."""
        height, width = self.shape[1:]
        counts = F.avg_pool2d(u.new_ones(1, 1, height, width), self.factor, ceil_mode=True, divisor_override=1)
        return (u / counts).repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)[..., :height, :width]


@dataclass(frozen=True)
class Downsample(Corruption):
    """y = means over squares of x, as a sensor of fewer and larger pixels sees it; free of noise.

    Parameters
    ----------
    factor : int
        Pixels along the side of a square.
    """

    name: ClassVar[str] = "downsample"
    smooth: ClassVar[bool] = True
    resizes: ClassVar[bool] = True

    factor: int = field(default=2, metadata={"low": 2, "high": 16})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Shrink x, (B, C, H, W)."""
        y = Shrinking(self.factor, shape_of(x)).apply(x)
        observed = torch.ones_like(y[:, :1], dtype=torch.bool)
        return Observation(y, observed, shape_of(x), x.new_zeros(x.shape[0], 1, 1, 1), direct=False)

    def operator(self, observation: Observation) -> Shrinking:
        """Return the means."""
        return Shrinking(self.factor, observation.shape)

    def clean_shape(self, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
        """Return the shape of the image that has no cut-off squares."""
        return shape[0], shape[1] * self.factor, shape[2] * self.factor

    def initial_estimate(self, observation: Observation) -> Tensor:
        """Return y enlarged by cubic interpolation, missing values filled in first."""
        height, width = observation.shape[1:]
        small = fill(observation.y, observation.observed)
        size = [side * self.factor for side in small.shape[2:]]
        return F.interpolate(small, size, mode="bicubic", align_corners=False)[..., :height, :width]
