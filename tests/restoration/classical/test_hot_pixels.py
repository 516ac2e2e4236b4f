from dataclasses import replace

import numpy as np
import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.restoration.classical.hot_pixels import pixel_scores
from restorekit.restoration.loading import open_detector, open_repair
from restorekit.restoration.repair import ArraySource
from restorekit.restoration.tiling import Limits

KEY = Rng(0, ("a",))
PLACES = [(20, 30), (50, 90), (70, 41), (71, 12), (0, 5), (99, 119)]


@pytest.fixture
def grainy():
    """A smooth colour picture with noise of 2 levels, (3, 100, 120)."""
    rows, columns = torch.meshgrid(torch.arange(100) / 40, torch.arange(120) / 50, indexing="ij")
    smooth = 0.5 + 0.15 * torch.sin(rows) + 0.1 * torch.cos(columns)
    return smooth.expand(3, -1, -1) + 2 / 255 * KEY.normal("grain", (1, 3, 100, 120), "cpu")[0]


def marks(x, limits=None):
    repair, _ = open_repair("pixels", 2e-4, grow=0)
    repair = replace(repair, limits=limits)
    return [tuple(place) for place in np.argwhere(repair.marks(ArraySource((x * 255).round() / 255), KEY)).tolist()]


@pytest.mark.parametrize("channels", [[0, 1, 2], [1]])
@pytest.mark.parametrize("contrast", [-0.2, 0.2])
def test_hot_and_dead_pixels_are_found_and_nothing_else(grainy, channels, contrast):
    for row, column in PLACES:
        grainy[channels, row, column] += contrast
    assert marks(grainy) == sorted(PLACES)
    if len(channels) == 3:
        assert marks(grainy[:1]) == sorted(PLACES)


def test_tiles_find_what_the_full_image_has(grainy):
    for row, column in PLACES:
        grainy[:, row, column] += 0.2
    assert marks(grainy, limits=Limits(64, 64**2)) == sorted(PLACES)


def cross(x, row, column, channels, height):
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            x[channels, row + down, column + right] += height * 0.5 ** (abs(down) + abs(right))


def test_the_cross_that_demosaicking_makes_is_found_and_a_star_is_not(grainy):
    cross(grainy, 40, 40, [0], 0.3)
    cross(grainy, 70, 80, [0, 1, 2], 0.3)
    assert set(marks(grainy)) == {(40, 40), (39, 40), (41, 40), (40, 39), (40, 41)}
    assert marks(grainy[:1]) == []  # in gray, a cross is a star


def test_lines_edges_grass_and_noise_stay(grainy):
    line, edge = grainy.clone(), grainy.clone()
    line[:, :, 60] += 0.3
    edge[:, 50:, 60:] += 0.3
    rough = 0.5 + 0.1 * KEY.normal("salt", (1, 1, 100, 120), "cpu")[0]
    assert [marks(x) for x in (grainy, line, edge)] == [[]] * 3
    assert len(marks(rough)) <= 0.001 * 100 * 120


def test_scores_grow_with_the_contrast_and_are_zero_in_flat_images():
    x = np.full((1, 20, 20), 0.5, np.float32)
    assert not pixel_scores(x).any()
    x[0, 10, 10] += 0.1
    low = pixel_scores(x)
    x[0, 10, 10] += 0.1
    assert pixel_scores(x)[10, 10] > low[10, 10] > 0
    assert np.count_nonzero(low) == 1


def test_thresholds_come_with_the_class():
    table = open_detector("pixels").table
    assert table.images >= 100
    assert all(measured <= share for measured, share in zip(table.measured, table.shares, strict=True))
    assert torch.isfinite(torch.tensor(table.log_odds)).all()
