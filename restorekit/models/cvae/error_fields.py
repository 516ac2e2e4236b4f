"""Correlated errors around the mean: their spread, and random fields with predicted gains.

The error in units of its spread, u = (x - m) / s, is a sum of stationary random fields. Each is white noise z through
a fixed filter, with gains predicted at every place. The squared gains and the decoder's own variance sum to 1:

    u_i = sum_k a_ik (w_k * z_k)_i + tau_i e_i,    sum_k a_ik^2 + tau_i^2 = 1,    z, e ~ N(0, 1).

So p(x | z, y) is linear in z, and draws have exactly the mean m and the spread s. Training finds where errors are
rough or smooth, and their direction.

References
----------
Higdon, "Space and Space-Time Modeling using Process Convolutions", 2002, section 2.
Dorta, Vicente, Agapito, Campbell, Simpson, "Structured Uncertainty Prediction Networks", CVPR 2018: a Gaussian with
predicted correlations around a network's mean.
Simoncelli, Freeman, "The Steerable Pyramid", ICIP 1995: filters of several sizes and directions.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.distributions import DiagonalGaussian, capped, floored
from restorekit.core.rng import Rng
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.unet import fold

MAX_SPREAD = 0.5  # largest standard deviation of a value on [0, 1] (Popoviciu 1935)
DIRECTIONS = 4
KINDS = DIRECTIONS + 2  # fields at each scale: one for each direction, a smooth one, and one of blobs
REACH = 3  # cells on each side in the support of a filter
MARGIN = REACH + 2  # cells around an image that its fields depend on; interpolation needs two
MIN_OWN, MAX_OWN = 0.02, 0.5  # bounds of tau^2: each value's own share of the variance


class Mixture(NamedTuple):
    """Gains of the fields, (B, C, K, h, w) at half resolution, and each value's own variance, (B, C, h, w)."""

    gains: Tensor
    own: Tensor


