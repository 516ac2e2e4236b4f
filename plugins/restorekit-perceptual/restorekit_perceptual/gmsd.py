"""Gradient magnitude similarity deviation.

Reference
---------
Xue, Zhang, Mou, Bovik, "Gradient Magnitude Similarity Deviation: A Highly Efficient Perceptual Image Quality Index",
IEEE Transactions on Image Processing 23, 2014: equations 1 to 6.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit import Metric, Observation, Restoration, UndefinedMetricError

CONSTANT = 170 / 255**2  # the c of equation 4, of images on [0, 1]
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue
MIN_SIDE_PX = 4  # so that there are gradients with a deviation


class GMSD(Metric):
    """Deviation of gradient similarity: 0 for identical images, larger for worse ones; colours count by luma.

    As Xue, Zhang, Mou, Bovik (IEEE TIP 2014): halved by the mean of 2 x 2 pixels, Prewitt gradients (divided by 3),
    c = 170 for 255, the standard deviation of their similarity over pixels. Beyond the image all values are 0, as in
    the authors' program.
    """

    name: ClassVar[str] = "gmsd"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the deviation."""
        channels, height, width = reference.shape[1:]
        if channels not in (1, 3):
            raise UndefinedMetricError(f"expected gray or RGB images, got {channels} channels")
        if min(height, width) < MIN_SIDE_PX:
            raise UndefinedMetricError(
                f"expected images of at least {MIN_SIDE_PX} pixels a side, got {width} x {height}"
            )
        return float(gmsd(restoration.mmse.double(), reference.double()))


def gmsd(a: Tensor, b: Tensor) -> Tensor:
    """Return the deviation of two images, (B, 1 or 3, H, W) on [0, 1]: (B,)."""
    m, n = _gradients(_luma(a)), _gradients(_luma(b))
    similarity = (2 * m * n + CONSTANT) / (m**2 + n**2 + CONSTANT)
    return similarity.flatten(1).std(1)


def _luma(x: Tensor) -> Tensor:
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True) if x.shape[1] == 3 else x


def _gradients(y: Tensor) -> Tensor:
    """Return gradient magnitudes of luma, (B, 1, H, W), at half of its size, (B, 1, ceil(H / 2), ceil(W / 2))."""
    half = F.avg_pool2d(F.pad(y, (0, y.shape[3] % 2, 0, y.shape[2] % 2)), 2)
    ramp = torch.tensor([-1.0, 0.0, 1.0], dtype=y.dtype, device=y.device) / 3
    kernel = ramp.expand(3, 3)
    across, down = (F.conv2d(half, k[None, None], padding=1) for k in (kernel, kernel.T))
    return (across**2 + down**2).sqrt()
