"""Facts about the statistics of what was removed."""

import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.uncertainty.selfcheck.residual import removed, statistics_of
from tests._helpers.known_restorers import picture

SIDE = 128
WHITE = 0.1 * Rng(3).normal("white", (1, 1, SIDE, SIDE), "cpu")
ALL = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)


def test_white_noise_is_white_and_has_no_structure():
    x = picture(side=SIDE)
    found = statistics_of(x + WHITE, ALL, x)
    assert found.std == pytest.approx(0.1, rel=0.03)
    assert abs(found.neighbours) < 4 / SIDE
    assert abs(found.whiteness_z) < 5
    assert abs(found.structure_z) < 4
    assert found.white
    assert not found.structured


def test_the_whiteness_score_of_white_noise_has_mean_0_and_standard_deviation_1():
    x = torch.zeros(1, 1, 64, 64)
    scores = [statistics_of(Rng(seed).normal("w", (1, 1, 64, 64), "cpu"), x == 0, x).whiteness_z for seed in range(60)]
    assert abs(sum(scores) / 60) < 0.5
    assert 0.75 < torch.tensor(scores).std() < 1.3


def test_means_of_two_neighbours_correlate_by_a_half():
    x = picture(side=SIDE)
    rows = (WHITE + WHITE.roll(1, 3)) / 2
    found = statistics_of(x + rows, ALL, x)
    assert found.neighbours == pytest.approx(0.25, abs=0.03)  # 1/2 across, 0 down
    assert found.whiteness_z > 100
    assert not found.white


def test_what_correlates_two_pixels_apart_is_not_white():
    x = picture(side=SIDE)
    found = statistics_of(x + (WHITE + WHITE.roll(2, 2)) / 2, ALL, x)
    assert found.neighbours == pytest.approx(0, abs=0.03)
    assert found.highest == pytest.approx(0.5, abs=0.03)
    assert not found.white
    opposite = statistics_of(x + (WHITE - WHITE.roll(2, 2)) / 2, ALL, x)
    assert opposite.lowest == pytest.approx(-0.5, abs=0.03)
    assert not opposite.white


def test_detail_that_was_removed_is_structure():
    x = picture(side=SIDE)
    smooth = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    found = statistics_of(x + WHITE / 20, ALL, smooth)
    assert found.structured
    assert found.structure > 0.5


def test_missing_values_take_no_part():
    x, gaps = picture(side=SIDE), torch.arange(SIDE).view(1, 1, 1, SIDE).expand_as(ALL) % 5 > 0
    y = torch.where(gaps, x + WHITE, 7.0)
    found, residual = statistics_of(y, gaps, x), removed(y, gaps, x)
    assert found.std == pytest.approx(0.1, rel=0.03)
    assert found.white
    assert bool((residual[~gaps] == 0).all())
    assert torch.allclose(residual[gaps], WHITE[gaps], atol=1e-6)


def test_images_too_small_for_squares_have_no_figure_of_structure():
    x = picture(side=6)
    found = statistics_of(x + WHITE[..., :6, :6], ALL[..., :6, :6], x)
    assert found.structure is None
    assert found.structure_z is None
    assert math.isfinite(found.whiteness_z)


def test_nothing_removed_is_no_error():
    x = picture(side=SIDE)
    found = statistics_of(x, ALL, x)
    assert (found.std, found.neighbours, found.structure) == (0, 0, 0)
