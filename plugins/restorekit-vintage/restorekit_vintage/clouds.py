"""Smooth random fields, for what varies slowly over a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restorekit import Rng


def clouds(x: Tensor, rng: Rng, name: str, size: Tensor, least: float) -> Tensor:
    """Return a smooth normal field over each image: mean 0, standard deviation 1.

    It is a cubic B-spline through random knots.

    Parameters
    ----------
    x : Tensor, (B, C, H, W)
        The images: their size and device.
    rng : Rng
        What it is drawn from, under `name`.
    name : str
        Each field of an image needs its own.
    size : Tensor, (B, 1, 1, 1)
        Distance between knots, pixels: about the radius of a cloud.
    least : float
        The least of any size; says how many knots there may be.

    Returns
    -------
    Tensor, (B, 1, H, W)
    """
    b, (h, w) = len(x), x.shape[2:]
    rows, columns = (math.ceil(n / least) + 5 for n in (h, w))
    knots = rng.normal(f"{name}.knots", (b, 1, rows, columns), x.device)
    shift = rng.uniform(f"{name}.shift", (b, 2), x.device).view(b, 2, 1)
    down, right = (
        _weights(n, k, size[:, 0], s[..., None]) for n, k, s in ((h, rows, shift[:, 0]), (w, columns, shift[:, 1]))
    )
    # image by image: products of batches are rounded otherwise than those of one image
    return torch.stack([d @ k @ r.mT for d, k, r in zip(down, knots, right, strict=True)])


def _weights(pixels: int, knots: int, size: Tensor, shift: Tensor) -> Tensor:
    """Return what each knot counts for each pixel, (B, pixels, knots), scaled to keep the variance."""
    place = torch.arange(pixels, device=size.device).view(1, -1, 1) / size + shift + 1
    away = (place - torch.arange(knots, device=size.device)).abs()
    spline = torch.where(away < 1, 2 / 3 - away**2 + away**3 / 2, (2 - away).clamp_min(0) ** 3 / 6)
    return spline / spline.square().sum(2, keepdim=True).sqrt()
