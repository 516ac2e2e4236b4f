"""Quick interpolation of missing values by a pull-push pyramid, and its refinement where values are exact.

References
----------
Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", SIGGRAPH 1996, section 3.4.
Damelin, Hoang, "On surface completion and image inpainting by biharmonic functions", IJMMS 2018: limit of `bend`.
Polyak, "Some methods of speeding up the convergence of iteration methods", 1964: heavy-ball steps of `bend`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SWEEPS = 2  # relaxations after the pyramid: 0.3 dB better at 80 % missing, as good as Delaunay triangles
LEVELS = 5  # of the pyramid of a window of a large image
CELL = 2**LEVELS  # side in pixels of the area of one value at its top
MARGIN = (
    2 * CELL
)  # pixels from a window's edge where it equals the untiled image: CELL for the pyramid, the rest for sweeps
BENDS = 12  # steps of `bend`: as good as going on to the biharmonic interpolation itself, at 80 and 90 % missing
STEP, MOMENTUM = 0.05, 0.75  # of `bend`; stable as STEP < 2 (1 + MOMENTUM) / 64, where 64 is the largest eigenvalue


def fill(y: Tensor, observed: Tensor, coarse: Tensor | None = None) -> Tensor:
    """Replace missing values by a smooth interpolation of the observed ones.

    Parameters
    ----------
    y : Tensor, (B, C, H, W)
        Values; those whose `observed` is False are ignored.
    observed : Tensor of bool, (B, 1 or C, H, W)
        True for observed values.
    coarse : Tensor, (B, C, H / CELL, W / CELL), rounded up, optional
        Result of `push` for the untiled image, cut to this window of it. A window that begins at multiples of CELL,
        and ends at one or with the image, is then filled as in the untiled image, from MARGIN pixels inside its edges
        on.

    Returns
    -------
    Tensor, (B, C, H, W)
        y for observed values, interpolated values elsewhere, 0.5 if nothing was observed.
    """
    initial = torch.where(observed, y, push(*_weighted(y, observed), coarse))
    for _ in range(SWEEPS):
        # The mean of a value's eight neighbours, of which the four nearest count double. It is the product of two
        # triangles, (1, 2, 1), minus the value itself; shifts are faster than a convolution.
        p = F.pad(initial, (1, 1, 1, 1), mode="replicate")
        across = p[..., :-2] + 2 * p[..., 1:-1] + p[..., 2:]
        neighbours = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :] - 4 * initial
        initial = torch.where(observed, y, neighbours / 12)
    return initial


def bend(initial: Tensor, observed: Tensor) -> Tensor:
    """Smooth the missing values of an initial estimate towards the least bending energy, like a thin plate.

    Parameters
    ----------
    initial : Tensor, (B, C, H, W)
        Result of `fill`.
    observed : Tensor of bool, (B, 1 or C, H, W)
        True for exact values, which stay.

    Returns
    -------
    Tensor, (B, C, H, W)
        0.7 dB closer to photographs than `initial` at 80 % missing. Only for exact values: it would bend the surface
        through their noise.
    """
    step = STEP * (~observed).to(initial.dtype)
    change = torch.zeros_like(initial)
    for _ in range(BENDS):
        change = MOMENTUM * change - step * _laplacian(_laplacian(initial))
        initial = initial + change
    return initial


def _laplacian(t: Tensor) -> Tensor:
    """Return the sum of the differences to the four neighbours; shifted views are far faster than a convolution."""
    p = F.pad(t, (1, 1, 1, 1), mode="replicate")
    total = p[..., 1:-1, :-2] + p[..., 1:-1, 2:]
    return total.add_(p[..., :-2, 1:-1]).add_(p[..., 2:, 1:-1]).sub_(4 * t)


def pull(y: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and weights of the cells of an image, or of a window of it as `fill` takes them.

    Returns
    -------
    Tensor, (B, C, H / CELL, W / CELL), rounded up, and Tensor of the same shape
        Arguments of `push`.
    """
    value, weight = _weighted(y, observed)
    for _ in range(LEVELS):
        value, weight = _pulled(value, weight)
    return value, weight


def push(value: Tensor, weight: Tensor, coarse: Tensor | None = None, levels: int = LEVELS) -> Tensor:
    """Blend weighted values, (B, C, H, W), recursively with their average at half the size.

    Parameters
    ----------
    value, weight : Tensor, (B, C, H, W)
        Weights from 0 to 1.
    coarse : Tensor, optional
        The result after `levels` halvings, if it is known.
    levels : int
        Halvings left until `coarse`.
    """
    if coarse is not None and levels == 0:
        return coarse
    if max(value.shape[-2:]) == 1 and coarse is None:
        return torch.where(weight > 0, value, 0.5)
    smaller = push(*_pulled(value, weight), coarse, levels - 1)
    smooth = F.interpolate(smaller, scale_factor=2, mode="bilinear", align_corners=False)
    smooth = smooth[..., : value.shape[-2], : value.shape[-1]]
    return weight * value + (1 - weight) * smooth


def _weighted(y: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(observed, y, 0.0), observed.to(y.dtype).expand(-1, y.shape[1], -1, -1)


def _pulled(value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Average over 2 x 2 values; one observed value is enough for the full weight of a cell."""
    mean = F.avg_pool2d(weight, 2, ceil_mode=True)
    return F.avg_pool2d(value * weight, 2, ceil_mode=True) / mean.clamp_min(1e-9), (4 * mean).clamp(max=1)
