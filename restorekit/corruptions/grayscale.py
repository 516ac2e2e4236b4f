"""Colour lost: colourising is restoring it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.errors import ImageError
from restorekit.core.interpolation import fill
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, shape_of

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as cv2 and the gray test sets have it


@dataclass(frozen=True, eq=False)
class Luma:
    """A weighted sum over channels; a `restorekit.core.types.Linear`."""

    weights: Tensor  # (C,)
    halo: int = 0

    def apply(self, x: Tensor) -> Tensor:
        """Map x, (B, C, H, W), to (B, 1, H, W)."""
        return (x * self.weights.to(x)[:, None, None]).sum(1, keepdim=True)

    def adjoint(self, u: Tensor) -> Tensor:
        """Share every value out among the channels."""
        return u * self.weights.to(u)[:, None, None]


@dataclass(frozen=True)
class Grayscale(Corruption):
    """y = 0.299 R + 0.587 G + 0.114 B, or the mean of other than three channels; free of noise."""

    name: ClassVar[str] = "grayscale"
    smooth: ClassVar[bool] = True

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Take the colour out of x, (B, C, H, W)."""
        y = _luma(x.shape[1]).apply(x)
        observed = torch.ones_like(y, dtype=torch.bool)
        return Observation(y, observed, shape_of(x), x.new_zeros(x.shape[0], 1, 1, 1), direct=x.shape[1] == 1)

    def operator(self, observation: Observation) -> Luma:
        """Return the weighted sum."""
        return _luma(observation.shape[0])

    def clean_shape(self, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
        """Return the shape in colour; ImageError where there is still colour."""
        if shape[0] != 1:
            raise ImageError(
                f"{self.name} leaves 1 channel, got {shape[0]}; give the gray image, or another corruption"
            )
        return channels, shape[1], shape[2]

    def initial_estimate(self, observation: Observation) -> Tensor:
        """Return gray in every channel."""
        return fill(observation.y, observation.observed).expand(-1, observation.shape[0], -1, -1)


def _luma(channels: int) -> Luma:
    return Luma(torch.tensor(LUMA if channels == len(LUMA) else [1 / channels] * channels))
