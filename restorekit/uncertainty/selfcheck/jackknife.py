"""Standard errors of figures that are made of sums over an image, whose errors go together in neighbourhoods.

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

BLOCKS = 64  # that are left out in turn, about
LEAST = 8  # pixels a side of a block: errors further apart have little in common


def block_sums(fields: Tensor) -> Tensor:
    """Return the sums of fields, (Q, B, C, H, W), over blocks of the image: (Q, blocks), double."""
    _, count, _, height, width = fields.shape
    side = max(LEAST, math.ceil(math.sqrt(count * height * width / BLOCKS)))
    planes = fields.double().sum(2)
    return F.avg_pool2d(planes, min(side, max(height, width)), ceil_mode=True, divisor_override=1).flatten(1)


def jackknife(figure: Callable[[Tensor], Tensor], sums: Tensor) -> tuple[float, float]:
    """Return a figure of the sums over all blocks, and its standard error.

    Parameters
    ----------
    figure : callable
        Maps sums, (Q, ...), to figures, (...).
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
        return float(figure(total)), math.nan
    left = figure(total[:, None] - held)
    error = (count - 1) / count * (left - left.mean()).square().sum()
    return float(figure(total)), float(error.sqrt())


def spread_of(values: Tensor) -> float:
    """Return the standard error of the mean of independent values, (N,), so that twice that is a 95 % interval.

    NaN of a single one; of few, more than the formula for many, by Student's t.
    """
    few = float(student.ppf(0.975, max(len(values) - 1, 1))) / 2
    return few * float(values.std() / len(values) ** 0.5) if len(values) > 1 else math.nan
