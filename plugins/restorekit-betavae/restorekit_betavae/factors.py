"""Images of which every factor is known: one white shape on black, of some kind, size and place.

They are a pure function of their indices, without orientation, which has no one value where a shape is symmetric.

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

FACTORS = {"shape": 3, "size": 6, "position_y": 16, "position_x": 16}  # how many values each takes, from 0 on
SIZES = (0.11, 0.22)  # half of the shape's width, as a share of the image's
PLACES = (0.26, 0.74)  # of its centre
FINER = 4  # points a side that a pixel is the mean of


def everything() -> Tensor:
    """Return every combination of the factors' values, (N, factors) int64, in the order of `FACTORS`."""
    return torch.cartesian_prod(*(torch.arange(count) for count in FACTORS.values()))


def images(indices: Tensor, side: int = 32) -> Tensor:
    """Return images, (N, side, side) on [0, 1], of factors as `everything` gives them, (N, factors)."""
    shape, *others = indices.unbind(1)
    size, y, x = (_between(i, name) for i, name in zip(others, ("size", "position_y", "position_x"), strict=True))
    steps = (torch.arange(side * FINER) + 0.5) / (side * FINER)
    u = ((steps - x[:, None]) / size[:, None])[:, None, :]
    v = ((y[:, None] - steps) / size[:, None])[:, :, None]  # upwards
    inside = torch.stack([kind(u, v) for kind in (_square, _ellipse, _heart)], 1)
    chosen = inside[torch.arange(len(indices)), shape]
    return F.avg_pool2d(chosen[:, None].float(), FINER)[:, 0]


def _between(index: Tensor, name: str) -> Tensor:
    """Return what an index, (N,), of size or place stands for, as a share of the image's width."""
    low, high = SIZES if name == "size" else PLACES
    return low + (high - low) * index / (FACTORS[name] - 1)


def _square(u: Tensor, v: Tensor) -> Tensor:
    return (u.abs() <= 1) & (v.abs() <= 1)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    return u**2 + (v / 0.5) ** 2 <= 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    u, v = 1.2 * u, 1.2 * v + 0.25  # its centre of mass in the middle
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def write(out: Path, side: int = 32) -> int:
    """Write all images as an NPZ that `restorekit train` reads, with an array for each factor; return how many."""
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
    given = parser.parse_args()
    print(f"{write(given.out, given.side)} images -> {given.out}")


if __name__ == "__main__":
    main()
