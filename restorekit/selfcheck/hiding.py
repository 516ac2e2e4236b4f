"""The error of missing values without the truth: hide observed ones in the same way, restore, compare.

A hidden value must be as hard to restore as a missing one. Where pixels are missing one by one, single ones are hidden.
Where they are missing in lines or holes, pieces of the gaps are laid over places that were observed, so that what is
hidden lies as far from the rest; what remains of the difference, as no piece is as large as a large hole, is made up
for by the restorer's own standard deviation: the mean squared error of the missing values is taken as their mean
variance, times the ratio of squared error and variance among the hidden ones.

References
----------
Cochran, "Sampling Techniques", 3rd edition 1977, chapter 6: ratio estimates.
Batson, Royer, "Noise2Self: Blind Denoising by Self-Supervision", ICML 2019: noise of a value that is hidden has nothing
to do with what it is restored to, so that the squared difference is the squared error plus the noise's variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit import bands
from restorekit.certainty import HALF, LEVEL
from restorekit.enclose import enclose
from restorekit.fill import fill
from restorekit.noise import Noise
from restorekit.selfcheck.blocks import block_sums, jackknife
from restorekit.selfcheck.case import Case
from restorekit.types import Observation, Restoration

SHARE = 0.02  # of the observed values that are hidden at a time
PASSES = 4  # at most
ENOUGH = 0.1  # passes end once the standard error is so small a part of the error, 0.4 dB
FEWEST = 50  # hidden values, all passes together, that tell anything
CONNECTED = 0.1  # by how much the share of observed neighbours is less around missing than around observed pixels
REACH = 5  # pixels a side of that neighbourhood
PIECE = 32  # pixels a side of the pieces of gaps that are laid elsewhere


class Hidden(NamedTuple):
    """What hiding tells of the missing values.

    mse, se : float, their mean squared error on [0, 1] squared, and its standard error;
    filled : float, that of a quick interpolation instead;
    worse, worse_se : float, mse - filled;
    coverage, coverage_se : float or None, share of the hidden values in the 90 % interval;
    values : int, that were hidden.
    """

    mse: float
    se: float
    filled: float
    worse: float
    worse_se: float
    coverage: float | None
    coverage_se: float | None
    values: int


def connected(observed: Tensor) -> bool:
    """Say whether missing pixels, in observed bool (B, C, H, W), lie together, as lines and holes do.

    Of pixels that are lost independently of one another, missing and observed ones have as many observed neighbours.
    """
    seen = observed.float()
    ones = torch.ones_like(seen)
    around, room = (F.avg_pool2d(t, REACH, 1, REACH // 2) * REACH**2 - t for t in (seen, ones))
    share = around / room
    return bool(share[observed].mean() - share[~observed].mean() > CONNECTED)


def hide(observed: Tensor, noise: Noise, number: int) -> Tensor:
    """Choose observed values to hide; another number gives others.

    Parameters
    ----------
    observed : Tensor of bool, (B, C, H, W)
        Some are missing.
    noise : Noise
        Decides.
    number : int
        From 0 on.

    Returns
    -------
    Tensor of bool, (B, C, H, W)
        Whole pixels where all channels are missing together.
    """
    pattern = observed[:, :1] if bool((observed == observed[:, :1]).all()) else observed
    hidden = _pieces(pattern, noise, number) if connected(pattern) else _single(pattern, noise, number)
    return hidden.expand_as(observed)


def _single(pattern: Tensor, noise: Noise, number: int) -> Tensor:
    u = noise.uniform("hidden", tuple(pattern.shape), pattern.device)
    return pattern & (u >= number * SHARE) & (u < (number + 1) * SHARE)


def _pieces(pattern: Tensor, noise: Noise, number: int) -> Tensor:
    """Shift the gaps over the image, and keep of what they cover then so many squares as make up the share."""
    own = noise.fork(f"pieces{number}")
    moved = _rolled(~pattern, own) & pattern
    counts = F.avg_pool2d(moved.float(), PIECE, ceil_mode=True, divisor_override=1).sum(1)
    order = own.uniform("order", (len(pattern), counts[0].numel()), "cpu").argsort(1)
    before = counts.flatten(1).gather(1, order).cumsum(1) - counts.flatten(1).gather(1, order)
    taken = torch.zeros_like(before, dtype=torch.bool)
    taken.scatter_(1, order, before < SHARE * pattern.float().flatten(1).sum(1, keepdim=True))
    squares = taken.view(len(pattern), 1, *counts.shape[1:]).repeat_interleave(PIECE, 2).repeat_interleave(PIECE, 3)
    return moved & squares[..., : pattern.shape[2], : pattern.shape[3]]


def _rolled(gaps: Tensor, noise: Noise) -> Tensor:
    """Shift each image's gaps by a random way, around its borders."""
    size = torch.tensor(gaps.shape[2:])
    ways = (noise.uniform("way", (len(gaps), 2), "cpu") * size).int().tolist()
    return torch.stack([gap.roll(way, (1, 2)) for gap, way in zip(gaps, ways, strict=True)])


