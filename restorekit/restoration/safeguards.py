"""Corrections that hold a restoration to what was observed where the noise cannot explain the difference.

Noise of zero mean leaves local means alone and has no spectral lines. So that a restoration keeps what its model does
not know, the local mean of what it removed is put back, regions whose removed part has spectral lines are left as they
were observed, and where more was removed than the noise holds in flat parts of like brightness, the excess is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

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
STRIP = 16 * BLOCK  # rows that are looked at together
SMOOTH = 2.0  # squares: standard deviation of the Gaussian that local means are taken with, 16 pixels
MAX_CLIPPED = 0.002  # share of clipped values near a square; more of them move the mean of the noise itself
CLIPPING = 1.5  # times that share times the standard deviation of the residual: how far clipping may move the mean
BILEVEL = 0.95  # share of values at an end of the range above which an image is black and white, not clipped
FLATTEST = 0.1  # share of squares of like brightness that have less in them than what is taken for the noise
FEWEST = 16  # squares, among fewer the noise is not measured
LEVELS, LIKE = 8, 64  # brightnesses at most, and squares of each at least, among which the flattest are sought
BELOW_MEAN = 1.2  # ratio of the mean power of noise in squares of 8 pixels to that of the flattest
FAINTEST = 0.4 / 255  # standard deviation that is always taken for noise, as rounding to 8 bits makes 0.29
DRAWN = 0.3  # rank correlation of removed power and gradient from which on the residual holds structure of the image
SPREAD = 3.0  # ratio of removed powers in squares of like brightness that noise of any law stays below
COARSE = (
    0.15  # correlation of neighbours in the residual from which on JPEG and cameras made the noise follow structure
)
UNBIASED = frozenset({"gaussian", "poisson", "poisson-gaussian", "rounding", "speckle"})  # noise laws of zero mean
SIGNIFICANT = 5.0  # standard errors by which a local mean moved
VISIBLE = 1 / 255  # and the least change that counts
MOVED = 0.03  # share of squares whose mean moved so far that the model is taken not to know the image
EXCESS = 2.0  # ratio of the removed power to that of the noise up to which nothing is put back
LOCAL = 1.0  # squares: standard deviation of the Gaussian over which both powers are compared
STRONGEST = 0.3  # standard deviation on [0, 1] above which what was removed is unlikely to be noise
RETURNED = 0.05  # share of squares of which most was put back, so that the model is taken not to know the image

Floats = npt.NDArray[np.float64]


class Removed(NamedTuple):
    """Rows of an image and of what its restoration removed.

    observed : Tensor, observation, (C, h, W) on [0, 1];
    residual : Tensor, observation minus restoration, (C, h, W), NaN where nothing was observed;
    clipped : Tensor of bool, which values are clipped, (C, h, W).
    """

    observed: Tensor
    residual: Tensor
    clipped: Tensor


Rows = Callable[[int, int], Removed]


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
        Returns rows (top, bottom) of the image and of its residual.
    """

    shape: tuple[int, int, int]
    rows: Rows

    @cached_property
    def lines(self) -> SpectralLines:
        """Regions with spectral lines."""
        return SpectralLines(self.shape[1:], lambda top, bottom: self.rows(top, bottom).residual.nan_to_num())

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
    def excess(self) -> Tensor:
        """Weight of the residual that is put back, (1, H / BLOCK, W / BLOCK) rounded up, on [0, 1].

        By Wiener's rule, EXCESS times the noise being taken for the part that is not detail. The noise is that of the
        observation, of which a model removes less if it is coarse.
        """
        totals = self._totals
        full = (totals.counts == BLOCK**2) & (totals.clipped == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            brightness = np.nan_to_num((totals.values - totals.sums) / totals.counts)
            mean = self.means.numpy()  # which is put back anyway
            removed = np.nan_to_num((totals.squares - 2 * mean * totals.sums) / totals.counts) + mean**2
        steep = (totals.values**2 + (totals.down**2 + totals.across**2) * 64 / 336) / BLOCK**2
        noise = power_by_brightness((totals.powers - steep) / (BLOCK**2 - 3), brightness, full)
        power = sum(gaussian_filter(t, LOCAL) for t in removed)
        return torch.from_numpy(np.clip(1 - EXCESS * noise.sum(0) / np.maximum(power, 1e-12), 0, 1)).float()[None]

    @cached_property
    def drawn(self) -> bool:
        """Whether the residual is white, but stronger at structure, and uneven in squares of like brightness."""
        totals = self._totals
        full = ((totals.counts == BLOCK**2) & (totals.clipped == 0)).all(0)
        power = totals.squares.sum(0)
        if full.mean() < 0.2 or full.sum() < LIKE or power[full].mean() < self.shape[0] * (BLOCK * FAINTEST) ** 2:
            return False
        ranks = [t[full].argsort().argsort() for t in (power, totals.slopes.sum(0))]
        brightness = (totals.values - totals.sums).sum(0)[full]
        parts = np.array_split(brightness.argsort(), max(1, full.sum() // (2 * LIKE)))
        smooth = gaussian_filter(power, LOCAL)[full]
        low, high = np.array([np.quantile(smooth[part], (0.1, 0.9)) for part in parts]).T
        return bool(
            np.corrcoef(*ranks)[0, 1] > DRAWN
            and np.median(high / np.maximum(low, 1e-12)) > SPREAD
            and totals.neighbours.sum() < COARSE * totals.squares.sum()
        )

    @cached_property
    def _means(self) -> tuple[Tensor, Tensor]:
        """Local means of the residual and their standard errors."""
        totals = self._totals
        if totals.clipped.sum() > BILEVEL * (totals.counts + totals.clipped).sum():
            totals = self._sums(bilevel=True)
        sums, squares, counts = (
            np.stack([gaussian_filter(t, SMOOTH) for t in found])
            for found in (totals.sums, totals.squares, totals.counts)
        )
        near = np.stack([gaussian_filter(t / BLOCK**2, SMOOTH / 2) for t in totals.clipped])
        if (near > MAX_CLIPPED).any():  # there the clipped values count too, and explain some of the difference
            everything = self._sums(bilevel=True)
            all_values = (np.stack([gaussian_filter(t, SMOOTH) for t in found]) for found in everything[:3])
            sums, squares, counts = (
                np.where(near > MAX_CLIPPED, a, b) for a, b in zip(all_values, (sums, squares, counts), strict=True)
            )
        weight = np.where(counts > BLOCK**2 / 16, np.maximum(counts, 1), np.inf)
        means, spread = sums / weight, np.sqrt(np.maximum(squares / weight - (sums / weight) ** 2, 0))
        explained = np.where(near > MAX_CLIPPED, CLIPPING * near * spread, 0)
        means = np.sign(means) * np.maximum(np.abs(means) - explained, 0)
        # A Gaussian of s pixels averages as many independent values as 4 pi s^2.
        error = spread / np.sqrt(4 * np.pi * (SMOOTH * BLOCK) ** 2)
        return torch.from_numpy(means).float(), torch.from_numpy(error).float()

    @cached_property
    def _totals(self) -> _Totals:
        return self._sums(bilevel=False)

    def _sums(self, bilevel: bool) -> _Totals:
        """Sum over squares what is needed of usable values; all but clipped ones are, those too if `bilevel`."""
        channels, height, width = self.shape
        grid = (channels, -(-height // BLOCK), -(-width // BLOCK))
        totals = _Totals(*(np.zeros(grid) for _ in _Totals._fields))
        down, across = ((torch.arange(n) % BLOCK - (BLOCK - 1) / 2).float() for n in (STRIP, width))
        for top in range(0, height, STRIP):
            strip = self.rows(top, min(height, top + STRIP))
            clipped = strip.clipped & (not bilevel)
            usable = strip.residual.isfinite() & ~clipped
            residual, y = (torch.where(usable, t, 0) for t in (strip.residual, strip.observed))
            rows = slice(top // BLOCK, top // BLOCK + -(-y.shape[1] // BLOCK))
            for total, field in zip(totals[:5], (residual, residual.square(), usable, clipped, y), strict=True):
                total[:, rows] = _block_sums(field)
            totals.powers[:, rows] = _block_sums(y.square())  # one by one, as all together would fill the memory
            totals.down[:, rows] = _block_sums(y * down[: y.shape[1], None])
            totals.across[:, rows] = _block_sums(y * across)
            totals.neighbours[:, rows] = _block_sums(residual * residual.roll(-1, 2))
            x = y - residual
            slope = x.diff(append=x[:, :, -1:]).square_()
            totals.slopes[:, rows] = _block_sums(slope.add_(x.diff(dim=1, append=x[:, -1:]).square_()))
        return totals

    def correction(self, top: int, bottom: int) -> Tensor:
        """Return what is to be added to rows of the restoration, (C, h, W)."""
        residual = self.rows(top, bottom).residual.nan_to_num()
        squares = torch.cat([self.means, self.excess])[None]  # values of squares, interpolated at the pixels
        y, x = ((torch.arange(a, b) + 0.5) / (BLOCK * n) * 2 - 1 for a, b, n in (
            (top, bottom, squares.shape[2]), (0, self.shape[2], squares.shape[3])))  # fmt: skip
        place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
        at_pixels = F.grid_sample(squares, place, align_corners=False, padding_mode="border")[0]
        means, excess = at_pixels[: len(self.means)], at_pixels[len(self.means) :]
        weight = 1 - (1 - self.lines.weight(top, bottom)) * (1 - excess)
        return weight * residual + (1 - weight) * means

    @property
    def concerns(self) -> list[str]:
        """Sentences on what the model takes for noise in this image; empty if all is as expected."""
        found = []
        if self.lines.share > 0:
            found.append(
                f"fine regular structure, as of a mosaic, a screen or dithering, was taken for noise in"
                f" {self.lines.share:.0%} of the image; it was left as it was observed there"
            )
        totals = self._totals
        removed = float(np.sqrt(totals.squares.sum() / max(1.0, float(totals.counts.sum()))))
        if removed > STRONGEST:
            found.append(f"noise of {255 * removed:.0f}/255 was removed, stronger than noise usually is")
        if self.moved > MOVED:
            found.append(
                f"local means changed by more than noise explains in {self.moved:.0%} of the image; they were put back,"
                " but its detail may be lost: the model does not know such images"
            )
        returned = float((self.excess > 0.5).float().mean())
        if returned > RETURNED:
            found.append(
                f"more was taken for noise than flat parts of like brightness have in {returned:.0%} of the image; most"
                " of it was put back there, as it is likely to be detail"
            )
        elif self.drawn:
            found.append("what was taken for noise follows the structure of the image: detail is likely to be lost")
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
        safeguard = Safeguard((shape[0], shape[1], shape[2]), _slices(Removed(y.cpu(), residual, clipped)))
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


def _slices(image: Removed) -> Rows:
    """Return rows of an image that is in memory."""
    return lambda top, bottom: Removed(*(t[:, top:bottom] for t in image))


class _Totals(NamedTuple):
    """Sums over the usable values of squares, (C, H / BLOCK, W / BLOCK) rounded up.

    Of the residual and its square, of usable and of clipped values, of the observation, its square and its products
    with the place in the square, of products of neighbours in the residual, and of the squared gradient.
    """

    sums: Floats
    squares: Floats
    counts: Floats
    clipped: Floats
    values: Floats
    powers: Floats
    down: Floats
    across: Floats
    neighbours: Floats
    slopes: Floats


def power_by_brightness(power: Floats, brightness: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
    """Return the power of the noise at the brightness of every square, from the flattest squares of like brightness.

    Noise may depend on the signal as it likes. Where all squares of a brightness have structure the power is too large.

    Parameters
    ----------
    power : array, (C, rows, columns), on [0, 1] squared
        Variance of the observation in squares, without a linear trend.
    brightness : array, (C, rows, columns), on [0, 1]
        Mean of the restoration in them.
    usable : array of bool, (C, rows, columns)
        Squares that were observed entirely, and are not clipped.

    Returns
    -------
    array, (C, rows, columns)
        At least that of rounding to 8 bits; infinite in a channel with fewer than FEWEST usable squares.
    """
    found = np.full(power.shape, np.inf)
    for c, flags in enumerate(usable):
        if flags.sum() < FEWEST:
            continue
        smooth, own = gaussian_filter(power[c], 1.0)[flags], brightness[c][flags].round(2)
        shares = np.linspace(0, 1, min(LEVELS, len(own) // LIKE) + 1)
        edges = np.unique(np.quantile(own, shares[1:-1]))  # where many are alike there are fewer parts
        place = np.searchsorted(edges, own)
        parts = [place == i for i in np.unique(place) if (place == i).sum() >= FEWEST] or [place >= 0]
        centres = [float(np.median(own[part])) for part in parts]
        powers = [float(np.quantile(smooth[part], FLATTEST)) * BELOW_MEAN for part in parts]
        found[c] = np.interp(brightness[c].ravel(), centres, powers).reshape(found[c].shape)
    at_least: Floats = np.maximum(found, FAINTEST**2)
    return at_least


def _block_sums(t: Tensor) -> Floats:
    """Sum (C, H, W) over squares of BLOCK pixels; those at the end may be cut."""
    rows, columns = -t.shape[1] % BLOCK, -t.shape[2] % BLOCK
    padded = F.pad(t.float()[None], (0, columns, 0, rows))
    found: Floats = (F.avg_pool2d(padded, BLOCK)[0] * BLOCK**2).double().numpy()
    return found
