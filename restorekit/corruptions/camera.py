"""Noise of a photograph as a camera writes it: demosaiced, smoothed, sharpened and tone-mapped noise of the sensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Ranged, shape_of
from restorekit.corruptions.grayscale import LUMA, Luma
from restorekit.corruptions.sensor import filtered, gaussian_taps

GAMMA = 2.2  # of the tone curve
STEEPEST = 12.92  # slope of it, as that of sRGB in the dark
BALANCE = ((1.4, 2.4), (1.2, 2.0))  # white balance of red and blue over green
WINDOW = 5  # pixels along a side of the window in which noise reduction compares variances
LIGHT = Luma(torch.tensor(LUMA))
SHARPENED = 1.0  # pixels: standard deviation of the Gaussian of unsharp masking


class _Settings(NamedTuple):
    """Settings of a camera for each image, (B, 1, 1, 1) each."""

    red: Tensor
    blue: Tensor
    reduction: Tensor
    colour_blur: Tensor
    sharpening: Tensor
    blur: Tensor


@dataclass(frozen=True)
class Camera(Corruption):
    """y = x + develop(mosaic(x) + noise) - develop(mosaic(x)): what is left of sensor noise in a developed photograph.

    Noise of photons and electronics lies on the red, green and blue pixels of a Bayer mosaic in linear light (Foi,
    Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
    Raw-Data", IEEE TIP 2008, equation 4; Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019).
    Developing interpolates the mosaic by constant colour differences, balances white, applies the tone curve, reduces
    noise by local variance (Lee, "Digital Image Enhancement and Noise Filtering by Use of Local Statistics", IEEE TPAMI
    2(2), 1980), smooths colour, and sharpens. The noise of gray images is that of the luminance. Its level is unknown
    to the model.

    Parameters
    ----------
    gain : float or (float, float)
        Variance per unit of linear intensity, on the [0, 1] scale.
    sigma : float or (float, float)
        Standard deviation in the dark, in linear intensity.
    reduction : float or (float, float)
        Share of the camera's noise reduction in smooth parts, 0 (none) to 1.
    colour_blur : float or (float, float)
        Standard deviation of the Gaussian that smooths colour differences, pixels.
    sharpening : float or (float, float)
        Amount of unsharp masking.
    blur : float or (float, float)
        Standard deviation of the Gaussian that smears the luminance, as scaling and lens correction do, pixels.
    """

    name: ClassVar[str] = "camera"
    noise_law: ClassVar[NoiseLaw] = "correlated"

    gain: Ranged = field(default=0.002, metadata={"low": 0.0, "high": 1.0, "unit": "variance at x = 1"})
    sigma: Ranged = field(default=0.002, metadata={"low": 0.0, "high": 1.0})
    reduction: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0})
    colour_blur: Ranged = field(default=1.5, metadata={"low": 0.0, "high": 3.0, "unit": "pixels"})
    sharpening: Ranged = field(default=0.3, metadata={"low": 0.0, "high": 2.0})
    blur: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 2.0, "unit": "pixels"})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Add noise to x, (B, C, H, W); channels that are no colours have noise of their own."""
        params = {key: self.draw(key, x, rng) for key in ("gain", "sigma", *_Settings._fields[2:])}
        share = rng.uniform("balance", (len(x), 2, 1, 1), x.device)
        red, blue = (low + (high - low) * share[:, i : i + 1] for i, (low, high) in enumerate(BALANCE))
        settings = _Settings(red, blue, *(params[key] for key in _Settings._fields[2:]))
        colour, errors = x.shape[1] == len(LUMA), []
        for i, part in enumerate([x] if colour else torch.split(x, 1, 1)):
            raw = part.clamp(0, 1).expand(-1, 3, -1, -1) ** GAMMA / torch.cat([red, torch.ones_like(red), blue], 1)
            level = (params["gain"] * raw + params["sigma"] ** 2).sqrt()
            noise = level * rng.normal(f"{self.name} {i}", tuple(raw.shape), x.device)
            error = _error(raw, noise, settings)
            errors.append(error if colour else LIGHT.apply(error))
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(x + torch.cat(errors, 1), observed, shape_of(x), params=params)


def _error(raw: Tensor, noise: Tensor, settings: _Settings) -> Tensor:
    """Return what noise on linear values, (B, 3, H, W), changes in the developed image."""
    linear, noisy = (developed(values, settings) for values in (raw, raw + noise))
    plain = linear.clamp(1e-6, 1) ** (1 / GAMMA)
    slope = (linear.clamp_min(1e-6) ** (1 / GAMMA - 1) / GAMMA).clamp_max(STEEPEST)  # bending would move the mean
    noisy = plain + slope * (noisy - linear)
    power = (noisy - plain).square().mean((1, 2, 3), keepdim=True)
    return smoothed(noisy, power, settings) - smoothed(plain, power, settings)


def developed(raw: Tensor, settings: _Settings) -> Tensor:
    """Interpolate the mosaic of linear values, (B, 3, H, W), and balance white."""
    odd_row, odd_column = (torch.arange(side, device=raw.device) % 2 for side in raw.shape[2:])
    odd_row = odd_row[:, None]
    places = torch.stack([(1 - odd_row) * (1 - odd_column), (odd_row + odd_column) % 2, odd_row * odd_column])
    places = places.to(raw.dtype)[:, None, None]
    red, green, blue = (colour * place for colour, place in zip(torch.split(raw, 1, 1), places, strict=True))
    green = interpolated(green, places[1])
    red_less_green, blue_less_green = (
        interpolated(colour - green * place, place) for colour, place in ((red, places[0]), (blue, places[2]))
    )
    return torch.cat([settings.red * (green + red_less_green), green, settings.blue * (green + blue_less_green)], 1)


def interpolated(values: Tensor, places: Tensor) -> Tensor:
    """Fill in values, (B, 1, H, W) and 0 elsewhere, by the weighted mean of those in the 3 x 3 pixels around."""
    kernel = torch.tensor([[1.0, 2.0, 1.0]], device=values.device)
    kernel = (kernel.T @ kernel)[None, None]
    found, weight = (F.conv2d(F.pad(t, (1, 1, 1, 1)), kernel) for t in (values, places))
    return torch.where(places > 0, values, found / weight.clamp_min(1))


def smoothed(image: Tensor, power: Tensor, settings: _Settings) -> Tensor:
    """Reduce noise of that mean power, (B, 1, 1, 1), smooth colour, and sharpen."""
    light = LIGHT.apply(image)
    mean = F.avg_pool2d(F.pad(light, (WINDOW // 2,) * 4, mode="replicate"), WINDOW, 1)
    square = F.avg_pool2d(F.pad(light.square(), (WINDOW // 2,) * 4, mode="replicate"), WINDOW, 1)
    variance = (square - mean.square()).clamp_min(1e-9)
    kept = (1 - power / variance).clamp_min(0)
    smooth = mean + (1 - settings.reduction * (1 - kept)) * (light - mean)
    sharp = smooth + settings.sharpening * (smooth - blurred(smooth, torch.full_like(power, SHARPENED)))
    return blurred(sharp, settings.blur) + blurred(image - light, settings.colour_blur)


def blurred(image: Tensor, blur: Tensor) -> Tensor:
    """Smooth images, (B, C, H, W), by a Gaussian of `blur` pixels, (B, 1, 1, 1)."""
    taps = gaussian_taps(blur, 8)
    return filtered(image, taps / taps.sum(1, keepdim=True), "replicate")
