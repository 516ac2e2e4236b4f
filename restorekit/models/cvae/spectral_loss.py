"""How strong an error is in each octave of spatial frequency, and how far draws are from that."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 8  # side of the squares over which energy is averaged in the finest octave, pixels; twice that in the next


def energies(error: Tensor) -> list[Tensor]:
    """Return the mean square of each octave in windows, finest first, and of what is left; of (B, C, H, W) each.

    Octaves are rings of spatial frequency, each half as far out as the one before, as in a radial power spectrum: the
    bands of a pyramid leak, and in a hole, where errors are mostly long waves, that would drown the finest octave.
    """
    h, w = error.shape[-2:]
    spectrum, found = torch.fft.rfft2(error.float()), []
    radius = torch.hypot(torch.fft.fftfreq(h, device=error.device)[:, None], torch.fft.rfftfreq(w, device=error.device))
    outer, side = torch.inf, WINDOW
    while side <= min(h, w):
        inner = 2.0 / side  # 1/4 of a wave a pixel, 1/8, ...
        band = torch.fft.irfft2(spectrum * ((radius > inner) & (radius <= outer)), (h, w))
        found.append(F.avg_pool2d(band.square(), side, ceil_mode=True))
        outer, side = inner, 2 * side
    rest = torch.fft.irfft2(spectrum * (radius <= outer), (h, w))
    return [*found, rest.square().mean((-2, -1), keepdim=True)]


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
