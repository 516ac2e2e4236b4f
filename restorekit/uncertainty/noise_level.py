"""Estimates of the noise level of an image.

Noise in the flattest parts of an image: its level, and whether that is the same in dark and in bright ones.

`estimate_sigma` takes texture for noise, which an estimate of the error cannot bear: of noise of
15/255 on photographs its variance is off by a fifth, as much as what is left of the noise after a good restoration.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import estimate_sigma as estimate_by_wavelets
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.interpolation import fill
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Gaussian, Missing

ERROR = 0.05  # relative standard error of `estimate_sigma` on photographs
IMAGE = Chain((Gaussian(), Missing()))  # what an image is taken for where nothing else is said


def estimate_sigma(problem: Problem) -> Tensor:
    """Estimate the standard deviation of white Gaussian noise with scikit-image.

    Parameters
    ----------
    problem : Problem
        Missing values are interpolated first, which makes the estimate too low if many are missing.

    Returns
    -------
    Tensor, (B, 1, 1, 1), on [0, 1]
    """
    observation = problem.observation
    same = observation.y.shape[1:] == observation.shape  # an enlarged image has smoother noise than its observation
    filled = problem.initial_estimate() if same else fill(observation.y, observation.observed)
    images = filled.movedim(1, -1).cpu().numpy()
    levels = torch.tensor([noise_level(image) for image in images])
    return levels.to(observation.y).view(-1, 1, 1, 1)


def noise_level(image: NDArray[np.float64]) -> float:
    """Estimate the standard deviation of the white Gaussian noise in an image from its finest wavelets.

    Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994, section 4.3.
    """
    if min(image.shape[:2]) < 2:
        return 0.0
    # coefficients that are exactly 0 do not count there, so a flat channel would give NaN
    uneven = image[..., np.ptp(image, axis=(0, 1)) > 0]
    if not uneven.shape[-1]:
        return 0.0
    sigma = estimate_by_wavelets(uneven, average_sigmas=True, channel_axis=-1)  # type: ignore[no-untyped-call]  # no types there
    return float(np.nan_to_num(sigma))


SIDE = 32  # pixels of a square
FLATTEST = 0.1  # share of the squares that have less in them than what is taken for the level
HELD = 0.25  # share of a square's values that must tell something
CUT = (
    0.01  # share of its observed values that may be cut off at an end of the range, which makes the others seem quieter
)
FEWEST = 16  # squares: among fewer the flattest are too quiet
TEXTURE = (
    0.4 / 255
)  # that even the flattest squares of photographs add: mean over 40 of BSDS500 train, at 5 to 50 / 255
ERROR_8BIT = 0.5 / 255  # standard error of the level then, on the same
CHANCE = 0.07  # and its share of the level, of one square of nothing but noise; of N of them, less by the root of N
UNEVEN = (
    2.0  # ratio of variances in dark and bright parts: white noise of 15/255 on them has 1.6 at most, W2S 4 and more
)


class NoiseLevel(NamedTuple):
    """The standard deviation of white noise, on [0, 1], and its standard error."""

    sigma: float
    error: float


class _Squares(NamedTuple):
    """Median size of a Laplacian (as in `conditions.coarseness`) and mean of each square that has both, (N,)."""

    size: Tensor
    brightness: Tensor

    @property
    def flattest(self) -> float:
        """The size that FLATTEST of them are below."""
        return float(self.size.quantile(FLATTEST))


def level(y: Tensor, observed: Tensor, cut_off: Tensor) -> NoiseLevel | None:
    """Return the level of the white noise in one image; None if too few squares measure it.

    Parameters
    ----------
    y : Tensor, (C, H, W)
        Values.
    observed : Tensor of bool, (C, H, W)
        True where a value was observed.
    cut_off : Tensor of bool, (C, H, W)
        Those of them that are an end of the range, to which noise beyond was cut.
    """
    noise = Rng(0, ("level",)).normal("pure", (1, *y.shape), "cpu")[0]  # of level 1: corrects for choosing the flattest
    found, pure = (_squares(t, observed, cut_off) for t in (y, noise))
    if found is None or pure is None or not pure.flattest:
        return None
    sigma = found.flattest / pure.flattest - TEXTURE
    return NoiseLevel(sigma, math.hypot(ERROR_8BIT, CHANCE * sigma / len(found.size) ** 0.5)) if sigma > 0 else None


def unevenness(y: Tensor, observed: Tensor, cut_off: Tensor) -> float:
    """Return the ratio of the noise's variance in the brightest third of an image to that in the darkest.

    Takes what `level` does; 1 where too little tells of it.
    """
    found = _squares(y, observed, cut_off)
    if found is None:
        return 1.0
    order, third = found.brightness.argsort(), len(found.size) // 3
    dark, bright = (float(found.size[part].quantile(FLATTEST)) for part in (order[:third], order[-third:]))
    return (bright / dark) ** 2 if dark > 0 and bright > 0 else 1.0


def _squares(y: Tensor, observed: Tensor, cut_off: Tensor) -> _Squares | None:
    """Look at every square; None where fewer than FEWEST tell something."""
    if min(y.shape[1:]) < SIDE + 2:
        return None
    size = F.conv2d(y[:, None], LAPLACIAN[None, None].to(y))[:, 0].abs()
    full = F.avg_pool2d((observed & ~cut_off)[:, None].float(), 3, 1)[:, 0] > 1 - 1e-4
    sizes, values = (_cut(torch.where(full, t, torch.nan)) for t in (size, y[:, 1:-1, 1:-1]))
    observed_count, lost = (_cut(t[:, 1:-1, 1:-1].float()).sum(1) for t in (observed, cut_off))
    held = (sizes.isfinite().float().mean(1) >= HELD) & (lost <= CUT * observed_count)
    if int(held.sum()) < FEWEST:
        return None
    return _Squares(sizes[held].nanmedian(1).values, values[held].nanmean(1))


def _cut(t: Tensor) -> Tensor:
    """Cut (C, H, W) into full squares, (N, values), all channels of a place together."""
    rows, columns = t.shape[1] // SIDE, t.shape[2] // SIDE
    cut = t[:, : rows * SIDE, : columns * SIDE].reshape(len(t), rows, SIDE, columns, SIDE)
    return cut.permute(1, 3, 0, 2, 4).reshape(rows * columns, -1)


LAPLACIAN = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
