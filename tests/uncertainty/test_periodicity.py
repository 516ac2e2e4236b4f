"""Spectral lines of a residual are found where they are, and nowhere else."""

import math

import pytest
import torch

from restorekit.uncertainty.periodicity import MIN_SIDE, REGION, SpectralLines, has_lines


def noise(*shape, seed=0, std=8 / 255):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * std


def lattice(shape, periods, amplitude):
    """Return a product of cosines of two periods in pixels; a period of None is constant."""
    rows, columns = (
        torch.ones(size) if period is None else torch.cos(2 * math.pi * torch.arange(size) / period)
        for size, period in zip(shape, periods, strict=True)
    )
    return amplitude * rows.outer(columns)[None]


def found(residual):
    return SpectralLines(tuple(residual.shape[1:]), lambda top, bottom: residual[:, top:bottom])


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 100, 300), (3, 256, 200)])
@pytest.mark.parametrize("std", [1 / 255, 25 / 255])
def test_white_noise_has_no_lines(shape, std):
    assert found(noise(*shape, std=std)).share == 0


def test_smooth_and_smeared_residuals_have_no_lines():
    smeared = torch.nn.functional.avg_pool2d(noise(1, 258, 258, std=0.1), 3, 1)
    edge = torch.zeros(1, 256, 256)
    edge[:, :, 100:] = 0.2
    assert found(smeared).share == 0
    assert found(edge + noise(1, 256, 256)).share == 0


@pytest.mark.parametrize("periods", [(2, 2), (None, 2), (2, None), (3, 3.3), (4, 4), (2.7, None)])
def test_lines_are_found_under_noise(periods):
    residual = noise(1, 192, 192) + lattice((192, 192), periods, 5 / 255)
    assert found(residual).share == pytest.approx(1)


def test_amplitude_of_a_jpeg_grid_is_too_small():
    grid = torch.zeros(1, 128, 128)
    grid[:, ::8], grid[:, :, ::8] = 0.5 / 255, 0.5 / 255
    assert not has_lines(grid + noise(1, 128, 128, std=1 / 255))
    assert has_lines(20 * grid + noise(1, 128, 128, std=1 / 255))


def test_lines_of_one_colour_are_found():
    residual = noise(3, 128, 128)
    residual[2] += lattice((128, 128), (2, 2), 8 / 255)[0]
    assert has_lines(residual)


def test_only_the_part_with_lines_is_weighted():
    residual = noise(1, 512, 640)
    residual[:, :, 320:] += lattice((512, 320), (2, 2), 10 / 255)
    lines = found(residual)
    weight = lines.weight(0, 512)
    assert lines.share == pytest.approx(float(weight.mean()), abs=1e-4)
    assert bool((weight[:, 320 + REGION :] == 1).all())
    assert bool((weight[:, : 320 - REGION] == 0).all())
    assert float((weight[:, 1:] - weight[:, :-1]).abs().max()) <= 2.1 / REGION


def test_rows_of_the_weight_are_those_of_the_entire_image():
    residual = noise(1, 300, 200)
    residual[:, 150:] += lattice((150, 200), (2, 2), 10 / 255)
    lines = found(residual)
    torch.testing.assert_close(lines.weight(77, 201), lines.weight(0, 300)[77:201])


def test_small_images_are_not_judged():
    assert found(lattice((MIN_SIDE - 1, 300), (2, 2), 0.2)).share == 0


def test_each_row_is_read_once_however_regions_overlap():
    residual, read = noise(1, 333, 200), []

    def rows(top, bottom):
        read.extend(range(top, bottom))
        return residual[:, top:bottom]

    SpectralLines((333, 200), rows)
    assert read == list(range(333))
