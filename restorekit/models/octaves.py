"""How strong an error is in each octave of spatial frequency, and how far draws are from that."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 8  # coefficients a side over which energy is averaged


def energies(error: Tensor) -> list[Tensor]:
    """Return the mean square of each octave in windows, finest first, and of what is left; of (B, C, H, W) each.

    Octaves are the differences of a pyramid of means over 2 x 2 values, which goes on as long as both sides are even.
    """
    found = []
    while all(side % 2 == 0 and side >= WINDOW for side in error.shape[-2:]):
        half = F.avg_pool2d(error, 2)
        band = error - F.interpolate(half, scale_factor=2, mode="nearest")
        found.append(F.avg_pool2d(band.square(), WINDOW, ceil_mode=True))
        error = half
    return [*found, error.square().mean((-2, -1), keepdim=True)]


def mismatch(error: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return how far the energies of draws lie from those of an error, as a share of them, squared; a scalar.

    Parameters
    ----------
    error, one, other : Tensor, (B, C, H, W)
        The true error, and two independent draws of it: the product of their differences from the truth has the
        square of the expected difference as its own expectation, without a share that only single draws' noise has.
    """
    found = []
    for truth, a, b in zip(*map(energies, (error, one, other)), strict=True):
        near = (0.25 * (a + b) + 0.5 * truth).detach()
        usual = 0.5 * (near + near.mean((1, 2, 3), keepdim=True)) + 1e-7
        found.append(((a - truth) * (b - truth) / usual**2).mean())
    return torch.stack(found).mean()
