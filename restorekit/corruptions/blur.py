"""Blur: out of focus, in motion, or by any kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.errors import SpecError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged, shape_of

CUT = 3.0  # standard deviations at which a Gaussian ends
POINTS = 400  # along a path of motion


@dataclass(frozen=True, eq=False)
class Convolution:
    """x, mirrored at its borders, convolved with a kernel for each image; a `restorekit.core.types.Linear`.

    Attributes
    ----------
    kernels : Tensor, (B, K, K)
        Odd K.
    """

    kernels: Tensor

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on."""
        return self.kernels.shape[-1] // 2

    def apply(self, x: Tensor) -> Tensor:
        """Map x, (B, C, H, W), to the same shape."""
        rows, columns = (_mirrored(side, self.halo, x.device) for side in x.shape[2:])
        wide = x.index_select(2, rows).index_select(3, columns)
        b, c = x.shape[:2]
        out = F.conv2d(wide.view(1, b * c, *wide.shape[2:]), self._weights(x), groups=b * c)
        return out.view(x.shape)

    def adjoint(self, u: Tensor) -> Tensor:
        """Map u back: spread every value by the kernel, and fold what lies beyond the borders."""
        rows, columns = (_mirrored(side, self.halo, u.device) for side in u.shape[2:])
        b, c, h, w = u.shape
        wide = F.conv_transpose2d(u.reshape(1, b * c, h, w), self._weights(u), groups=b * c)
        folded = wide.new_zeros(b, c, h, wide.shape[-1]).index_add_(2, rows, wide.view(b, c, *wide.shape[2:]))
        return folded.new_zeros(b, c, h, w).index_add_(3, columns, folded)

    def _weights(self, x: Tensor) -> Tensor:
        return self.kernels.to(x).repeat_interleave(x.shape[1], 0)[:, None]


def _mirrored(side: int, halo: int, device: torch.device) -> Tensor:
    """Return the row, or column, that each of side + 2 halo positions shows; a mirror repeats as often as needed."""
    position = torch.arange(-halo, side + halo, device=device) % (2 * side)
    return torch.where(position < side, position, 2 * side - 1 - position)


@dataclass(frozen=True)
class Blur(Corruption):
    """y = k * x, borders mirrored, free of noise: add ``+gaussian:sigma=...``.

    Parameters
    ----------
    kind : {"gaussian", "motion", "disc"}
        A Gaussian, a straight path, or a lens out of focus.
    size : float or (float, float)
        Standard deviation, length or radius, pixels.
    angle : float or (float, float)
        Of the path, degrees from the row's direction towards the first row.
    kernel : str
        A text file (rows of numbers) or .npy file with a kernel of odd sides to use instead; it is made to sum to 1.
    """

    name: ClassVar[str] = "blur"
    smooth: ClassVar[bool] = True

    kind: str = field(default="gaussian", metadata={"choices": ("gaussian", "motion", "disc")})
    size: Ranged = field(default=1.6, metadata={"low": 0.0, "high": 50.0, "unit": "pixels"})
    angle: Ranged = field(default=0.0, metadata={"low": -180.0, "high": 180.0, "unit": "degrees"})
    kernel: str = ""

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Blur x, (B, C, H, W)."""
        params = {f"blur.{key}": self.draw(key, x, rng) for key in ("size", "angle")}
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        sigma = x.new_zeros(x.shape[0], 1, 1, 1)
        plain = Observation(x, observed, shape_of(x), sigma, params=params, direct=False)
        return Observation(self.operator(plain).apply(x), observed, shape_of(x), sigma, params=params, direct=False)

    def fixed_params(self, count: int = 1) -> dict[str, Tensor]:
        """Return size and angle as `operator` reads them."""
        return {f"blur.{key}": value for key, value in super().fixed_params(count).items()}

    def operator(self, observation: Observation) -> Convolution:
        """Return the convolution."""
        if self.kernel:
            kernels = _from_file(self.kernel).expand(len(observation), -1, -1)
        else:
            size, angle = (observation.params[f"blur.{key}"].flatten() for key in ("size", "angle"))
            make = {"gaussian": _gaussian, "motion": _motion, "disc": _disc}[self.kind]
            kernels = make(size.double().cpu(), angle.double().cpu())
        return Convolution(kernels.to(observation.y))


def _grid(reach: float) -> Tensor:
    """Return the offsets of a kernel's rows, or columns, as far as `reach` pixels."""
    halo = max(0, int(np.ceil(reach)))
    return torch.arange(-halo, halo + 1, dtype=torch.float64)


def _normal(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


def _gaussian(size: Tensor, angle: Tensor) -> Tensor:
    steps = _grid(CUT * float(size.max()))
    width = size[:, None].clamp_min(1e-3)
    taps = torch.exp(-0.5 * (steps / width) ** 2) * (steps.abs() <= (CUT * width).ceil())  # whatever else is in a batch
    return _normal(taps[:, :, None] * taps[:, None, :])


def _disc(size: Tensor, angle: Tensor) -> Tensor:
    """Return discs whose rim is shared out by how far it reaches into a pixel."""
    steps = _grid(float(size.max()) + 0.5)
    return _normal((size[:, None, None] + 0.5 - torch.hypot(steps[:, None], steps[None])).clamp(0, 1))


def _motion(size: Tensor, angle: Tensor) -> Tensor:
    """Return straight paths through the middle, each point shared out between the four pixels around it."""
    steps = _grid(float(size.max()) / 2)
    along = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS - 0.5
    turn = torch.deg2rad(angle)[:, None]
    y, x = -along * size[:, None] * turn.sin(), along * size[:, None] * turn.cos()
    rows, columns = ((1 - (p[:, :, None] - steps).abs()).clamp_min(0) for p in (y, x))
    return _normal(torch.einsum("bpr,bpc->brc", rows, columns))


@lru_cache(8)
def _from_file(path: str) -> Tensor:
    """Read a kernel, (K, K), odd and square; SpecError in a sentence where it is none."""
    try:
        found = np.load(path) if path.endswith(".npy") else np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise SpecError(f"blur's kernel is a .npy or text file of numbers, got {path} ({error})") from error
    if found.ndim != 2 or any(side % 2 == 0 for side in found.shape) or not found.sum() > 0:
        raise SpecError(
            f"blur's kernel needs two odd sides and a sum over 0, got {found.shape} in {Path(path).name}; pad it with 0"
        )
    half = max(found.shape) // 2
    square = np.pad(found, [(half - side // 2,) * 2 for side in found.shape])
    return torch.from_numpy(np.ascontiguousarray(square[::-1, ::-1] / square.sum()))  # conv2d correlates
