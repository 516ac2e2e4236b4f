"""Spectral loss: energy of errors in each octave of spatial frequency, compared with that of draws."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 8  # side in pixels of the squares of averaged energy in the finest octave; it doubles with each octave


def energies(error: Tensor) -> list[Tensor]:
    """Return the mean square in windows of each octave of (B, C, H, W), finest first, and of the rest.

    Octaves are rings of spatial frequency, each at half the frequency of the one before, as in a radial power spectrum.
    The frequency bands of a pyramid leak: in a hole, where errors are mostly long waves, that would drown the finest
    octave.
    """
    h, w = error.shape[-2:]
    spectrum, found = torch.fft.rfft2(error.float()), []
    radius = torch.hypot(torch.fft.fftfreq(h, device=error.device)[:, None], torch.fft.rfftfreq(w, device=error.device))
    outer, side = torch.inf, WINDOW
    while side <= min(h, w):
        inner = 2.0 / side  # 1/4 cycle per pixel, 1/8, ...
        ring = torch.fft.irfft2(spectrum * ((radius > inner) & (radius <= outer)), (h, w))
        found.append(F.avg_pool2d(ring.square(), side, ceil_mode=True))
        outer, side = inner, 2 * side
    rest = torch.fft.irfft2(spectrum * (radius <= outer), (h, w))
    return [*found, rest.square().mean((-2, -1), keepdim=True)]


def mismatch(error: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return the squared relative difference of the energies of draws and of an error; a scalar.

    Its gradient is that of Whittle's likelihood ("Estimation and information in stationary time series", 1953), which
    is 0 if the draws have the error's energy on average, however rare and large errors are.

    Parameters
    ----------
    error, one, other : Tensor, (B, C, H, W)
        The true error, and two independent draws of it: the product of their differences from the truth is an unbiased
        estimate of the squared expected difference, without the variance of single draws.
    """
    found = []
    for truth, *draws in zip(*map(energies, (error, one, other)), strict=True):
        products = []
        for a, b in (draws, reversed(draws)):  # only a gets gradients
            own = a.detach()  # relative to the draw: relative to the truth, large errors would count less
            usual = 0.5 * (own + own.mean((1, 2, 3), keepdim=True)) + 1e-7
            products.append(((a - truth) * (b - truth).detach() / usual**2).mean())
        found.append(0.5 * (products[0] + products[1]))
    return torch.stack(found).mean()
