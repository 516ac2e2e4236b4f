"""Facts about the noise of developed photographs."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import JPEG, Camera, Chain
from restorekit.corruptions.camera import GAMMA
from restorekit.corruptions.grayscale import LUMA

PLAIN = {"reduction": 0.0, "colour_blur": 0.0, "sharpening": 0.0, "blur": 0.0}
FITTED = {
    "gain": (0.0003, 0.005), "sigma": (0.0, 0.003), "reduction": (0.0, 1.0), "colour_blur": (1.0, 3.0),
    "sharpening": (0.0, 0.6), "blur": (0.0, 0.9),
}  # fmt: skip


def luminance(t):
    return (torch.tensor(LUMA).view(3, 1, 1) * t).sum(-3, keepdim=True)


def correlation(error, distance):
    return float((error[..., distance:] * error[..., :-distance]).mean() / error.square().mean())


def test_without_noise_the_photograph_is_as_it_was():
    x = torch.rand(2, 3, 33, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Camera(gain=0.0, sigma=0.0)(x, Rng(0, ("a", "b"))).y, x)


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_green_pixels_have_the_noise_of_light_through_the_tone_curve(level):
    """By error propagation: the variance of light, a x + s^2, times the squared slope of the tone curve."""
    x = torch.full((1, 3, 256, 256), level)
    error = (Camera(gain=1e-4, sigma=1e-3, **PLAIN)(x, Rng(0)).y - x)[0, 1]
    slope = level ** (1 - GAMMA) / GAMMA
    expected = (1e-4 * level**GAMMA + 1e-6) ** 0.5 * slope
    on_green = torch.cat([error[0::2, 1::2].flatten(), error[1::2, 0::2].flatten()])
    assert float(on_green.std()) == pytest.approx(expected, rel=0.03)
    between = torch.cat([error[0::2, 0::2].flatten(), error[1::2, 1::2].flatten()])  # means of four of them
    assert float(between.std()) == pytest.approx(expected / 2, rel=0.03)


def test_a_gray_image_gets_the_luminance_of_the_noise_of_its_colour_image():
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    gray, colour = (Camera()(t, Rng(3, ("a",))).y - t for t in (x, x.expand(-1, 3, -1, -1)))
    torch.testing.assert_close(gray, luminance(colour), atol=1e-6, rtol=0)


def test_channels_that_are_no_colours_have_noise_of_their_own():
    x = torch.full((1, 4, 64, 64), 0.5)
    error = (Camera()(x, Rng(0)).y - x)[0].flatten(1)
    assert np.abs(np.corrcoef(error) - np.eye(4)).max() < 0.1


def test_each_setting_does_what_it_is_for():
    x = torch.full((1, 3, 128, 128), 0.4)

    def error(**changes):
        return (Camera(**{"gain": 0.003, "sigma": 0.002, **PLAIN, **changes})(x, Rng(0)).y - x)[0]

    plain = error()
    assert luminance(error(reduction=1.0)).std() < 0.5 * luminance(plain).std()
    assert correlation(luminance(error(blur=0.8)), 1) > correlation(luminance(plain), 1) + 0.2
    assert luminance(error(sharpening=1.0)).std() > 1.2 * luminance(plain).std()
    red_less_light = [(t - luminance(t))[:1] for t in (plain, error(colour_blur=2.0))]
    assert correlation(red_less_light[1], 3) > correlation(red_less_light[0], 3) + 0.3


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_the_ranges_of_the_recipe_match_a_real_camera():
    """Medians over pictures of PolyU's half for training: strength, and correlation of neighbours."""
    folder = Path(os.environ["RESTOREKIT_DATA"], "real", "polyu")
    pairs = zip(*(sorted((folder / kind).iterdir())[0::4] for kind in ("noisy", "clean")), strict=True)
    real, simulated = [], []
    for i, paths in enumerate(pairs):
        y, x = (torch.from_numpy(cv2.imread(str(path))[..., ::-1] / 255).movedim(-1, 0).float() for path in paths)
        real.append(_statistics(y - x))
        x, keys = x[:, :256, :256].expand(4, -1, -1, -1), tuple(f"{i} {j}" for j in range(4))
        simulated += map(_statistics, Chain([Camera(**FITTED), JPEG(95)])(x, Rng(0, keys)).y - x)
    found, expected = np.median(simulated, 0), np.median(real, 0)
    np.testing.assert_allclose(found[:2], expected[:2], rtol=0.5)  # standard deviations, of 255
    np.testing.assert_allclose(found[2:], expected[2:], atol=0.25)  # correlations


def _statistics(error):
    """Standard deviation of luminance and red less luminance, and correlation at one, two and four pixels."""
    light = luminance(error)
    parts = light, error[:1] - light
    return [255 * float(t.std()) for t in parts] + [correlation(t, d) for t in parts for d in (1, 2, 4)]
