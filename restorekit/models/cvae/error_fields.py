"""What is open around the mean: how far off each value may be, and which values are off together.

The error in units of its spread, u = (x - m) / s, is a sum of stationary random fields, each white noise z through
a fixed filter, with gains that are predicted at every place and whose squares, with the decoder's own variance,
sum to 1:

    u_i = sum_k a_ik (w_k * z_k)_i + tau_i e_i,    sum_k a_ik^2 + tau_i^2 = 1,    z, e ~ N(0, 1).

So p(x | z, y) is linear in z, the mean over draws is m and their spread s, exactly; what is learnt is where errors
are rough or smooth, and along which direction they run.

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

MOST = 0.5  # greatest standard deviation that a value on [0, 1] can have (Popoviciu 1935)
DIRECTIONS = 4
KINDS = DIRECTIONS + 2  # fields at each scale: one for each direction, a smooth one, and one of blobs
REACH = 3  # cells to each side that a filter sees
MARGIN = REACH + 2  # cells around an image that its fields depend on; interpolating needs two
LEAST, MOST_OWN = 0.02, 0.5  # bounds of tau^2: the share of the variance that is each value's own


class Mixture(NamedTuple):
    """Gains of the fields, (B, C, K, h, w) on the grid of 1/2, and the variance of each value's own, (B, C, h, w)."""

    gains: Tensor
    own: Tensor


class Fields(nn.Module):
    """Reads spread and gains off a trunk's features, and makes fields of latents."""

    filters: Tensor

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        self.floor, self.levels = config.floor, config.levels
        self.reads = nn.ModuleList(nn.Conv2d(w, config.context, 1) for w in config.widths)
        self.spread = nn.Conv2d(config.context, 12, 3, padding=1)
        self.mix = nn.Conv2d(config.context, 3 * (KINDS * config.levels + 1), 1)
        for start in (self.spread.weight, self.spread.bias, self.mix.weight):
            nn.init.zeros_(start)  # type: ignore[arg-type]
        nn.init.ones_(self.mix.bias)  # type: ignore[arg-type]  # all fields alike: from 0 no gain knew where to go
        self.register_buffer("filters", filters(), persistent=False)

    def read(self, features: tuple[Tensor, ...]) -> Tensor:
        """Map the features, finest first, to what `logvar` and `mixture` take, (B, context, H/2, W/2)."""
        *finer, coarsest = zip(self.reads, features, strict=True)
        found: Tensor = coarsest[0](coarsest[1])
        for read, f in reversed(finer):
            found = F.interpolate(found, scale_factor=2, mode="bilinear", align_corners=False) + read(f)
        return found.relu_()

    def logvar(self, context: Tensor, channels: int) -> Tensor:
        """Return log s^2, (B, C, H, W)."""
        raw = fold(F.pixel_shuffle(self.spread(context), 2), channels).float()
        return floored(capped(2 * raw - 5, MOST), self.floor)

    def mixture(self, context: Tensor, channels: int) -> Mixture:
        """Return gains and own variances that sum to 1."""
        b, _, h, w = context.shape
        raw = fold(self.mix(context).float().view(b, 3, -1, h, w), channels)
        own = LEAST + (MOST_OWN - LEAST) * raw[:, :, -1].sigmoid()
        gains = raw[:, :, :-1]
        scale = ((1 - own) / (gains.square().sum(2) + 1e-6)).sqrt()
        return Mixture(gains * scale[:, :, None], own)

    def white(self, rng: Rng, count: int, size: tuple[int, int], device: torch.device) -> list[Tensor]:
        """Draw latents from the prior, finest first, with MARGIN cells more on each side than the image has."""
        found = []
        for scale in range(self.levels):
            stride = 2**scale
            cells = [side // stride + 2 * MARGIN for side in size]
            far = rng.before(MARGIN * stride)
            found.append(far.normal(f"z{stride}", (count, KINDS, cells[0], cells[1]), device, stride))
        return found

    def likelihood(self, latents: list[Tensor], mixture: Mixture) -> DiagonalGaussian:
        """Return p(u | z), (B, C, H, W), of latents as `white` gives them; mixtures are repeated for several draws."""
        gains, own = (t.repeat(len(latents[0]) // len(t), *[1] * (t.dim() - 1)) for t in mixture)
        variance = _twice(own)
        mean = torch.zeros_like(variance)
        for level, (z, part) in enumerate(zip(latents, torch.split(gains, KINDS, 2), strict=True)):
            mean = mean + _gained(self.field(level, z), part)
        return DiagonalGaussian(mean, variance.log(), "u")

    def field(self, scale: int, z: Tensor) -> Tensor:
        """Map white noise, (B, KINDS, h + 2 MARGIN, ...), to fields of unit variance, (B, KINDS, h 2^scale, ...)."""
        stride = 2**scale
        smooth = F.conv2d(z, self.filters.to(z.dtype), groups=KINDS)
        rows, columns = (_interpolation(side, stride, z.dtype, z.device) for side in smooth.shape[-2:])
        h, w = z.shape[-2] - 2 * MARGIN, z.shape[-1] - 2 * MARGIN
        return rows.T @ smooth @ columns / _strength(stride, z.dtype, z.device).repeat(1, h, w)


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
@torch.inference_mode(False)  # what is kept may be learnt through later
def _interpolation(cells: int, stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the matrix, (cells, (cells - 4) stride), of cubic interpolation; two cells at each end are only seen."""
    one = torch.eye(cells, dtype=dtype, device=device).view(1, cells, cells, 1)
    wide = F.interpolate(one, scale_factor=(float(stride), 1.0), mode="bicubic", align_corners=False)
    return wide[0, :, 2 * stride : (cells - 2) * stride, 0]


@lru_cache(32)
@torch.inference_mode(False)  # what is kept may be learnt through later
def _strength(stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the standard deviation of each field at every place within a cell, (KINDS, stride, stride)."""
    kernels = filters().to(device, dtype)
    cells = kernels.shape[-1] + 2 * MARGIN - 4
    matrix = _interpolation(cells + 4, stride, dtype, device)
    answer = matrix.T @ F.pad(kernels[:, 0], (MARGIN,) * 4) @ matrix  # to a single 1 among zeros
    return answer.view(len(kernels), cells, stride, cells, stride).square().sum((1, 3)).sqrt()


def _gained(field: Tensor, gains: Tensor) -> Tensor:
    """Weight fields, (B, K, H, W), by gains, (B, C, K, H/2, W/2), and sum them: (B, C, H, W)."""
    b, k, h, w = field.shape
    cells = field.view(b, 1, k, h // 2, 2, w // 2, 2)
    return (cells * gains[:, :, :, :, None, :, None]).sum(2).view(b, -1, h, w)


def _twice(t: Tensor) -> Tensor:
    return t.repeat_interleave(2, -2).repeat_interleave(2, -1)
