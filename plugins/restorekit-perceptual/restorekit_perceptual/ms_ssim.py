"""Multi-scale structural similarity.

Reference
---------
Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003: equation 7
with the exponents of section 4.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit import Metric, Observation, Restoration, UndefinedMetricError

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of each scale, the finest first
WINDOW, SIGMA = 11, 1.5  # pixels a side of the Gaussian window, and its standard deviation
C1, C2 = 0.01**2, 0.03**2  # of a data range of 1
MIN_SIDE_PX = (WINDOW - 1) * 2 ** (len(EXPONENTS) - 1) + 1  # so that the window fits the coarsest scale


class MSSSIM(Metric):
    """Structural similarity over five scales, from 1 pixel to 16; 1 for identical images; mean over channels.

    As Wang, Simoncelli, Bovik (Asilomar 2003): Gaussian window of 11 x 11 pixels, sigma 1.5, at positions inside the
    image; K1 = 0.01, K2 = 0.03, data range 1; halved by the mean of 2 x 2 pixels. A scale with opposite
    structures counts as 0, because its power would not be real. Undefined for images too small for five scales.
    """

    name: ClassVar[str] = "ms_ssim"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the mean over channels."""
        height, width = reference.shape[-2:]
        if min(height, width) < MIN_SIDE_PX:
            raise UndefinedMetricError(
                f"expected images for five scales, of at least {MIN_SIDE_PX} pixels a side, got {width} x {height}"
            )
        return float(ms_ssim(restoration.mmse.double(), reference.double()).mean())


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the index of each channel of two images, (B, C, H, W) on [0, 1]: (B, C)."""
    found = a.new_ones(a.shape[:2])
    for scale, exponent in enumerate(EXPONENTS):
        similarity, structure = _similarity(a, b)
        last = scale == len(EXPONENTS) - 1
        found = found * (similarity if last else structure).clamp_min(0) ** exponent
        a, b = _halved(a), _halved(b)
    return found


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return SSIM, and its factor of contrast and structure, (B, C)."""
    mu_a, mu_b = _mean(a), _mean(b)
    var_a, var_b, cov = _mean(a * a) - mu_a**2, _mean(b * b) - mu_b**2, _mean(a * b) - mu_a * mu_b
    structure = (2 * cov + C2) / (var_a + var_b + C2)
    luminance = (2 * mu_a * mu_b + C1) / (mu_a**2 + mu_b**2 + C1)
    return (luminance * structure).mean((2, 3)), structure.mean((2, 3))


def _mean(x: Tensor) -> Tensor:
    """Return the mean in the window around every pixel at which it fits, (B, C, H - 10, W - 10)."""
    at = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weight = torch.exp(-(at**2) / (2 * SIGMA**2))
    weight = (weight / weight.sum()).expand(x.shape[1], 1, 1, WINDOW)
    rows = F.conv2d(x, weight, groups=x.shape[1])
    return F.conv2d(rows, weight.transpose(2, 3), groups=x.shape[1])


def _halved(x: Tensor) -> Tensor:
    """Return the means of 2 x 2 pixels; the last row or column of an odd size counts twice."""
    height, width = x.shape[-2:]
    return F.avg_pool2d(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
