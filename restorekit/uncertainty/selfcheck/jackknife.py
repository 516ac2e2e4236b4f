"""Standard errors of statistics of sums over an image with spatially correlated errors.

References
----------
Kunsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 1989: leave out
blocks rather than values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.stats import t as student
from torch import Tensor
from torch.nn import functional as F

BLOCKS = 64  # blocks that are left out in turn, about
MIN_BLOCK_PX = 8  # smallest side of a block: errors at larger distances are nearly uncorrelated


def block_sums(fields: Tensor) -> Tensor:
    """Return the sums of fields, (Q, B, C, H, W), over blocks of the image: (Q, blocks), double."""
    _, count, _, height, width = fields.shape
    side = max(MIN_BLOCK_PX, math.ceil(math.sqrt(count * height * width / BLOCKS)))
    planes = fields.double().sum(2)
    return F.avg_pool2d(planes, min(side, max(height, width)), ceil_mode=True, divisor_override=1).flatten(1)


def jackknife(statistic: Callable[[Tensor], Tensor], sums: Tensor) -> tuple[float, float]:
    """Return a statistic of the sums over all blocks, and its standard error.

    Parameters
    ----------
    statistic : callable
        Maps sums, (Q, ...), to values of it, (...).
    sums : Tensor, (Q, blocks)
        The last row counts the values in each block; blocks of none do not matter.

    Returns
    -------
    (float, float)
        The error is NaN where fewer than two blocks have values.
    """
    held = sums[:, sums[-1] > 0]
    count, total = held.shape[1], held.sum(1)
    if count < 2:
        return float(statistic(total)), math.nan
    left = statistic(total[:, None] - held)
    error = (count - 1) / count * (left - left.mean()).square().sum()
    return float(statistic(total)), float(error.sqrt())


def spread_of(values: Tensor) -> float:
    """Return the standard error of the mean of independent values, (N,), so that twice that is a 95 % interval.

    NaN of a single one; of few, more than the formula for many, by Student's t.
    """
    few = float(student.ppf(0.975, max(len(values) - 1, 1))) / 2
    return few * float(values.std() / len(values) ** 0.5) if len(values) > 1 else math.nan
