"""Fine periodic structure in what a restoration removed: mosaics, screens, dithering, weaves, column patterns.

Noise has no spectral lines. Lines in the spectrum of the residual y - E[x | y] away from low frequencies are structure
of the image that the model does not know and has taken for noise. The spectrum of a region is estimated by Welch's
method ("The Use of Fast Fourier Transform for the Estimation of Power Spectra", IEEE Trans. Audio Electroacoust. 15(2),
1967), with the median over tiles in place of the mean, so that a single edge makes no line; lines stand out of the
median of their neighbourhood in the spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 32  # pixels along a side of a periodogram
HOP = 16  # pixels between periodograms
REGION = 128  # pixels along a side of a region that is judged as one
MIN_SIDE = 64  # of an image: 9 periodograms, as fewer are too uncertain
NEIGHBOURHOOD = 9  # frequencies along a side of the window around a line
LOW = TILE / 6  # cycles per tile below which structure is no matter of the sampling grid
LINE = 6.0  # ratio of a line to its neighbourhood; the highest of white noise in 49 tiles is about 1.8
MIN_SHARE = 0.03  # of a residual's energy in lines
MIN_AMPLITUDE = 0.3 / 255  # standard deviation of the lines; the grid of camera JPEG files has up to 0.2 / 255


class SpectralLines:
    """Regions of an image whose residual has spectral lines.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image; nothing is found in images smaller than `MIN_SIDE`.
    rows : callable
        Returns the residual of rows (top, bottom), (C, h, W) on the scale of [0, 1], 0 where nothing was observed.

    Attributes
    ----------
    share : float
        Share of the image in such regions.
    """

    def __init__(self, size: tuple[int, int], rows: Callable[[int, int], Tensor]) -> None:
        self._tops, lefts = (_starts(side) for side in size)
        self._found = torch.zeros(len(self._tops), len(lefts))
        self._across, self._height = _hats(lefts, torch.arange(size[1])), size[0]
        self.share = 0.0
        if min(size) < MIN_SIDE:
            return
        for i, top in enumerate(self._tops):
            strip = rows(top, min(size[0], top + REGION))
            self._found[i] = torch.tensor([has_lines(strip[:, :, left : left + REGION]) for left in lefts])
        if bool(self._found.any()):
            bands = range(0, size[0], REGION)
            self.share = sum(float(self.weight(top, min(size[0], top + REGION)).sum()) for top in bands) / math.prod(
                size
            )

    def weight(self, top: int, bottom: int) -> Tensor:
        """Return the weight of the regions in rows, (h, W): 1 inside, falling off to 0 over half a region."""
        return _hats(self._tops, torch.arange(top, bottom)).T @ self._found @ self._across


def _starts(size: int) -> list[int]:
    """Return the first pixels of regions that cover an axis and overlap by half."""
    if size <= REGION:
        return [0]
    return [*range(0, size - REGION, REGION // 2), size - REGION]


def _hats(starts: list[int], pixels: Tensor) -> Tensor:
    """Return for each region its weight at pixels of an axis, (regions, n), linear between centres; they sum to 1."""
    if len(starts) == 1:
        return torch.ones(1, len(pixels))
    centres = torch.tensor(starts, dtype=torch.float32) + REGION / 2
    place = pixels.float().clamp(centres[0], centres[-1])
    right = torch.searchsorted(centres, place).clamp(1, len(starts) - 1)
    share = (place - centres[right - 1]) / (centres[right] - centres[right - 1])
    weights = torch.zeros(len(starts), len(pixels))
    weights.scatter_(0, (right - 1)[None], (1 - share)[None])
    weights.scatter_(0, right[None], share[None])
    return weights


def has_lines(region: Tensor) -> bool:
    """Return whether the residual of a region, (C, h, w) on [0, 1], has spectral lines that matter."""
    power = region.square().mean()
    if float(power) < MIN_AMPLITUDE**2:
        return False
    window = torch.hann_window(TILE, periodic=False).outer(torch.hann_window(TILE, periodic=False))
    tiles = region.float().unfold(1, TILE, HOP).unfold(2, TILE, HOP).reshape(len(region), -1, TILE, TILE)
    spectra = torch.fft.fft2((tiles - tiles.mean((2, 3), keepdim=True)) * window).abs().square().mean(0)
    # Over the median of a gamma distribution of C powers (Wilson and Hilferty, 1931), as those of white noise are.
    typical = spectra.quantile(0.5, 0) / (1 - 1 / (9 * len(region))) ** 3
    margin = NEIGHBOURHOOD // 2
    padded = F.pad(typical[None, None], (margin,) * 4, mode="circular")
    background = F.unfold(padded, NEIGHBOURHOOD)[0].quantile(0.5, 0).view(TILE, TILE)
    cycles = torch.fft.fftfreq(TILE, 1 / TILE)
    fine = cycles[:, None].square() + cycles.square() >= LOW**2
    lines = (typical > LINE * background.clamp_min(1e-12)) & fine
    near = (F.max_pool2d(F.pad(lines.float()[None, None], (1,) * 4, mode="circular"), 3, 1)[0, 0] > 0) & fine
    share = float((typical - background).clamp_min(0)[near].sum() / spectra.mean(0).sum())
    return share >= MIN_SHARE and share * float(power) >= MIN_AMPLITUDE**2