def measure(case: Case, base: Restoration) -> Hidden | None:
    """Hide, restore and compare, as often as it takes.

    Parameters
    ----------
    case : Case
        Some values are missing; the noise of the others is of known level, or none.
    base : Restoration
        What the restorer makes of it.

    Returns
    -------
    Hidden, or None where too little was observed to hide some of it.
    """
    missing = ~case.observed
    spread = None if base.std is None else float(base.std[missing].double().square().mean())
    sums = _compared(case, 0, spread)
    for number in range(1, PASSES):
        if _precise(sums, spread):
            break
        sums = sums + _compared(case, number, spread)
    found = _hidden(sums, spread, case)
    return None if found.values < FEWEST or math.isnan(found.se) else found


ERROR, FILLED, SPREAD, INSIDE, COUNT = range(5)  # rows of the sums


def _compared(case: Case, number: int, spread: float | None) -> Tensor:
    """Return sums over blocks of what is found at the values of one pass."""
    hidden = hide(case.observed, case.noise.fork("self-check"), number)
    left = case.observed & ~hidden
    shown = case.changed(case.observation.y, left)
    found, y, variance = case.restored(shown), case.observation.y, _variance(case)
    error = (y - found.mmse).square() - variance
    filled = (y - fill(shown.y, left)).square() - variance
    own = torch.ones_like(y) if spread is None or found.std is None else found.std.square()
    inside = _inside(case, shown, found) if found.std is not None else torch.zeros_like(y)
    return block_sums(torch.stack([error, filled, own, inside, torch.ones_like(y)]) * hidden)


def _inside(case: Case, shown: Observation, found: Restoration) -> Tensor:
    """Say which values lie in the 90 % interval: the calibrated one where it reaches, else as if Gaussian."""
    assert found.std is not None
    half = HALF * found.std
    if case.table is not None:
        together = bands.together(case.restorer, shown.shape[0])
        enclosed, _ = enclose(found, shown, case.corruption, together, case.table, LEVEL)
        assert enclosed.high is not None
        half = torch.where(enclosed.high.isnan(), half, enclosed.high - found.mmse)
    return ((case.observation.y - found.mmse).abs() <= half).float()


def _variance(case: Case) -> Tensor:
    """Return the variance of the noise of observed values, (B, 1, 1, 1)."""
    assert case.observation.sigma is not None
    return case.observation.sigma.square()


def _precise(sums: Tensor, spread: float | None) -> bool:
    mse, se = jackknife(lambda s: _ratio(s[ERROR], s, spread), sums)
    return se <= ENOUGH * mse  # not so where either is NaN


def _ratio(of: Tensor, sums: Tensor, spread: float | None) -> Tensor:
    """Return a squared error of the missing values by the ratio of one and the variance among the hidden ones."""
    if spread is None or not bool((sums[SPREAD] > 0).all()):
        return of / sums[COUNT]
    return spread * of / sums[SPREAD]


def _hidden(sums: Tensor, spread: float | None, case: Case) -> Hidden:
    mse, se = jackknife(lambda s: _ratio(s[ERROR], s, spread), sums)
    worse, worse_se = jackknife(lambda s: _ratio(s[ERROR] - s[FILLED], s, spread), sums)
    exact = spread is not None and bool((_variance(case) == 0).all())
    inside, inside_se = jackknife(lambda s: s[INSIDE] / s[COUNT], sums) if exact else (None, None)
    return Hidden(mse, se, mse - worse, worse, worse_se, inside, inside_se, int(sums[COUNT].sum()))
