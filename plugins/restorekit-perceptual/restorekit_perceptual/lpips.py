"""Learned perceptual image patch similarity, with weights already on the disk; nothing is downloaded.

Reference
---------
Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018: equation 1, AlexNet, linear weights of version 0.1.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit import Metric, Observation, Restoration, UndefinedMetricError
from restorekit_perceptual.weights import CONVOLUTIONS, Weights, installed

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of red, green and blue on [-1, 1]
MIN_SIDE_PX = 31  # so that something remains after two poolings
TINY = 1e-10  # added to the length of features, which may be 0


class LPIPS(Metric):
    """Distance of deep features (AlexNet), weighted by human judgements; 0 for identical images.

    As Zhang et al. (CVPR 2018). The weights are in the file that RESTOREKIT_LPIPS names, or in those of torchvision and
    the package lpips; without them there is no value, and the reason explains it. Gray counts as RGB.
    """

    name: ClassVar[str] = "lpips"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the distance."""
        channels, height, width = reference.shape[1:]
        if channels not in (1, 3):
            raise UndefinedMetricError(f"expected gray or RGB images, got {channels} channels")
        if min(height, width) < MIN_SIDE_PX:
            raise UndefinedMetricError(
                f"expected images of at least {MIN_SIDE_PX} pixels a side, got {width} x {height}"
            )
        return float(lpips(restoration.mmse, reference, installed()))


@torch.inference_mode()
def lpips(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Return the distance of two images, (B, 1 or 3, H, W) on [0, 1]: (B,)."""
    features = (_features(x.expand(-1, 3, -1, -1), weights) for x in (a, b))
    layers = zip(*features, weights.linear, strict=True)
    return torch.stack([_distance(f, g, w.to(f)) for f, g, w in layers]).sum(0)


def _features(x: Tensor, weights: Weights) -> list[Tensor]:
    """Return the features of the five convolutions of AlexNet, each (B, C, h, w)."""
    shift, scale = (x.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
    x, found = (2 * x - 1 - shift) / scale, list[Tensor]()
    for layer, (kernel, bias) in zip(CONVOLUTIONS, weights.convolutions, strict=True):
        x = F.max_pool2d(x, 3, 2) if layer.pooled else x
        x = F.conv2d(x, kernel.to(x), bias.to(x), layer.stride, layer.padding).relu()
        found.append(x)
    return found


def _distance(f: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    """Return the mean over pixels of the weighted squared difference of unit features, (B,)."""
    f, g = (t / (t.square().sum(1, keepdim=True).sqrt() + TINY) for t in (f, g))
    return ((f - g).square() * weight.view(1, -1, 1, 1)).sum(1).mean((1, 2))
