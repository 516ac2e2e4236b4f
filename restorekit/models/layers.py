"""Network layers shared by the models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from restorekit.core.rng import Rng


class ResidualBlock(nn.Module):
    """Residual block x + conv(relu(conv(x))); the second convolution starts at zero, so the block as identity.

    Reference: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017, figure 2c
    (no normalisation).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        out: Tensor = x + self.outer(self.inner(x).relu_())
        return out


def stack(width: int, depth: int) -> nn.Sequential:
    """Return `depth` residual blocks."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))


class Up(nn.Module):
    """Upsampling by 2: a 1x1 convolution, then pixel shuffle."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        return nn.functional.pixel_shuffle(self.mix(x), 2)


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 2x2 convolution of stride 2."""
    return nn.Conv2d(inputs, outputs, 2, stride=2)


def halo(encoder: Sequence[int], decoder: Sequence[int]) -> int:
    """Return the distance in pixels beyond which a U-Net's result changes by less than 1e-3.

    It is 3/4 of the receptive field of so many residual blocks at 1/2, 1/4, 1/8 ... of the resolution, on the way down
    and on the way up.
    """
    ends = 2 * 2  # first and last convolution
    blocks = sum(4 * n << i for path in (encoder, decoder) for i, n in enumerate(path))  # two 3x3 convolutions
    crossings = sum(2 << i for i in range(len(encoder)))  # positions within each coarser cell
    return 8 * math.ceil(3 / 32 * (ends + blocks + crossings))


def dropout(x: Tensor, rate: float, rng: Rng, name: str) -> Tensor:
    """Zero values of x, (B, ...), with probability `rate` and scale the rest; random numbers are explicit."""
    if rate == 0:
        return x
    keep = rng.uniform(name, tuple(x.shape), x.device) >= rate
    return torch.where(keep, x / (1 - rate), 0.0)


def embed_labels(label: Tensor | None, table: Tensor, count: int) -> Tensor:
    """Return the row of each image's class in a table, (classes + 1, width): (count, width).

    For probabilities of the classes, (count, classes), in place of numbers it is the mean of rows.
    """
    if label is not None and label.is_floating_point():
        return label.to(table.dtype) @ table[:-1]
    return table[label_rows(label, count, len(table) - 1, table.device)]


def label_rows(label: Tensor | None, count: int, classes: int, device: torch.device) -> Tensor:
    """Return each image's row, (count,) int64, in a table of `classes` + 1: the last one for an unknown class.

    A class out of range gets a row beyond the table, so that reading the table raises an error.
    """
    if label is None:
        return torch.full((count,), classes, device=device)
    return torch.where(label < 0, classes, label + (label >= classes))
