"""Fine periodic structure in what a restoration removed: mosaics, screens, dithering, weaves, column patterns.

Noise has no spectral lines. Lines in the spectrum of the residual y - E[x | y] away from low frequencies are structure
of the image that the model does not know and has taken for noise. The spectrum of a region is estimated by Welch's
method ("The Use of Fast Fourier Transform for the Estimation of Power Spectra", IEEE Trans. Audio Electroacoust. 15(2),
1967), with the median over tiles in place of the mean, so that a single edge makes no line; lines stand out of the
median of their neighbourhood in the spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

TILE = 32  # pixels along a side of a periodogram
HOP = 16  # pixels between periodograms
REGION = 128  # pixels along a side of a region that is judged as one
MIN_SIDE = 64  # of an image: 9 periodograms, as fewer are too uncertain
NEIGHBOURHOOD = 9  # frequencies along a side of the window around a line
LOW = TILE / 6  # cycles per tile below which structure is no matter of the sampling grid
LINE = 6.0  # ratio of a line to its neighbourhood; the highest of white noise in 49 tiles is about 1.8
_CYCLES = torch.fft.fftfreq(TILE, 1 / TILE)
FINE = _CYCLES[:, None].square() + _CYCLES.square() >= LOW**2
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
        for i, strip in enumerate(strips(rows, self._tops, size[0])):
            self._found[i] = torch.from_numpy(_regions_with_lines(strip, lefts))
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


def strips(rows: Callable[[int, int], Tensor], tops: list[int], height: int) -> Iterator[Tensor]:
    """Yield the strip of rows of each region; what a strip shares with the one before is not read again."""
    strip = rows(0, min(height, REGION))
    yield strip
    for before, top in pairwise(tops):
        strip = torch.cat([strip[:, top - before :], rows(before + REGION, top + REGION)], 1)
        yield strip


def has_lines(region: Tensor) -> bool:
    """Return whether the residual of a region, (C, h, w) on [0, 1], has spectral lines that matter."""
    return bool(_regions_with_lines(region, [0])[0])


def _regions_with_lines(strip: Tensor, lefts: list[int]) -> NDArray[np.bool_]:
    """Return for the region at each of some columns of a strip, (C, h, W), whether it has spectral lines."""
    width = min(REGION, strip.shape[2])
    squares = F.pad(strip.double().square().mean((0, 1)).cumsum(0), (1, 0)).numpy()
    power = (squares[np.array(lefts) + width] - squares[lefts]) / width
    found: NDArray[np.bool_] = power >= MIN_AMPLITUDE**2
    if found.any():
        offsets = np.arange(0, width - TILE + 1, HOP)
        columns, places = np.unique(np.array(lefts)[found, None] + offsets, return_inverse=True)
        powers = periodograms(strip, columns)[:, places.reshape(-1, len(offsets))]  # (rows, regions, columns, n)
        powers = powers.transpose(1, 3, 0, 2).reshape(int(found.sum()), powers.shape[-1], -1)
        shares = line_shares(powers, len(strip))
        found[found] = shares >= np.maximum(MIN_SHARE, MIN_AMPLITUDE**2 / power[found])
    return found


def periodograms(strip: Tensor, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return half of the power spectrum of tiles of a strip, (C, h, W): (rows, columns, TILE x (TILE / 2 + 1))."""
    window = torch.hann_window(TILE, periodic=False).outer(torch.hann_window(TILE, periodic=False))
    tiles = strip.float().unfold(2, TILE, 1)[:, :, columns].unfold(1, TILE, HOP)  # (C, rows, columns, x, y)
    spectra = torch.fft.rfft2((tiles - tiles.mean((3, 4), keepdim=True)).mul_(window))
    return np.asarray((spectra.real.square().add_(spectra.imag.square())).mean(0).flatten(2).numpy(), np.float32)


def line_shares(powers: NDArray[np.float32], channels: int) -> NDArray[np.float64]:
    """Return the share of the energy of regions that lines hold, of (regions, TILE x (TILE / 2 + 1), tiles)."""
    # Over the median of a gamma distribution of C powers (Wilson and Hilferty, 1931), as those of white noise are.
    typical = _entire(torch.from_numpy(medians_of(powers) / (1 - 1 / (9 * channels)) ** 3))
    margin = NEIGHBOURHOOD // 2
    padded = F.pad(typical[:, None], (margin,) * 4, mode="circular")
    lowest = -F.max_pool2d(-padded, NEIGHBOURHOOD, 1)[:, 0]  # the median is no less
    candidates = (typical > LINE * lowest.clamp_min(1e-12)) & FINE
    shares = np.zeros(len(powers))
    for i in np.flatnonzero(candidates.any(2).any(1).numpy()):
        neighbours = F.unfold(padded[i, None], NEIGHBOURHOOD)[0].T.view(TILE, TILE, -1).numpy()
        nearby = torch.from_numpy(medians_of(neighbours[candidates[i].numpy()]))
        lines = torch.zeros(TILE, TILE)
        lines[candidates[i]] = (typical[i][candidates[i]] > LINE * nearby.clamp_min(1e-12)).float()
        if bool(lines.any()):
            near = (F.max_pool2d(F.pad(lines[None, None], (1,) * 4, mode="circular"), 3, 1)[0, 0] > 0) & FINE
            nearby = torch.from_numpy(medians_of(neighbours[near.numpy()]))
            total = _entire(torch.from_numpy(powers[i].mean(1))[None]).sum()
            shares[i] = (typical[i][near] - nearby).clamp_min(0).sum() / total
    return shares


def medians_of(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return medians along the last axis; to sort short rows is ten times as fast as `numpy.median`."""
    ordered, count = np.sort(values, -1), values.shape[-1]
    medians: NDArray[np.float32] = (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / np.float32(2)
    return medians


def _entire(half: Tensor) -> Tensor:
    """Return spectra of real values, (n, TILE, TILE), from their halves, (n, TILE x (TILE / 2 + 1))."""
    half = half.view(len(half), TILE, -1)
    rows = -torch.arange(TILE) % TILE
    return torch.cat([half, half[:, rows][:, :, 1:-1].flip(2)], 2)
