"""Network pieces shared by the models."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restorekit.core.rng import Rng


class Residual(nn.Module):
    """x + conv(relu(conv(x))), the second convolution starting at zero so that the block starts as identity.

    Reference: Lim et al., "Enhanced Deep Residual Networks", CVPRW 2017, figure 2c (no normalisation).
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
    return nn.Sequential(*(Residual(width) for _ in range(depth)))


class Up(nn.Module):
    """Double height and width: a 1x1 convolution, then pixel shuffle."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        return nn.functional.pixel_shuffle(self.mix(x), 2)


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 2x2 convolution of stride 2."""
    return nn.Conv2d(inputs, outputs, 2, stride=2)


def dropout(x: Tensor, rate: float, rng: Rng, name: str) -> Tensor:
    """Zero values of x, (B, ...), with probability `rate` and scale the rest, from explicit noise."""
    if rate == 0:
        return x
    keep = rng.uniform(name, tuple(x.shape), x.device) >= rate
    return torch.where(keep, x / (1 - rate), 0.0)


def embedded(label: Tensor | None, table: Tensor, count: int) -> Tensor:
    """Return what stands for each image's class in a table, (classes + 1, width): (count, width).

    Of probabilities of the classes, (count, classes), in place of numbers it is the mean of rows.
    """
    if label is not None and label.is_floating_point():
        return label.to(table.dtype) @ table[:-1]
    return table[rows(label, count, len(table) - 1, table.device)]


def rows(label: Tensor | None, count: int, classes: int, device: torch.device) -> Tensor:
    """Return each image's row, (count,) int64, in a table of `classes` + 1: the last one where the class is unknown.

    A class that there is not gets a row beyond the table, which is an error where the table is read.
    """
    if label is None:
        return torch.full((count,), classes, device=device)
    return torch.where(label < 0, classes, label + (label >= classes))
