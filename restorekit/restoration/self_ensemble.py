"""Self-ensemble: the mean of the estimates of an image that is flipped and transposed in all ways.

Reference: Lim, Son, Kim, Nah, Lee, "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017,
section 3.4 (there for the estimate; its spread follows from the estimates' own).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from restorekit.core.types import Estimate, Observation

SYMMETRIES = 8  # of a square: numbers whose bits say flip columns (1), flip rows (2), transpose (4)
MIN_SHARE = 0.25  # of the mean variance, below which what the estimates differ by does not take that of their mean


def transformed(t: Tensor, symmetry: int) -> Tensor:
    """Return an image, (..., H, W), transposed and flipped by the bits of a number below SYMMETRIES."""
    flips = [-1] * (symmetry & 1) + [-2] * (symmetry >> 1 & 1)
    return (t.transpose(-1, -2) if symmetry & 4 else t).flip(flips)


def restored(t: Tensor, symmetry: int) -> Tensor:
    """Undo `transformed`."""
    flips = [-1] * (symmetry & 1) + [-2] * (symmetry >> 1 & 1)
    t = t.flip(flips)
    return t.transpose(-1, -2) if symmetry & 4 else t


def self_ensemble(
    estimate: Callable[[Observation], Estimate | None], observation: Observation, count: int = SYMMETRIES
) -> Estimate | None:
    """Return the mean of an observation's estimates under the first `count` symmetries, and the spread around it.

    The error of the mean is smaller than those of the estimates by what these differ: for any x, the mean of
    (x - m_k)^2 is (x - m)^2 + mean of (m_k - m)^2, where m is the mean of the m_k. So is its variance.

    Parameters
    ----------
    estimate : callable
        Returns mean and standard deviation, (B, C, H, W), of an observation that is as large as its image; or None.
    observation : Observation
        Upright, (B, C, H, W).
    count : int
        8, or 4: only flips, where the model accepts one size that is no square.

    Returns
    -------
    Estimate or None
        None where `estimate` is None.
    """
    means, variances = list[Tensor](), list[Tensor]()
    for symmetry in range(count):
        found = estimate(_transformed(observation, symmetry))
        if found is None:
            return None
        means.append(restored(found.mean, symmetry))
        variances += [] if found.std is None else [restored(found.std, symmetry).square()]
    stacked = torch.stack(means)
    mean = stacked.mean(0)
    if not variances:
        return Estimate(mean, None)
    variance = torch.stack(variances).mean(0)
    between = stacked.var(0, correction=0)
    return Estimate(mean, torch.maximum(variance - between, MIN_SHARE * variance).sqrt())


def _transformed(o: Observation, symmetry: int) -> Observation:
    y, observed = transformed(o.y, symmetry), transformed(o.observed, symmetry)
    initial, marks = (None if t is None else transformed(t, symmetry) for t in (o.initial, o.marks))
    return replace(o, y=y, observed=observed, initial=initial, marks=marks, shape=(o.shape[0], *y.shape[2:]))
