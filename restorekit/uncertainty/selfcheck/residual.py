"""Statistics of the residual: whether what was removed looks like noise.

References
----------
Ljung, Box, "On a Measure of Lack of Fit in Time Series Models", Biometrika 1978: one statistic of many correlations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

LAGS = tuple((v, h) for v in range(3) for h in range(-2, 3) if (v, h) > (0, 0))  # half of a 5 x 5 neighbourhood
SQUARE = 8  # pixels a side of the squares whose residuals and structure are compared
FEWEST = 16  # of them
COARSE, FINE = 0.1, -0.25  # correlations of neighbours beyond which a residual is coarser, or finer, than white noise
DRAWN = 0.25  # rank correlation with the gradient from which on a residual holds structure of the image
SURE_OF_IT = 3.0  # standard errors that they are off 0 then


@dataclass(frozen=True)
class Residual:
    """Statistics of what was removed, over the observed values.

    Attributes
    ----------
    std : float
        Standard deviation on [0, 1].
    neighbours : float
        Correlation of a value with its right and its lower neighbour: 0 for white noise.
    highest, lowest : float
        Extremes of the correlations of values within two pixels.
    whiteness_z : float
        Standard errors by which the correlations within two pixels together exceed those of white noise.
    structure : float or None
        Rank correlation, over squares of 8 x 8 pixels, of the residual's energy with the gradient of the restoration:
        0 for noise that is the same everywhere; None if there are too few squares.
    structure_z : float or None
        The same in standard errors.
    """

    std: float
    neighbours: float
    highest: float
    lowest: float
    whiteness_z: float
    structure: float | None
    structure_z: float | None

    @property
    def white(self) -> bool:
        """Whether values close by have next to nothing in common, as in white noise."""
        return (self.lowest > FINE and self.highest < COARSE) or self.whiteness_z < SURE_OF_IT

    @property
    def structured(self) -> bool:
        """Whether more was removed where the image has structure."""
        found = self.structure is not None and self.structure_z is not None
        return found and self.structure > DRAWN and self.structure_z > SURE_OF_IT  # type: ignore[operator]


def removed(y: Tensor, observed: Tensor, restored: Tensor) -> Tensor:
    """Return what was taken away, y less the restoration, (B, C, H, W), 0 where nothing was observed."""
    return torch.where(observed, y - restored, 0.0)


def statistics_of(y: Tensor, observed: Tensor, restored: Tensor) -> Residual:
    """Return statistics of what was taken away from images, (B, C, H, W), of which something was observed."""
    residual = removed(y, observed, restored).double()
    count = observed.flatten(2).sum(2).clamp_min(1)[..., None, None]
    centred = torch.where(observed, residual - residual.sum((2, 3), keepdim=True) / count, 0.0)
    power = float(centred.square().sum() / observed.sum())
    pairs = {lag: _correlation(centred, observed, lag, power) for lag in LAGS}
    z = sum(r * r * n for r, n in pairs.values()) - len(LAGS)
    near = [r for r, _ in pairs.values()]
    neighbours, white = (pairs[0, 1][0] + pairs[1, 0][0]) / 2, z / math.sqrt(2 * len(LAGS))
    structure = _structure(centred, observed, restored)
    return Residual(math.sqrt(power), neighbours, max(near), min(near), white, *structure)


def _correlation(centred: Tensor, observed: Tensor, lag: tuple[int, int], power: float) -> tuple[float, int]:
    """Return the correlation of values at a distance of `lag`, and the number of pairs."""
    (down, right), (height, width) = lag, centred.shape[2:]
    one = (..., slice(height - down), slice(max(0, -right), width - max(0, right)))
    other = (..., slice(down, None), slice(max(0, right), width - max(0, -right)))
    product, both = (t[one] * t[other] for t in (centred, observed))
    count = int(both.sum())
    return (float(product.sum()) / (count * power) if count and power else 0.0), count


def _structure(centred: Tensor, observed: Tensor, restored: Tensor) -> tuple[float | None, float | None]:
    """Return the rank correlation of residual and gradient among squares that were mostly observed, and its z."""
    if min(restored.shape[2:]) < SQUARE:
        return None, None
    # The squared length of the gradient, by differences of neighbours.
    x = F.pad(restored.double(), (0, 1, 0, 1), mode="replicate")
    down, right = x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]
    fields = observed.double(), centred.square(), down.square() + right.square()
    share, energy, slope = (F.avg_pool2d(t, SQUARE).mean(1) for t in fields)
    mostly = share > 0.5
    if int(mostly.sum()) < FEWEST:
        return None, None
    power, steep = (energy / share)[mostly], slope[mostly]
    if any(float(t.max()) == float(t.min()) for t in (power, steep)):
        return 0.0, 0.0
    found = float(spearmanr(power.numpy(), steep.numpy()).statistic)
    return found, found * math.sqrt(len(power) - 1)
