"""Facts about the level of noise that the check goes by where nobody tells it."""

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.uncertainty.noise_level import ERROR_8BIT, TEXTURE, UNEVEN, level, unevenness
from tests._helpers.known_restorers import picture

SIDE = 256


def noise(channels=1, seed=5):
    return Rng(seed).normal("n", (1, channels, SIDE, SIDE), "cpu")[0]


def everywhere(y):
    """All observed, none cut off."""
    return torch.ones_like(y, dtype=torch.bool), torch.zeros_like(y, dtype=torch.bool)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [2 / 255, 25 / 255])
def test_of_pure_noise_it_is_the_standard_deviation_less_what_texture_would_add(sigma, channels):
    y = 0.5 + sigma * noise(channels)
    assert level(y, *everywhere(y)).sigma + TEXTURE == pytest.approx(sigma, rel=0.03)


def test_texture_in_half_of_the_picture_does_not_mislead_it():
    y = picture(side=SIDE)[0] + 15 / 255 * noise()
    assert level(y, *everywhere(y)).sigma == pytest.approx(15 / 255, abs=3 * ERROR_8BIT)


def test_values_that_are_not_valid_do_not_count():
    y = 0.5 + 0.1 * noise()
    observed, none = everywhere(y)
    observed[:, :, :100] = False
    y[~observed] = 9.0
    assert level(y, observed, none).sigma + TEXTURE == pytest.approx(0.1, rel=0.03)


def test_too_little_tells_nothing():
    y = noise()
    assert level(y[:, :60], *everywhere(y[:, :60])) is None
    assert level(y, Rng(1).uniform("m", (1, SIDE, SIDE), "cpu") < 0.5, everywhere(y)[1]) is None


def test_squares_whose_noise_was_cut_off_do_not_count():
    x = torch.linspace(0, 0.6, SIDE).expand(1, SIDE, SIDE)
    y, dark = (x + 0.1 * noise()).clamp(0, 1), (0.02 + 0.1 * noise()).clamp(0, 1)
    observed, _ = everywhere(y)
    assert level(y, observed, y == 0).sigma == pytest.approx(0.1, abs=3 * ERROR_8BIT)
    assert level(dark, observed, dark == 0) is None


def test_noise_of_one_level_is_even_whatever_the_picture():
    y = picture(side=SIDE)[0] + 15 / 255 * noise()
    assert 1 / 1.5 < unevenness(y, *everywhere(y)) < 1.5
    assert unevenness(y[:, :60], *everywhere(y[:, :60])) == 1


def test_noise_of_photons_is_stronger_in_bright_parts_by_as_much_as_they_are_brighter():
    x = torch.linspace(0.1, 0.9, SIDE).expand(1, SIDE, SIDE)
    y = x + x.sqrt() * 0.1 * noise()
    found = unevenness(y, *everywhere(y))
    assert UNEVEN < found == pytest.approx(0.77 / 0.23, rel=0.25)  # means of the brightest and the darkest third
    assert unevenness(1 - y, *everywhere(y)) == pytest.approx(1 / found)
