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
    """Return how far the energies of draws lie from those of an error, as a share of their own, squared; a scalar.

    Its gradient is that of Whittle's likelihood ("Estimation and information in stationary time series", 1953), which
    is 0 where the draws have the error's energy on average, however seldom and large errors are.

    Parameters
    ----------
    error, one, other : Tensor, (B, C, H, W)
        The true error, and two independent draws of it: the product of their differences from the truth has the
        square of the expected difference as its own expectation, without a share that only single draws' noise has.
    """
    found = []
    for truth, a, b in zip(*map(energies, (error, one, other)), strict=True):
        found.append(0.5 * (_apart(truth, a, b) + _apart(truth, b, a)))
    return torch.stack(found).mean()


def _apart(truth: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return (a - truth) (b - truth), relative to a's energy; gradients go to a, which b knows nothing of."""
    near = a.detach()  # not the truth: large errors would count for less, and draws come out weak
    usual = 0.5 * (near + near.mean((1, 2, 3), keepdim=True)) + 1e-7
    return ((a - truth) * (b - truth).detach() / usual**2).mean()
