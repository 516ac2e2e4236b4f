"""The error of a denoised image without the clean one: Stein's unbiased risk estimate, by Monte Carlo.

References
----------
Stein, "Estimation of the Mean of a Multivariate Normal Distribution", Annals of Statistics 1981.
Ramani, Blu, Unser, "Monte-Carlo SURE: A Black-Box Optimization of Regularization Parameters for General Denoising
Algorithms", IEEE TIP 2008: its divergence by a random probe, here of signs.
Bellec, Zhang, "Second-Order Stein: SURE for SURE and Other Applications in High-Dimensional Inference", Annals of
Statistics 2021: how far the estimate lies from the loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from restorekit.core.types import Restoration
from restorekit.uncertainty.selfcheck.case import Case

STEP = 0.03  # of the probe, in standard deviations of the noise; with signs as probe its error is of second order
PROBES = 4  # at most
ENOUGH = 0.25  # probes end once they add no more than this share to the variance of the rest


class Risk(NamedTuple):
    """Mean squared error of the values that were observed, estimated, and its standard error.

    mse, se : float
        On [0, 1] squared.
    left : float
        What it is if the values are left as they are: the noise, less what was cut off of it.
    slope : float
        Derivative of the estimate with respect to the assumed noise variance.
    between : float
        Standard error for the entire image if these are a few of its crops.
    """

    mse: float
    se: float
    left: float
    slope: float
    between: float


class _Probed(NamedTuple):
    """The Jacobian J of a restorer along one probe b, per image: b'Jb, which is its trace in the mean, and |Jb|^2."""

    trace: Tensor
    power: Tensor


def sure(case: Case, base: Restoration) -> Risk:
    """Estimate the error of the observed values of an image with white Gaussian noise of known level.

    Parameters
    ----------
    case : Case
        Its sigma is above 0.
    base : Restoration
        What the restorer makes of it.
    """
    observed = case.observed
    squared = case.squared(base.mmse) * observed
    cut, residual = _sums(squared - (case.observation.y - base.mmse).square() * observed), _sums(squared)
    values, variance, probes = _sums(observed), case.sigma.double().flatten().square(), list[_Probed]()
    for number in range(PROBES):
        probes.append(_probed(case, base, number))
        own, drawn = _spread(variance, probes, residual, values)
        if bool(drawn <= ENOUGH * own):
            break
    trace, count = torch.stack([p.trace for p in probes]).mean(0), values.sum()
    each = residual - values * variance + 2 * variance * trace
    between = (each / values.clamp_min(1)).std() / len(each) ** 0.5 if len(each) > 1 else 0.0
    sums = each.sum(), (own + drawn).sqrt(), (values * variance - cut).sum(), (2 * trace - values).sum()
    mse, se, left, slope = (float(s / count) for s in sums)
    return Risk(mse, se, left, slope, float(between))


def _probed(case: Case, base: Restoration, number: int) -> _Probed:
    """Move the observed values by a random sign each, and see by how much the restoration moves.

    Values that were cut off at an end of the range stay there when the noise changes a little.
    """
    observed, y, step = case.observed & ~case.cut_off, case.observation.y, STEP * case.sigma
    coin = case.rng.fork("self-check").uniform(f"probe{number}", tuple(y.shape), y.device)
    probe = torch.where(coin < 0.5, -1.0, 1.0) * observed
    moved = case.restored(case.changed(y + step * probe, case.observation.observed))
    along = (moved.mmse - base.mmse) / step * observed
    return _Probed(_sums(probe * along), _sums(along.square()))


def _spread(variance: Tensor, probes: list[_Probed], residual: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances of the sum of squares that come from the noise and from the probes.

    The first has the trace of J^2, for which |Jb|^2 stands, which is as much or more; the second is that of b'Jb for
    random signs, at most.
    """
    power = torch.stack([p.power for p in probes]).mean(0)
    own = 4 * variance * residual + 4 * variance**2 * power - 2 * values * variance**2
    return own.sum().clamp_min(0), (8 * variance**2 * power / len(probes)).sum()


def _sums(t: Tensor) -> Tensor:
    return t.double().flatten(1).sum(1)
