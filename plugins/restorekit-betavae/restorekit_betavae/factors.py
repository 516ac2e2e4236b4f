"""Images with known factors: one white shape on black, of some kind, size and position.

They are a pure function of their indices. Orientation is no factor, because it is ambiguous for symmetric shapes.

    python -m restorekit_betavae.factors OUT.npz

Reference: Matthey et al., "dSprites: Disentanglement testing Sprites dataset", 2017 (the idea of such a set).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FACTORS = {"shape": 3, "size": 6, "position_y": 16, "position_x": 16}  # number of values of each, from 0
SIZES = (0.11, 0.22)  # half of the shape's width, as a share of the image's
POSITIONS = (0.26, 0.74)  # of its centre
OVERSAMPLING = 4  # samples a side in a pixel


def everything() -> Tensor:
    """Return every combination of the factors' values, (N, factors) int64, in the order of `FACTORS`."""
    return torch.cartesian_prod(*(torch.arange(count) for count in FACTORS.values()))


def images(indices: Tensor, side: int = 32) -> Tensor:
    """Return images, (N, side, side) on [0, 1], of factors as from `everything`, (N, factors)."""
    shape, *others = indices.unbind(1)
    size, y, x = (_between(i, name) for i, name in zip(others, ("size", "position_y", "position_x"), strict=True))
    steps = (torch.arange(side * OVERSAMPLING) + 0.5) / (side * OVERSAMPLING)
    u = ((steps - x[:, None]) / size[:, None])[:, None, :]
    v = ((y[:, None] - steps) / size[:, None])[:, :, None]  # upwards
    inside = torch.stack([kind(u, v) for kind in (_square, _ellipse, _heart)], 1)
    chosen = inside[torch.arange(len(indices)), shape]
    return F.avg_pool2d(chosen[:, None].float(), OVERSAMPLING)[:, 0]


def _between(index: Tensor, name: str) -> Tensor:
    """Return the size or position of an index, (N,), as a share of the image's width."""
    low, high = SIZES if name == "size" else POSITIONS
    return low + (high - low) * index / (FACTORS[name] - 1)


def _square(u: Tensor, v: Tensor) -> Tensor:
    return (u.abs() <= 1) & (v.abs() <= 1)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    return u**2 + (v / 0.5) ** 2 <= 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    u, v = 1.2 * u, 1.2 * v + 0.25  # centre of mass at the origin
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def write(out: Path, side: int = 32) -> int:
    """Write all images as an NPZ that `restorekit train` reads, with an array for each factor; return their number."""
    indices = everything()
    pictures = torch.cat([images(some, side) for some in torch.split(indices, 256)])
    shape, size, y, x = indices.T.numpy()
    bytes_ = (pictures * 255).round().byte().numpy()
    np.savez_compressed(out, images=bytes_, labels=shape, shape=shape, size=size, position_y=y, position_x=x)
    return len(indices)


def main() -> None:
    """Read the command line and write the images."""
    parser = argparse.ArgumentParser(description="Write images of known factors for disentanglement.")
    parser.add_argument("out", type=Path, help="an NPZ to write")
    parser.add_argument("--side", type=int, default=32, help="pixels a side [default: 32]")
    arguments = parser.parse_args()
    print(f"{write(arguments.out, arguments.side)} images -> {arguments.out}")


if __name__ == "__main__":
    main()
