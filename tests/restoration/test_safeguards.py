"""Restorations are held to what was observed where noise does not explain the difference."""

import warnings

import numpy as np
import pytest
import torch

from restorekit import Observation, Restoration
from restorekit.core.types import Problem
from restorekit.corruptions import Blur, Chain, Gaussian, Missing, Poisson, Quantise, SaltPepper, Sensor, Stripes
from restorekit.restoration.api import load
from restorekit.restoration.safeguards import Removed, Safeguard, hold, is_held, power_by_brightness

SIGMA = 20 / 255


def ramp(height=192, width=224):
    return torch.linspace(0.3, 0.6, height).outer(torch.ones(width))[None, None]


def problem(y, observed=None, corruption=None, sigma=None):
    observed = torch.ones_like(y[:, :1], dtype=torch.bool) if observed is None else observed
    level = None if sigma is None else torch.full((len(y), 1, 1, 1), sigma)
    return Problem(Observation(y, observed, tuple(y.shape[1:]), level), corruption or Gaussian(SIGMA))


def noisy(x, seed=0):
    return x + SIGMA * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def error(a, b):
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize(
    ("corruption", "held"),
    [
        (Gaussian(0.1), True),
        (Poisson(100.0), True),
        (Chain((Gaussian(0.1), Missing(0.5))), True),
        (Chain((Gaussian(0.1), Quantise())), True),
        (Missing(0.5), True),
        (SaltPepper(0.1), False),
        (Stripes(), False),
        (Sensor(), False),
        (Chain((Blur(2.0), Gaussian(0.1))), False),
    ],
)
def test_noise_of_zero_mean_alone_is_held(corruption, held):
    assert is_held(corruption, (1, 64, 64)) is held
    assert not is_held(corruption, (1, 63, 500))


def test_a_lost_local_mean_is_put_back():
    x = ramp()
    y, darker = noisy(x), x * 0.95
    found, concerns = hold(problem(y), Restoration(darker))
    assert error(found.mmse, x) < 0.15 * error(darker, x)
    assert ["local means changed" in sentence for sentence in concerns] == [True]


def test_a_good_restoration_stays_and_raises_no_concern():
    x = ramp()
    found, concerns = hold(problem(noisy(x)), Restoration(x))
    assert concerns == []
    assert error(found.mmse, x) < 0.03 * SIGMA  # a Gaussian of s pixels leaves 1 / (2 sqrt(pi) s) of the noise


def test_draws_and_interval_move_with_the_estimate():
    x = ramp()
    y, darker = noisy(x), x * 0.95
    given = Restoration(darker, torch.ones_like(x), darker[None].expand(3, -1, -1, -1, -1), darker - 0.1, darker + 0.1)
    found, _ = hold(problem(y), given)
    torch.testing.assert_close(found.draws, found.mmse.expand_as(found.draws))
    torch.testing.assert_close(found.high - found.mmse, torch.full_like(x, 0.1))
    torch.testing.assert_close(found.mmse - found.low, torch.full_like(x, 0.1))
    assert torch.equal(found.std, given.std)


def test_periodic_structure_is_left_as_it_was():
    x = ramp().clone()
    x[..., ::2, ::2] -= 0.1
    y = noisy(x)
    found, concerns = hold(problem(y), Restoration(ramp() - 0.025))
    torch.testing.assert_close(found.mmse, y)
    assert "in 100% of the image" in concerns[0]


def test_missing_values_are_neither_moved_by_their_own_nor_left_dark():
    x = ramp()
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[..., 60:70, 60:70] = False
    y = torch.where(observed, noisy(x), 0.0)
    found, concerns = hold(problem(y, observed), Restoration(x))
    assert concerns == []
    assert error(found.mmse, x) < 0.03 * SIGMA


def test_near_clipped_values_the_mean_of_the_noise_itself_moves_and_nothing_is_held():
    x = torch.full((1, 1, 192, 192), 0.02)
    y = noisy(x).clamp(0, 1)
    found, _ = hold(problem(y), Restoration(x))
    assert torch.equal(found.mmse, x)


def test_black_and_white_images_keep_their_mean():
    x = torch.full((1, 1, 192, 192), 0.3)
    y = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < x).float()
    found, concerns = hold(problem(y), Restoration(torch.full_like(x, 0.45)))
    assert float(found.mmse.mean()) == pytest.approx(0.3, abs=0.01)
    assert concerns


