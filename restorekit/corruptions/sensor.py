"""Noise of a camera's sensor: stronger in bright places, and smeared by what the camera did to the picture since."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of

REACH = 4  # pixels to each side that the smear is cut off at: two of its largest standard deviations


@dataclass(frozen=True)
class Sensor(Corruption):
    """y = x + sqrt(gain x + sigma^2) g, with a standard normal field g that is correlated between neighbours.

    Photons and electronics give the variance (Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian
    Noise Modeling and Fitting for Single-Image Raw-Data", IEEE TIP 2008, equation 4); demosaicing and scaling smear
    the noise over neighbours. Its level is unknown to the model.

    Parameters
    ----------
    gain : float or (float, float)
        Variance per unit of intensity, on the [0, 1] scale.
    sigma : float or (float, float)
        Standard deviation at x = 0.
    blur : float or (float, float)
        Standard deviation of the Gaussian by which the noise is smeared, pixels; it keeps its strength.
    """

    name: ClassVar[str] = "sensor"

    gain: Ranged = field(default=0.002, metadata={"low": 0.0, "high": 1.0, "unit": "variance at x = 1"})
    sigma: Ranged = field(default=4 / 255, metadata={"low": 0.0, "high": 1.0, "of_255": True})
    blur: Ranged = field(default=0.6, metadata={"low": 0.0, "high": 2.0, "unit": "pixels"})

    @property
    def noise_law(self) -> NoiseLaw:  # type: ignore[override]
        """Law of each value: white where nothing smears the noise."""
        return "poisson-gaussian" if self.blur == 0 else "correlated"

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether log_prob is known and differentiable: where nothing smears the noise."""
        return self.blur == 0

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Add noise to x, (B, C, H, W)."""
        params = {key: self.draw(key, x, rng) for key in ("gain", "sigma", "blur")}
        grains = smeared(rng.normal(self.name, tuple(x.shape), x.device), params["blur"])
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(
            x + _level(x, params["gain"], params["sigma"]) * grains, observed, shape_of(x), params=params
        )

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the normal log-density of the observed values, (B,) nats; None where the noise is smeared or 0."""
        gain, sigma, blur = (observation.params[key] for key in ("gain", "sigma", "blur"))
        if bool((blur > 0).any()) or not bool((sigma > 0).all()):
            return None
        level = _level(x, gain, sigma)
        values = -0.5 * ((observation.y - x) / level) ** 2 - level.log() - 0.5 * math.log(2 * math.pi)
        return torch.where(observation.observed, values, 0.0).flatten(1).sum(1)


def smeared(field: Tensor, blur: Tensor) -> Tensor:
    """Smooth a field of unit variance, (B, C, H, W), by a Gaussian of `blur` pixels, (B, 1, 1, 1), to unit variance."""
    taps = gaussian_taps(blur, REACH)
    mode = "circular" if min(field.shape[2:]) > REACH else "replicate"
    return filtered(field, taps / taps.square().sum(1, keepdim=True).sqrt(), mode)


def gaussian_taps(blur: Tensor, reach: int) -> Tensor:
    """Return values of Gaussians of standard deviation `blur`, (B, 1, 1, 1), to `reach` pixels: (B, 2 reach + 1)."""
    steps = torch.arange(-reach, reach + 1, device=blur.device, dtype=blur.dtype)
    return torch.exp(-0.5 * (steps / blur.view(-1, 1).clamp_min(0.05)) ** 2)


def filtered(field: Tensor, taps: Tensor, mode: str) -> Tensor:
    """Convolve rows and columns of images, (B, C, H, W), with their taps, (B, odd); `mode` is that of `F.pad`."""
    (b, c, h, w), reach = field.shape, taps.shape[1] // 2
    taps = taps.repeat_interleave(c, 0)
    padded = F.pad(field, (reach,) * 4, mode=mode).reshape(1, b * c, -1, w + 2 * reach)
    across = F.conv2d(padded, taps[:, None, None, :], groups=b * c)
    return F.conv2d(across, taps[:, None, :, None], groups=b * c).view(b, c, h, w)


def _level(x: Tensor, gain: Tensor, sigma: Tensor) -> Tensor:
    return (gain * x.clamp_min(0) + sigma**2).sqrt()
