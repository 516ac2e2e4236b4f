"""The error of missing values without the truth: hide observed ones, restore, compare.

A hidden value must be as hard to restore as a missing one. Where pixels are missing one by one, single ones are hidden.
Where they are missing in lines or holes, the gaps themselves are laid over places that were observed, a large one
undivided, because values deep in a hole are far harder than values at its edge. The restorer's own standard deviation,
if it has one, corrects the remaining difference: the mean squared error of the missing values is their mean variance
times the ratio of squared error and variance among the hidden ones. Only that ratio is used, not the standard deviation
itself.

References
----------
Cochran, "Sampling Techniques", 3rd edition 1977, chapter 6: ratio estimates.
Batson, Royer, "Noise2Self: Blind Denoising by Self-Supervision", ICML 2019: noise of a value that is hidden has nothing
to do with what it is restored to, so that the squared difference is the squared error plus the noise's variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core import channels as per_channel
from restorekit.core.distributions import HALF, LEVEL
from restorekit.core.interpolation import fill
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration
from restorekit.uncertainty.conditions import distances
from restorekit.uncertainty.intervals import enclose
from restorekit.uncertainty.selfcheck.case import Case
from restorekit.uncertainty.selfcheck.jackknife import block_sums, jackknife, spread_of

PASSES = 4  # at most, and where pixels are missing in lines or holes
ENOUGH = 0.1  # passes end once the standard error is so small a part of the error, 0.4 dB
FEWEST = 50  # hidden values, all passes together, that an estimate needs
SHALLOW = 0.5  # of the missing values' mean distance from observed ones; hidden ones that are nearer tell nothing
ERROR, FILLED, VARIANCE, INSIDE, DISTANCE, COUNT = range(6)  # what is summed up of hidden values


class HeldOutEstimate(NamedTuple):
    """Estimate of a metric of the missing values from hidden ones, and its standard error."""

    value: float
    error: float


class Hidden(NamedTuple):
    """Error of the missing values, estimated by hiding observed ones.

    mse : HeldOutEstimate, their mean squared error on [0, 1] squared;
    filled : HeldOutEstimate, that of a quick interpolation instead;
    worse : HeldOutEstimate, mse - filled;
    coverage : HeldOutEstimate or None, share of them in the 90 % interval;
    values : int, that were hidden;
    expected : float, mean square that the restorer itself expects of the missing ones, NaN where it tells none.
    """

    mse: HeldOutEstimate
    filled: HeldOutEstimate
    worse: HeldOutEstimate
    coverage: HeldOutEstimate | None
    values: int
    expected: float


def measure(case: Case, base: Restoration) -> Hidden | str:
    """Hide, restore and compare, as often as it takes.

    Parameters
    ----------
    case : Case
        Some values are missing; the noise of the others is of known level, or none.
    base : Restoration
        What the restorer makes of it.

    Returns
    -------
    Hidden, or str
        The estimate, or the reason why there is none.
    """
    tally = _Tally(case, base)
    while len(tally.passes) < PASSES and not tally.precise:
        hidden = hide(case.observed, case.rng.fork("self-check"), len(tally.passes))
        left = case.observed & ~hidden
        shown = case.changed(case.observation.y, left)
        found = case.restored(shown)
        error, filled = (case.squared(x) - case.sigma.square() for x in (found.mmse, fill(shown.y, left)))
        variance = torch.ones_like(error) if found.std is None else found.std.square()
        inside = torch.zeros_like(error) if found.std is None else _inside(case, shown, found)
        fields = error, filled, variance, inside, _distances(left), torch.ones_like(error)
        tally.passes.append(block_sums(torch.stack(fields) * hidden))
    return tally.refusal or tally.hidden()


class _Tally:
    """Sums over blocks of the image of what was found at hidden values, (6, blocks) for each pass."""

    def __init__(self, case: Case, base: Restoration) -> None:
        missing = ~case.observed
        self.passes: list[Tensor] = []
        self.case, self.missing = case, int(missing.sum())
        self.together = connected(pattern_of(case.observed))
        self.variance = mean_variance(base, missing)
        self.distance = float(_distances(case.observed)[missing].mean())

    @property
    def values(self) -> int:
        """Number of hidden values."""
        return int(sum(sums[COUNT].sum() for sums in self.passes))

    @property
    def precise(self) -> bool:
        """Whether another pass would not be worth it."""
        if self.together or not self.passes:
            return False
        mse, error = self.of(ERROR)
        return error <= ENOUGH * mse  # not so where either is NaN

    @property
    def refusal(self) -> str:
        """Reason why there is no estimate; empty if there is one."""
        if self.values < FEWEST or not math.isfinite(self.of(ERROR).error):
            return f"fewer than {FEWEST} values could be hidden in several places, too few for an estimate"
        near = self._estimate(lambda s: s[DISTANCE] / s[COUNT]).value
        if near > SHALLOW * self.distance:
            return ""
        far = f"missing values lie {self.distance:.0f} pixels from the nearest observed one on average"
        return f"{far}, those that could be hidden {near:.0f}"

    def hidden(self) -> Hidden:
        """Return what was found."""
        exact = not math.isnan(self.variance) and not self.case.noisy
        coverage = self._estimate(lambda s: s[INSIDE] / s[COUNT]) if exact else None
        errors = self.of(ERROR), self.of(FILLED), self.of(ERROR, FILLED)
        return Hidden(*errors, coverage, self.values, self.variance)

    def of(self, row: int, less: int | None = None) -> HeldOutEstimate:
        """Return a mean square of the missing values, less another."""
        return self._estimate(lambda s: self._ratio(s[row] if less is None else s[row] - s[less], s))

    def _ratio(self, of: Tensor, sums: Tensor) -> Tensor:
        if math.isnan(self.variance) or not bool((sums[VARIANCE] > 0).all()):
            return of / sums[COUNT]
        return self.variance * of / sums[VARIANCE]

    def _estimate(self, statistic: Callable[[Tensor], Tensor]) -> HeldOutEstimate:
        """Return a statistic of all passes; its error includes the sampling error of these missing values.

        Errors of values in one gap are correlated, so passes, and not blocks, are independent there.
        """
        value, error = jackknife(statistic, torch.stack(self.passes).sum(0))
        if self.together:
            error = spread_of(statistic(torch.stack([sums.sum(1) for sums in self.passes], 1)))
        return HeldOutEstimate(value, error * math.sqrt(1 + self.values / self.missing))


def mean_variance(found: Restoration, where: Tensor) -> float:
    """Return the mean square of the standard deviation at some values; NaN where a restorer tells none."""
    return math.nan if found.std is None else float(found.std[where].double().square().mean())


def _distances(observed: Tensor) -> Tensor:
    """Return the distance of every value to the nearest observed one, computed once if all channels share it."""
    return distances(pattern_of(observed)).expand_as(observed)


def _inside(case: Case, shown: Observation, found: Restoration) -> Tensor:
    """Return which values lie in the 90 % interval, calibrated if it can be, else as if Gaussian."""
    assert found.std is not None
    half = HALF * found.std
    if case.table is not None:
        together = per_channel.channels_per_pass(case.restorer, shown.shape[0])
        problem = replace(case.problem, observation=shown)
        enclosed, _ = enclose(found, problem, together, case.table, LEVEL)
        assert enclosed.high is not None
        half = torch.where(enclosed.high.isnan(), half, enclosed.high - found.mmse)
    return ((case.observation.y - found.mmse).abs() <= half).float()


SHARE = 0.02  # of the observed values that are hidden at a time; large gaps are copied completely
MAX_HIDDEN_SHARE = 0.3  # of the observed values that such a copy may hide, so that enough is left to restore it
COPIES = 16  # of small gaps, at most
TRIES = 8  # places for a copy, of which that with the fewest gaps close by is taken
MARGIN_PX = 8  # distance that counts as close by: two gaps that touch are one larger one
CONNECTED = 0.1  # by how much the share of observed neighbours is less around missing than around observed pixels
REACH = 5  # pixels a side of that neighbourhood


def pattern_of(observed: Tensor) -> Tensor:
    """Return where pixels were observed, (B, 1, H, W), if all channels are missing together; else as it is."""
    return observed[:, :1] if bool((observed == observed[:, :1]).all()) else observed


def connected(pattern: Tensor) -> bool:
    """Return whether missing pixels, in bool (B, C, H, W), lie together, as lines and holes do.

    Of pixels that are lost independently of one another, missing and observed ones have as many observed neighbours.
    """
    values = pattern.float()
    neighbours, room = (F.avg_pool2d(t, REACH, 1, REACH // 2) * REACH**2 - t for t in (values, torch.ones_like(values)))
    share = neighbours / room
    return bool(share[pattern].mean() - share[~pattern].mean() > CONNECTED)


def hide(observed: Tensor, rng: Rng, number: int) -> Tensor:
    """Choose observed values to hide; another number gives others.

    Parameters
    ----------
    observed : Tensor of bool, (B, C, H, W)
        Some are missing.
    rng : Rng
        Decides.
    number : int
        From 0 on.

    Returns
    -------
    Tensor of bool, (B, C, H, W)
        Complete pixels if all channels are missing together.
    """
    pattern = pattern_of(observed)
    if not connected(pattern):
        u = rng.uniform("hidden", tuple(pattern.shape), pattern.device)
        hidden = pattern & (u >= number * SHARE) & (u < (number + 1) * SHARE)
        return hidden.expand_as(observed)
    images = [_copied(pattern[i : i + 1], rng.take([i]).fork(f"copies{number}")) for i in range(len(pattern))]
    return torch.cat(images).expand_as(observed)


def _copied(pattern: Tensor, rng: Rng) -> Tensor:
    """Lay copies of one image's gaps, (1, C, H, W), over what was observed, until they hide the share."""
    hidden, wanted = torch.zeros_like(pattern), SHARE * int(pattern.sum())
    for copy in range(COPIES):
        hidden = hidden | (_best(pattern, hidden, rng.fork(f"copy{copy}")) & pattern)
        if int(hidden.sum()) >= wanted:
            break
    # At most the largest share stays hidden: that of the rows from a random one on.
    start = int(rng.uniform("row", (1, 1), "cpu") * hidden.shape[2])
    rolled = hidden.roll(-start, 2)
    kept = rolled.sum((0, 1, 3)).cumsum(0) <= MAX_HIDDEN_SHARE * int(pattern.sum())
    return (rolled & kept[None, None, :, None]).roll(start, 2)


def _best(pattern: Tensor, hidden: Tensor, rng: Rng) -> Tensor:
    """Return the gaps, shifted to where they have the fewest of their like close by."""
    gaps, side = ~pattern, 2 * MARGIN_PX + 1
    # What lies close to a gap, by rows and then by columns, which is quicker than by squares.
    rows = F.max_pool2d((hidden | gaps).float(), (1, side), 1, (0, MARGIN_PX))
    near = F.max_pool2d(rows, (side, 1), 1, (MARGIN_PX, 0)) > 0
    places = list[Tensor]()
    for t in range(TRIES):
        way = rng.fork(f"try{t}").uniform("way", (1, 2), "cpu")[0] * torch.tensor(gaps.shape[2:])
        places.append(gaps.roll(tuple(way.int().tolist()), (2, 3)))  # around the borders of the image
    return min(places, key=lambda moved: int((moved & near).sum()))