class Fields(nn.Module):
    """Spread and gains from a trunk's features, and random fields from latents."""

    filters: Tensor

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        self.floor, self.levels = config.floor, config.levels
        self.reads = nn.ModuleList(nn.Conv2d(w, config.context, 1) for w in config.widths)
        self.spread = nn.Conv2d(config.context, 12, 3, padding=1)
        self.mix = nn.Conv2d(config.context, 3 * (KINDS * config.levels + 1), 1)
        for start in (self.spread.weight, self.spread.bias, self.mix.weight):
            nn.init.zeros_(start)  # type: ignore[arg-type]
        nn.init.ones_(self.mix.bias)  # type: ignore[arg-type]  # equal gains: at 0 they would have no gradient
        self.register_buffer("filters", filters(), persistent=False)

    def context(self, features: tuple[Tensor, ...]) -> Tensor:
        """Map the features, finest first, to the input of `logvar` and `mixture`, (B, context, H/2, W/2)."""
        *finer, coarsest = zip(self.reads, features, strict=True)
        found: Tensor = coarsest[0](coarsest[1])
        for read, f in reversed(finer):
            found = F.interpolate(found, scale_factor=2, mode="bilinear", align_corners=False) + read(f)
        return found.relu_()

    def logvar(self, context: Tensor, channels: int) -> Tensor:
        """Return log s^2, (B, C, H, W)."""
        raw = fold(F.pixel_shuffle(self.spread(context), 2), channels).float()
        return floored(capped(2 * raw - 5, MAX_SPREAD), self.floor)

    def mixture(self, context: Tensor, channels: int) -> Mixture:
        """Return gains and own variances; squared gains and own variance sum to 1."""
        b, _, h, w = context.shape
        raw = fold(self.mix(context).float().view(b, 3, -1, h, w), channels)
        own = MIN_OWN + (MAX_OWN - MIN_OWN) * raw[:, :, -1].sigmoid()
        gains = raw[:, :, :-1]
        scale = ((1 - own) / (gains.square().sum(2) + 1e-6)).sqrt()
        return Mixture(gains * scale[:, :, None], own)

    def white(self, rng: Rng, count: int, size: tuple[int, int], device: torch.device) -> list[Tensor]:
        """Draw latents from the prior, finest first, with MARGIN more cells on each side than the image."""
        found = []
        for scale in range(self.levels):
            stride = 2**scale
            cells = [side // stride + 2 * MARGIN for side in size]
            far = rng.before(MARGIN * stride)
            found.append(far.normal(f"z{stride}", (count, KINDS, cells[0], cells[1]), device, stride))
        return found

    def likelihood(self, latents: list[Tensor], mixture: Mixture) -> DiagonalGaussian:
        """Return p(u | z), (B, C, H, W), of latents as from `white`; mixtures are repeated for several draws."""
        gains, own = (t.repeat(len(latents[0]) // len(t), *[1] * (t.dim() - 1)) for t in mixture)
        variance = own.repeat_interleave(2, -2).repeat_interleave(2, -1)
        mean = torch.zeros_like(variance)
        for level, (z, part) in enumerate(zip(latents, torch.split(gains, KINDS, 2), strict=True)):
            mean = mean + weighted_sum(self.field(level, z), part)
        return DiagonalGaussian(mean, variance.log(), "u")

    def field(self, scale: int, z: Tensor) -> Tensor:
        """Map white noise, (B, KINDS, h + 2 MARGIN, ...), to fields of unit variance, (B, KINDS, h 2^scale, ...)."""
        stride = 2**scale
        smooth = F.conv2d(z, self.filters.to(z.dtype), groups=KINDS)
        rows, columns = (_interpolation(side, stride, z.dtype, z.device) for side in smooth.shape[-2:])
        h, w = z.shape[-2] - 2 * MARGIN, z.shape[-1] - 2 * MARGIN
        return rows.T @ smooth @ columns / _field_std(stride, z.dtype, z.device).repeat(1, h, w)


def filters() -> Tensor:
    """Return the filters, (KINDS, 1, n, n) cells: ridges in each direction, a smooth bump, and a blob with a rim."""
    steps = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    y, x = steps[:, None], steps[None, :]
    ridges = []
    for turn in range(DIRECTIONS):
        angle = math.pi * turn / DIRECTIONS
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        ridges.append((1 - (across / 0.8) ** 2) * torch.exp(-0.5 * ((across / 0.8) ** 2 + (along / 1.4) ** 2)))
    far = x**2 + y**2
    bump, blob = torch.exp(-0.5 * far), (1 - far / 2) * torch.exp(-0.5 * far)
    return torch.stack([*ridges, bump, blob])[:, None]


@lru_cache(32)
@torch.inference_mode(False)  # gradients may flow through cached tensors later
def _interpolation(cells: int, stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the matrix, (cells, (cells - 4) stride), of cubic interpolation; two cells at each end only contribute."""
    one = torch.eye(cells, dtype=dtype, device=device).view(1, cells, cells, 1)
    wide = F.interpolate(one, scale_factor=(float(stride), 1.0), mode="bicubic", align_corners=False)
    return wide[0, :, 2 * stride : (cells - 2) * stride, 0]


@lru_cache(32)
@torch.inference_mode(False)  # gradients may flow through cached tensors later
def _field_std(stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the standard deviation of each field at every position within a cell, (KINDS, stride, stride)."""
    kernels = filters().to(device, dtype)
    cells = kernels.shape[-1] + 2 * MARGIN - 4
    matrix = _interpolation(cells + 4, stride, dtype, device)
    response = matrix.T @ F.pad(kernels[:, 0], (MARGIN,) * 4) @ matrix  # response to a single 1 among zeros
    return response.view(len(kernels), cells, stride, cells, stride).square().sum((1, 3)).sqrt()


def weighted_sum(field: Tensor, gains: Tensor) -> Tensor:
    """Return fields, (B, K, H, W), weighted by gains, (B, C, K, H/2, W/2), and summed: (B, C, H, W)."""
    b, k, h, w = field.shape
    cells = field.view(b, 1, k, h // 2, 2, w // 2, 2)
    return (cells * gains[:, :, :, :, None, :, None]).sum(2).view(b, -1, h, w)
