"""Detect degradation: values that a model does not expect from the pixels around them.

Squares of an image are hidden and restored from the rest. The hidden values are compared with the restoration in units
of the model's standard deviation, noise included. A second round leaves out suspicious values of the first.
Clean images set the threshold, so that a requested share of their values counts as degraded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Restorer
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem
from restorekit.corruptions import Missing
from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma

SETS = 4  # each square is hidden in one pass of so many, its neighbours in the others
SUSPECT = 4.0  # standard deviations from which a value is not used to predict its neighbours
MIN_STD = 1 / 255  # smallest standard deviation of model or noise that counts, on [0, 1]
BINS = 4096  # of scores on clean images, by which their quantiles are found


@dataclass(frozen=True)
class Detector:
    """Detector of degraded pixels, by values that a model does not expect.

    Parameters
    ----------
    restorer : Restorer
        One that gives standard deviations.
    side : int
        Side of the hidden squares, pixels: wider than dust, narrower than the structures to keep.
    """

    restorer: Restorer
    side: int = 8

    def scores(self, x: Tensor, rng: Rng) -> Tensor:
        """Return how many standard deviations each pixel is off, (1, 1, H, W), the channel that is off most counting.

        Parameters
        ----------
        x : Tensor, (1, C, H, W)
            An image, noisy or not, NaN where it is known to be missing.
        rng : Rng
            With the image's name.
        """
        filled, observed = x.nan_to_num(0.0), x.isfinite()
        o = Observation(filled, observed, (x.shape[1], x.shape[2], x.shape[3]))
        sigma = estimate_sigma(Problem(o, IMAGE))
        found = self._round(o, o.observed, sigma, rng)
        return self._round(o, o.observed & ~dilate(found > SUSPECT, 1), sigma, rng)

    def _round(self, o: Observation, trusted: Tensor, sigma: Tensor, rng: Rng) -> Tensor:
        """Return the scores, (1, 1, H, W), of what was observed, each expected from the `trusted` values around."""
        found, known = torch.zeros_like(o.y[:, :1]), o.observed.all(1, keepdim=True)
        quiet = bool((sigma < MIN_STD).all())
        level = torch.zeros_like(sigma) if quiet else sigma if self.restorer.needs_sigma else None
        for shift, number in product((0, self.side // 2), range(SETS)):  # at a rim, degradation stays visible
            hidden = squares(o.y, self.side, number, shift)
            shown = trusted & ~hidden
            part = replace(o, y=o.y * shown, observed=shown, sigma=level)
            problem = Problem(part, Missing() if quiet else IMAGE)
            restored = per_channel.restore(self.restorer, problem, 0, rng)
            if restored.std is None:
                raise UsageError("detect needs a model that gives standard deviations; choose a generative one")
            off = (o.y - restored.mmse).abs() / (restored.std.clamp_min(MIN_STD) ** 2 + sigma**2).sqrt()
            found = torch.where(hidden & known, torch.maximum(off.amax(1, keepdim=True), found), found)
        return found


def squares(x: Tensor, side: int, number: int, shift: int = 0) -> Tensor:
    """Return True, (1, 1, H, W), in every second square of every second row of squares, of SETS such sets."""
    rows, columns = ((torch.arange(size, device=x.device) + shift) // side % 2 for size in x.shape[2:])
    return (2 * rows[:, None] + columns[None] == number)[None, None]


class Quantiles:
    """Counts scores of clean images in bins that are even in their logarithm."""

    def __init__(self) -> None:
        self._edges = torch.logspace(-2, 4, BINS + 1)
        self._counts = torch.zeros(BINS + 2, dtype=torch.float64)

    def add(self, scores: Tensor) -> None:
        """Count the scores of an image."""
        self._counts += torch.bincount(torch.bucketize(scores.flatten().cpu(), self._edges), minlength=BINS + 2)

    def threshold(self, rate: float) -> float:
        """Return the least edge above which at most a share `rate` of what was counted lies."""
        above = self._counts.flip(0).cumsum(0).flip(0)  # in this bin or further up
        share = above / self._counts.sum().clamp_min(1)
        fine = (share[1:] <= rate).nonzero()
        if not len(fine):
            raise UsageError(f"no threshold keeps {rate:g} of clean pixels; give clean images without outliers")
        return float(self._edges[min(int(fine[0]), BINS)])


def calibrated(detector: Detector, clean: Iterable[tuple[str, Tensor]], rate: float, seed: int) -> tuple[float, float]:
    """Return the threshold that flags a share `rate` of clean pixels, and the share it flags on others.

    Parameters
    ----------
    detector : Detector
        Detector of degraded pixels, by values that a model does not expect.
    clean : iterable of (str, Tensor)
        Names and clean images, (1, C, H, W), at least two: every other one sets the threshold, the rest check it.
    rate : float
        Share of pixels.
    seed : int
        Of the draws of a model that has no estimate in one pass.
    """
    quantiles, others = Quantiles(), list[Tensor]()
    for i, (name, x) in enumerate(clean):
        found = detector.scores(x, Rng(seed, (name,)))
        if i % 2:
            others.append(found.flatten().half())
        else:
            quantiles.add(found)
    if not others:
        raise UsageError("detect needs at least two clean images: one sets the threshold, the other checks it")
    threshold = quantiles.threshold(rate)
    return threshold, float((torch.cat(others).float() > threshold).float().mean())


def dilate(mask: Tensor, pixels: int) -> Tensor:
    """Return a mask, (1, 1, H, W), widened by `pixels`, because degraded areas have soft rims."""
    return F.max_pool2d(mask.float(), 2 * pixels + 1, 1, pixels) > 0 if pixels else mask
