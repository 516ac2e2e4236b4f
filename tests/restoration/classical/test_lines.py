import numpy as np
import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Observation, shape_of
from restorekit.restoration.classical import lines
from restorekit.restoration.classical.lines import SEGMENT, LineDetector, find_lines, score_columns
from restorekit.restoration.loading import open_detector, open_repair
from restorekit.restoration.repair import ArraySource, Repair

KEY = Rng(0, ("a",))


def rounded(x):
    return (x.clamp(0, 1) * 255).round() / 255


@pytest.fixture
def grainy():
    """A smooth gray picture with noise of 4 levels, (1, 320, 240)."""
    rows, columns = torch.meshgrid(torch.arange(320) / 40, torch.arange(240) / 50, indexing="ij")
    smooth = 0.5 + 0.15 * torch.sin(rows) + 0.1 * torch.cos(columns)
    return smooth[None] + 4 / 255 * KEY.normal("grain", (1, 1, 320, 240), "cpu")[0]


def marked(x, share=1e-3):
    repair, _ = open_repair("lines", share)
    return repair.marks(ArraySource(rounded(x)), KEY)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("turned", [False, True])
def test_faint_columns_and_rows_are_found_from_end_to_end(grainy, sign, width, turned):
    grainy[:, :, 100 : 100 + width] += sign * 4 / 255  # one standard deviation of a single row
    found = marked(grainy.transpose(1, 2) if turned else grainy)
    found = found.T if turned else found
    assert found[:, 100 : 100 + width].mean() > 0.95
    assert found[:, :96].mean() < 0.001
    assert found[:, 105 + width :].mean() < 0.001


def test_a_picture_without_lines_has_none(grainy):
    assert not marked(grainy).any()


def test_a_scratch_that_drifts_is_followed_downwards(grainy):
    rows = torch.arange(320)
    columns = 90 + rows // 40
    grainy[0, rows, columns] += 12 / 255
    found = marked(grainy, 5e-3)
    assert found[rows, columns].mean() > 0.9
    assert found.mean() < 8 / 240


def test_a_line_that_ends_inside_is_marked_up_to_its_end(grainy):
    beyond = []
    for column in (60, 100, 180):
        x = grainy.clone()
        x[:, :208, column] += 12 / 255
        found = marked(x, 5e-3)
        assert found[:192, column].mean() > 0.9
        beyond.append(found[208 + 2 * SEGMENT :, column].mean())
    assert np.mean(beyond) < 0.3  # a path may go on over grain that looks like it by chance


def test_edges_ramps_and_lines_of_varied_contrast_stay(grainy):
    step, ramp, varied = (grainy.clone() for _ in range(3))
    step[:, :, 120:] += 0.2
    ramp[:, :, 118:124] += torch.linspace(0, 0.2, 6)
    ramp[:, :, 124:] += 0.2
    varied[0, :, 120] += 0.2 * torch.sin(torch.arange(320) / 20)  # once brighter, once darker than its sides
    for x in (step, ramp, varied):
        assert not marked(x).any()


def test_fabric_and_bars_of_the_picture_stay(grainy):
    bars = grainy.clone()
    bars[:, :, ::8] += 0.1
    assert not marked(bars).any()


def test_lines_of_one_colour_are_found(grainy):
    colour = grainy.repeat(3, 1, 1)
    colour[1, :, 100] += 12 / 255
    assert marked(colour)[:, 100].all()


def test_blocks_of_columns_score_as_all_columns_at_once(grainy, monkeypatch):
    plane = rounded(grainy)[0].numpy().astype(np.float16)
    full = score_columns(plane, False)
    monkeypatch.setattr(lines, "BLOCK", 64)
    np.testing.assert_allclose(score_columns(plane, False), full, atol=1e-5)


def test_search_by_strips_is_the_probability_of_the_full_image(grainy, monkeypatch):
    x = rounded(grainy.repeat(3, 1, 1))
    x[:, :, 100] += 8 / 255
    full = LineDetector().probability(
        Observation(x[None], torch.ones_like(x[None], dtype=torch.bool), shape_of(x[None])), KEY
    )
    assert torch.equal(full, LineDetector().search(ArraySource(x), KEY))
    monkeypatch.setattr(lines, "STRIP", 64)
    assert torch.allclose(full, LineDetector().search(ArraySource(x), KEY), atol=1e-6)
    np.testing.assert_array_equal(Repair(LineDetector(), 0.0).probability(ArraySource(x), KEY), full[0, 0].numpy())


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (31, 31), (40, 17), (300, 8)])
def test_small_images_have_no_lines(shape):
    assert not find_lines([np.full(shape, 0.5, np.float16)]).any()


def test_missing_values_are_no_line(grainy):
    grainy[:, :, 100] = torch.nan
    assert not Repair(LineDetector(), 1.0).marks(ArraySource(grainy), KEY).any()


def test_thresholds_come_with_the_class():
    table = open_detector("lines").table
    assert table.images >= 100
    assert list(table.log_odds) == sorted(table.log_odds, reverse=True)
    assert all(measured <= share for measured, share in zip(table.measured, table.shares, strict=True))
