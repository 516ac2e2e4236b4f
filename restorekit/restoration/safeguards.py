"""Corrections that hold a restoration to what was observed where the noise cannot explain the difference.

Noise of zero mean leaves local means alone and has no spectral lines. So that a restoration keeps what its model does
not know, the local mean of what it removed is put back, and regions whose removed part has spectral lines are left as
they were observed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption, Restorer, parts_of
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem, Restoration
from restorekit.uncertainty.periodicity import MIN_SIDE, SpectralLines

BLOCK = 8  # pixels along a side of the squares whose means are held
STRIP = 64 * BLOCK  # rows that are looked at together
SMOOTH = 2.0  # squares: standard deviation of the Gaussian that local means are taken with, 16 pixels
MAX_CLIPPED = 0.002  # share of clipped values near a square; more of them move the mean of the noise itself
BILEVEL = 0.95  # share of values at an end of the range above which an image is black and white, not clipped
UNBIASED = frozenset({"gaussian", "poisson", "poisson-gaussian", "rounding", "speckle"})  # noise laws of zero mean
SIGNIFICANT = 5.0  # standard errors by which a local mean moved
VISIBLE = 1 / 255  # and the least change that counts
MOVED = 0.03  # share of squares whose mean moved so far that the model is taken not to know the image

Floats = npt.NDArray[np.float64]
Rows = Callable[[int, int], tuple[Tensor, Tensor]]


def is_held(corruption: Corruption, shape: tuple[int, ...]) -> bool:
    """Return whether restorations of shape (C, H, W) have the local means of their observation.

    Those of images smaller than `MIN_SIDE` have not: a model knows their means better than so few noisy values do.
    """
    return min(shape[1:]) >= MIN_SIDE and all(part.hides or part.noise_law in UNBIASED for part in parts_of(corruption))


@dataclass(eq=False)
class Safeguard:
    """Correction of one restored image.

    Parameters
    ----------
    shape : (int, int, int)
        Of the image, (C, H, W).
    rows : callable
        Returns for rows (top, bottom) the residual, observation minus restoration, (C, h, W) on [0, 1], NaN where
        nothing was observed, and which of its values are clipped, (C, h, W).
    """

    shape: tuple[int, int, int]
    rows: Rows

    @cached_property
    def lines(self) -> SpectralLines:
        """Regions with spectral lines."""
        return SpectralLines(self.shape[1:], lambda top, bottom: self.rows(top, bottom)[0].nan_to_num())

    @cached_property
    def means(self) -> Tensor:
        """Local mean of the residual, (C, H / BLOCK, W / BLOCK) rounded up; 0 near clipped values."""
        return self._means[0]

    @cached_property
    def moved(self) -> float:
        """Share of the image whose local mean changed by more than noise explains."""
        means, error = self._means
        return float((means.abs() > (SIGNIFICANT * error).clamp_min(VISIBLE)).float().mean())

    @cached_property
    def _means(self) -> tuple[Tensor, Tensor]:
        """Local means of the residual and their standard errors."""
        sums, squares, counts, clipped = self._sums(bilevel=False)
        if clipped.sum() > BILEVEL * (counts + clipped).sum():
            sums, squares, counts, clipped = self._sums(bilevel=True)
        smooth = [np.stack([gaussian_filter(t, SMOOTH) for t in found]) for found in (sums, squares, counts)]
        near = np.stack([gaussian_filter(t / BLOCK**2, SMOOTH / 2) for t in clipped])
        known = (smooth[2] > BLOCK**2 / 16) & (near <= MAX_CLIPPED)
        weight = np.where(known, np.maximum(smooth[2], 1), np.inf)
        means = smooth[0] / weight
        # A Gaussian of s pixels averages as many independent values as 4 pi s^2.
        error = np.sqrt(np.maximum(smooth[1] / weight - means**2, 0) / (4 * np.pi * (SMOOTH * BLOCK) ** 2))
        return torch.from_numpy(means).float(), torch.from_numpy(error).float()

    def _sums(self, bilevel: bool) -> list[Floats]:
        """Sum over squares: residuals, their squares, and the numbers of usable and of clipped values."""
        channels, height, width = self.shape
        grid = (channels, -(-height // BLOCK), -(-width // BLOCK))
        totals: list[Floats] = [np.zeros(grid) for _ in range(4)]
        for top in range(0, height, STRIP):
            residual, ends = self.rows(top, min(height, top + STRIP))
            clipped = ends & (not bilevel)
            usable = residual.isfinite() & ~clipped
            values = torch.where(usable, residual, 0)
            rows = slice(top // BLOCK, top // BLOCK + -(-residual.shape[1] // BLOCK))
            for total, t in zip(totals, (values, values.square(), usable, clipped), strict=True):
                total[:, rows] = _block_sums(t)
        return totals

    def correction(self, top: int, bottom: int) -> Tensor:
        """Return what is to be added to rows of the restoration, (C, h, W)."""
        residual = self.rows(top, bottom)[0].nan_to_num()
        weight = self.lines.weight(top, bottom)
        return weight * residual + (1 - weight) * self._held(top, bottom)

    def _held(self, top: int, bottom: int) -> Tensor:
        """Interpolate the local means of the residual at the pixels of some rows, (C, h, W)."""
        y, x = ((torch.arange(a, b) + 0.5) / (BLOCK * n) * 2 - 1 for a, b, n in (
            (top, bottom, self.means.shape[1]), (0, self.shape[2], self.means.shape[2])))  # fmt: skip
        place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
        return F.grid_sample(self.means[None], place, align_corners=False, padding_mode="border")[0]

    @property
    def concerns(self) -> list[str]:
        """Sentences on what the model takes for noise in this image; empty if all is as expected."""
        found = []
        if self.lines.share > 0:
            found.append(
                f"fine regular structure, as of a mosaic, a screen or dithering, was taken for noise in"
                f" {self.lines.share:.0%} of the image; it was left as it was observed there"
            )
        if self.moved > MOVED:
            found.append(
                f"local means changed by more than noise explains in {self.moved:.0%} of the image; they were put back,"
                " but its detail may be lost: the model does not know such images"
            )
        return found


def hold(problem: Problem, restoration: Restoration) -> tuple[Restoration, list[str]]:
    """Correct the restorations of a batch; return them with sentences on what the model does not know.

    Parameters
    ----------
    problem : Problem
        Images, (B, C, H, W), and their assumed corruption. Nothing is done unless `is_held`, and nothing to images
        without noise or of another size than their restoration.
    restoration : Restoration
        Of these images. Estimate, draws and interval are shifted alike; standard deviations stay.
    """
    observation, shape = problem.observation, problem.observation.shape
    exact = observation.sigma is not None and bool((observation.sigma == 0).all())
    if exact or observation.y.shape[1:] != shape or not is_held(problem.corruption, shape):
        return restoration, []
    shifts, concerns = [], list[str]()
    for y, observed, mmse in zip(observation.y, observation.observed, restoration.mmse, strict=True):
        residual = torch.where(observed, y - mmse, torch.nan).cpu()
        clipped = ((y == 0) | (y == 1)).cpu()
        safeguard = Safeguard((shape[0], shape[1], shape[2]), _slices(residual, clipped))
        shifts.append(safeguard.correction(0, shape[1]))
        concerns += safeguard.concerns
    shift = torch.stack(shifts).to(restoration.mmse)
    parts = ("mmse", "draws", "low", "high")
    moved = {name: part + shift for name in parts if (part := getattr(restoration, name)) is not None}
    return replace(restoration, **moved), list(dict.fromkeys(concerns))


class HeldRestorer(Restorer):
    """A restorer whose restorations are held to their observations.

    Parameters
    ----------
    restorer : Restorer
        Restorer of images as large as their observations are.
    """

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self.name, self.batches = restorer.name, restorer.batches  # type: ignore[misc]
        self.needs_sigma, self.geometry = restorer.needs_sigma, restorer.geometry

    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore a batch, and hold it."""
        return hold(Problem(observation, corruption), self._restorer(observation, corruption, n, rng))[0]


def _slices(residual: Tensor, clipped: Tensor) -> Rows:
    """Return rows of an image that is in memory."""
    return lambda top, bottom: (residual[:, top:bottom], clipped[:, top:bottom])


def _block_sums(t: Tensor) -> Floats:
    """Sum (C, H, W) over squares of BLOCK pixels; those at the end may be cut."""
    rows, columns = -t.shape[1] % BLOCK, -t.shape[2] % BLOCK
    padded = F.pad(t.float()[None], (0, columns, 0, rows))
    found: Floats = (F.avg_pool2d(padded, BLOCK)[0] * BLOCK**2).double().numpy()
    return found
