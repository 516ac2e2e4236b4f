import dataclasses

import numpy as np
import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem
from restorekit.corruptions import Gaussian, Missing
from restorekit.uncertainty.conditions import (
    COARSE,
    MAX_DISTANCE_PX,
    coarseness,
    conditions_of,
    departure,
    distances,
    white_level,
    without_noise,
)


def test_distances_are_euclidean_to_the_nearest_seen_value_of_the_same_channel():
    observed = torch.zeros(1, 2, 80, 90, dtype=torch.bool)
    observed[0, 0, 0, 0] = True
    found = distances(observed)
    assert float(found[0, 0, 3, 4]) == 5
    assert float(found[0, 0].max()) == MAX_DISTANCE_PX
    assert bool((found[0, 1] == MAX_DISTANCE_PX).all())
    assert not distances(torch.ones(1, 1, 4, 4, dtype=torch.bool)).any()


def test_what_is_seen_is_the_estimated_level_the_share_and_the_farthest():
    x = torch.full((2, 1, 64, 64), 0.5)
    corruption = Gaussian(0.1)
    o = corruption(x, Rng(0))
    for shown in (o, o.blind()):
        found = conditions_of(Problem(shown, corruption), distances(o.observed))
        assert [s.sigma for s in found] == [pytest.approx(0.1, rel=0.1)] * 2
        assert all(s.white and s.channels == 1 and s.missing == 0 for s in found)
    lost = Missing(0.5)(x, Rng(0))
    found = conditions_of(Problem(dataclasses.replace(lost, sigma=None), Missing(0.5)), distances(lost.observed))
    assert [(s.sigma, s.white) for s in found] == [(0, True)] * 2
    assert found[0].missing == pytest.approx(0.5, abs=0.01)
    assert found[0].farthest >= 2


def test_white_noise_is_as_strong_at_twice_the_scale_and_smeared_noise_is_stronger():
    x = torch.full((1, 3, 128, 96), 0.5)
    white = Gaussian(0.1)(x, Rng(0))
    assert coarseness(white.y[0], white.observed[0]) == pytest.approx(1, abs=0.05)
    smeared = torch.nn.functional.avg_pool2d(white.y, 2, 1)
    assert coarseness(smeared[0], white.observed[0, :, 1:, 1:]) > COARSE
    whole = torch.nn.functional.pad(smeared, (0, 1, 0, 1), mode="replicate")
    found = conditions_of(Problem(dataclasses.replace(white, y=whole), Gaussian()), distances(white.observed))[0]
    assert not found.white


def test_only_squares_without_a_gap_tell_what_noise_is_like():
    x = torch.full((1, 1, 128, 96), 0.5)
    o = Gaussian(0.1)(x, Rng(0))
    half = torch.ones(1, 128, 96, dtype=torch.bool)
    half[:, 64:] = Rng(1).uniform("m", (1, 64, 96), "cpu") < 0.5
    assert coarseness((o.y[0] * half), half) == pytest.approx(1, abs=0.1)
    assert coarseness(o.y[0], torch.zeros_like(half)) == 1
    assert coarseness(o.y[0, :, :12], half[:, :12]) == 1


def _departure(y):
    observed = torch.ones_like(y, dtype=torch.bool)
    return departure(y, observed, (y <= 0) | (y >= 1))


def _noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [3 / 255, 10 / 255, 25 / 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_noise_of_one_level_is_no_departure(sigma, channels):
    x = torch.linspace(0.2, 0.8, 192).outer(torch.ones(160)).expand(channels, -1, -1)
    assert _departure((x + sigma * _noise(channels, 192, 160)).clamp(0, 1)) == ""


def _photon(x):
    return x + (0.02 * x).sqrt() * _noise(*x.shape)


def _smeared(x):
    return x + 0.1 * torch.nn.functional.avg_pool2d(_noise(1, 194, 162), 3, 1)


def _bordered(x):
    y = 0.06 + _noise(*x.shape) / 255
    y[:, 60:130, 20:150] = (x + 0.1 * _noise(*x.shape))[:, 60:130, 20:150]
    return y


def _mosaic(x):
    y = x + 0.02 * _noise(*x.shape)
    y[:, ::2, ::2] *= 0.7
    return y


@pytest.mark.parametrize(
    ("made", "said"),
    [(_photon, "not of one level"), (_bordered, "not of one level"), (_smeared, "coarse"), (_mosaic, "finer")],
)
def test_other_noise_has_no_level(made, said):
    x = torch.linspace(0.1, 0.9, 192).outer(torch.ones(160))[None]
    y = made(x).clamp(0, 1)
    assert said in _departure(y)
    observed = torch.ones(1, 1, *y.shape[1:], dtype=torch.bool)
    found = white_level(Problem(Observation(y[None], observed, tuple(y.shape)), Gaussian(0.1)))
    assert found.sigma is None
    assert said in found.reason


def test_white_noise_has_its_level():
    y = 0.5 + 0.1 * _noise(1, 1, 192, 160)
    observed = torch.ones_like(y, dtype=torch.bool)
    found = white_level(Problem(Observation(y, observed, (1, 192, 160)), Gaussian(0.1)))
    assert found.sigma == pytest.approx(0.1, rel=0.05)
    assert found.reason == ""


def drawing(side=96):
    y, x = np.mgrid[:side, :side]
    levels = np.full((side, side), 240.0)
    levels[((x - 40) ** 2 + (y - 50) ** 2 < 900) & ((x + y) % 24 < 12)] = 90
    levels[(y % 32 < 3) | (abs(x - y) < 2)] = 17
    levels[20:60, 70:90] = 150 + (x[20:60, 70:90] // 4 % 3)
    return levels


@pytest.mark.parametrize("channels", [1, 3])
def test_a_drawing_holds_no_noise_and_one_step_of_noise_ends_that(channels):
    clean = torch.from_numpy(np.stack([drawing() - 5 * c for c in range(channels)])).float()
    seen = torch.ones(1, *clean.shape[1:], dtype=torch.bool)
    assert "of neighbouring values are equal" in without_noise(clean / 255, seen)
    for sigma in (1.0, 3.0, 25.0):
        noise = torch.from_numpy(np.random.default_rng(0).normal(0, sigma, clean.shape)).float()
        assert without_noise((clean + noise).round().clamp(0, 255) / 255, seen) == ""


def test_few_values_leave_no_room_for_noise():
    dithered = torch.from_numpy(np.random.default_rng(0).random((1, 64, 64)) < 0.5).float()
    assert "4 different values or fewer" in without_noise(dithered, torch.ones_like(dithered, dtype=torch.bool))


def test_blocks_of_jpeg_are_no_sign_of_a_drawing():
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(100, 160, (16, 16)), np.ones((8, 8)))
    for offset in (0, 3):
        y = torch.from_numpy(np.roll(blocks, offset, (0, 1)))[None].float() / 255
        assert without_noise(y, torch.ones_like(y, dtype=torch.bool)) == ""


def test_clipped_ground_does_not_hide_the_noise_of_what_stands_on_it():
    rng = np.random.default_rng(0)
    y = np.zeros((1, 128, 128))
    y[0, 30:70, 40:100] = np.rint(60 + rng.normal(0, 3, (40, 60))) / 255
    assert without_noise(torch.from_numpy(y).float(), torch.ones(1, 128, 128, dtype=torch.bool)) == ""


def test_missing_squares_do_not_count_as_equal():
    y = np.random.default_rng(0).random((1, 64, 64))
    y[:, :48] = 0
    observed = torch.from_numpy(y != 0)
    assert without_noise(torch.from_numpy(y).float(), observed) == ""