@pytest.mark.parametrize(
    "given",
    [
        {"sigma": 0.0},
        {"corruption": Chain((Blur(2.0), Gaussian(0.1)))},
    ],
)
def test_known_values_and_other_corruptions_are_left_to_the_model(given):
    x = ramp()
    restoration = Restoration(x * 0.9)
    assert hold(problem(x, **given), restoration) == (restoration, [])


def test_strips_are_corrected_as_the_entire_image_is():
    x = ramp(700, 150)
    residual = (noisy(x) - x * 0.95)[0]
    residual[:, 300:, ::2] += 0.1
    image = Removed(noisy(x)[0], residual, torch.zeros_like(residual, dtype=torch.bool))
    guard = Safeguard((1, 700, 150), lambda top, bottom: Removed(*(t[:, top:bottom] for t in image)))
    parts = torch.cat([guard.correction(top, min(700, top + 96)) for top in range(0, 700, 96)], 1)
    torch.testing.assert_close(parts, guard.correction(0, 700))


def test_python_leaves_a_mosaic_alone_and_warns():
    rng = np.random.default_rng(0)
    mosaic = np.full((128, 128), 150.0)
    mosaic[::2, ::2], mosaic[1::2, 1::2] = 90, 60
    y = np.clip(np.rint(mosaic + rng.normal(0, 4, mosaic.shape)), 0, 255).astype(np.uint8)
    restore = load("default", device="cpu")
    with pytest.warns(UserWarning, match="fine regular structure"):
        found = restore(y)
    assert np.abs(255 * found.mmse - y).max() < 1e-3
    flat = np.clip(np.rint(120 + rng.normal(0, 10, mosaic.shape)), 0, 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.std(255 * restore(flat).mmse) < 2


def test_hold_is_per_image_of_a_batch():
    x = torch.cat([ramp(), ramp()])
    found, concerns = hold(problem(noisy(x)), Restoration(torch.cat([ramp(), ramp() * 0.9])))
    assert len(concerns) == 1
    assert error(found.mmse, x) < 0.1 * SIGMA


def textured(amplitude):
    """Return a flat image whose right half has leaves, say: noise of 3 pixels, and where they are."""
    leaves = torch.nn.functional.avg_pool2d(
        torch.randn(1, 1, 194, 226, generator=torch.Generator().manual_seed(5)), 3, 1
    )
    where = (torch.arange(224) >= 112).float().expand(1, 1, 192, 224)
    return 0.5 + amplitude * 3 * leaves * where, where


@pytest.mark.parametrize("level", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("rounded", [False, True])
def test_detail_that_was_taken_for_noise_is_put_back(level, rounded):
    x, where = textured(5 * level / 255)
    y = x + level / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    y = torch.round(255 * y) / 255 if rounded else y
    lost = Restoration(torch.full_like(x, 0.5))
    found, concerns = hold(problem(y), lost)
    assert error(found.mmse, x) < 1.15 * error(y, x) < 0.5 * error(lost.mmse, x)
    assert error(found.mmse[..., :80], x[..., :80]) < 0.3 * error(y, x)  # flat parts stay restored
    assert any("more was taken for noise" in sentence for sentence in concerns)
    assert float((found.mmse - x)[where > 0].abs().max()) < 0.2


def smeared(z):
    """Return noise of three pixels with the power of the given one."""
    return 3 * torch.nn.functional.avg_pool2d(torch.nn.functional.pad(z, (1, 1, 1, 1), mode="circular"), 3, 1)


@pytest.mark.parametrize(
    "noise",
    [
        lambda x, z: 0.02 * z,
        lambda x, z: 0.15 * x.sqrt() * z,
        lambda x, z: 0.2 * x * z,
        lambda x, z: 0.1 * (1 - x) * z,
        lambda x, z: 0.05 * smeared(z),
    ],
    ids=["white", "Poisson", "speckle", "more in the dark", "coarse"],
)
def test_noise_of_any_law_stays_removed(noise):
    x = torch.linspace(0.2, 0.7, 192).outer(torch.ones(224))[None, None]
    y = x + noise(x, torch.randn(x.shape, generator=torch.Generator().manual_seed(3)))
    image = Removed(y[0], (y - x)[0], torch.zeros(1, 192, 224, dtype=torch.bool))
    excess = Safeguard((1, 192, 224), lambda top, bottom: Removed(*(t[:, top:bottom] for t in image))).excess
    assert float(excess.mean()) < 0.001
    assert not any("taken for noise" in sentence for sentence in hold(problem(y), Restoration(x))[1])


def test_nothing_is_put_back_where_no_square_tells_the_noise():
    x, _ = textured(0.1)
    observed = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    image = Removed(x[0], torch.where(observed, x - 0.5, torch.nan)[0], torch.zeros_like(observed[0]))
    assert not bool(
        Safeguard((1, 192, 224), lambda top, bottom: Removed(*(t[:, top:bottom] for t in image))).excess.any()
    )


def test_power_is_that_of_the_flattest_squares_of_like_brightness():
    rng = np.random.default_rng(0)
    brightness = np.repeat(np.linspace(0.1, 0.9, 32)[:, None], 48, 1)[None]
    noise = 0.01 * brightness
    measured = noise * rng.chisquare(61, noise.shape) / 61
    measured[:, :, 30:] += 0.1  # structure
    found = power_by_brightness(measured, brightness, np.full(noise.shape, True))
    np.testing.assert_allclose(found / noise, 1, atol=0.5)


def test_power_is_at_least_that_of_rounding_and_unknown_among_few_squares():
    zero = np.zeros((2, 8, 8))
    usable = np.full(zero.shape, True)
    usable[1, 1:] = False
    found = power_by_brightness(zero, zero, usable)
    assert np.all(found[0] == (0.4 / 255) ** 2)
    assert np.all(np.isinf(found[1]))


def stripes_and_leaves(level):
    """Return an image with leaves everywhere, more of them where waves are steep, and white noise; nothing is flat."""
    generator = torch.Generator().manual_seed(2)
    x = torch.arange(224.0)
    waves = torch.sin(x.square() / 900).expand(1, 1, 192, 224)
    leaves = torch.randn(1, 1, 192, 224, generator=generator) * torch.linspace(0.01, 0.05, 224)
    return 0.5 + 0.1 * waves, leaves, level * torch.randn(1, 1, 192, 224, generator=generator)


def test_lost_detail_of_an_image_without_flat_parts_is_flagged():
    smooth, leaves, noise = stripes_and_leaves(1 / 255)
    _, concerns = hold(problem(smooth + leaves + noise), Restoration(smooth))
    assert any("detail" in sentence for sentence in concerns)
    _, concerns = hold(problem(smooth + noise), Restoration(smooth))
    assert concerns == []
    _, concerns = hold(problem(smooth + leaves + noise), Restoration(smooth + leaves))
    assert concerns == []


def test_coarse_noise_that_follows_structure_is_not_taken_for_detail():
    """A camera's JPEG file keeps noise where there is structure."""
    smooth, leaves, _ = stripes_and_leaves(0)
    image = Removed((smooth + smeared(leaves))[0], smeared(leaves)[0], torch.zeros(1, 192, 224, dtype=torch.bool))
    assert not Safeguard((1, 192, 224), lambda top, bottom: Removed(*(t[:, top:bottom] for t in image))).drawn


def clipped_safeguard(y, residual):
    parts = y, residual, (y <= 0) | (y >= 1)
    return Safeguard(tuple(y.shape), lambda top, bottom: Removed(*(part[:, top:bottom] for part in parts)))


def test_means_near_white_are_held_though_noise_is_clipped():
    """Clipping may move the mean by less than its share times the noise; a model that brightens beyond is held."""
    rng = np.random.default_rng(0)
    truth = np.where(np.indices((1, 128, 128)).sum(0) % 23 < 3, 0.2, 0.92)
    y = torch.from_numpy(np.clip(truth + rng.normal(0, 10 / 255, truth.shape), 0, 1)).float()
    residual = y - torch.from_numpy(np.where(truth > 0.5, 0.965, truth)).float()
    safeguard = clipped_safeguard(y, residual)
    held = y - residual + safeguard.correction(0, 128)
    assert abs(float((held - y).mean())) < 0.3 / 255
    assert any("local means" in sentence for sentence in safeguard.concerns)


def test_noise_that_white_clips_moves_no_mean():
    rng = np.random.default_rng(0)
    truth = np.ones((1, 128, 128)) * np.linspace(0.7, 1, 128)
    for sigma in (5 / 255, 25 / 255, 50 / 255):
        y = torch.from_numpy(np.clip(truth + rng.normal(0, sigma, truth.shape), 0, 1)).float()
        residual = y - torch.from_numpy(truth).float()
        safeguard = clipped_safeguard(y, residual)
        assert safeguard.moved < 0.03
        assert not any("local means" in sentence for sentence in safeguard.concerns)
