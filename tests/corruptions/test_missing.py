"""What takes values out: missing, holes, lines."""

import math

import pytest
import torch

from restorekit.corruptions import Holes, Lines, Missing, Quantise
from restorekit.noise import Noise

SIDE = 100


def _lost(corruption, count=4, channels=1, side=SIDE):
    x = torch.full((count, channels, side, side), 0.5)
    return ~corruption(x, Noise(0, tuple(map(str, range(count))))).observed


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_missing_pixels_are_lost_at_their_rate(rate):
    lost = _lost(Missing(rate))
    error = math.sqrt(rate * (1 - rate) / lost.numel())
    assert abs(float(lost.double().mean()) - rate) <= 5 * error


def test_missing_pixels_are_lost_independently():
    lost = _lost(Missing(0.5), count=8).double() - 0.5
    for shift in ((0, 1), (1, 0), (1, 1)):
        assert abs(float((lost * lost.roll(shift, (2, 3))).mean())) < 5 * 0.25 / math.sqrt(lost.numel())


def test_pixels_or_single_values_are_lost():
    assert _lost(Missing(0.5), channels=3).shape[1] == 1
    lost = _lost(Missing(0.5, per_channel=True), channels=3)
    assert lost.shape[1] == 3
    both = float((lost[:, 0] & lost[:, 1]).double().mean())
    assert abs(both - 0.25) < 5 * math.sqrt(0.25 * 0.75 / lost[:, 0].numel())


@pytest.mark.parametrize("shape", ["mixed", "strokes", "boxes"])
@pytest.mark.parametrize("area", [0.0, 0.01, 0.2, 0.37, 0.9, 1.0])
def test_holes_have_exactly_the_area_asked_for(shape, area):
    lost = _lost(Holes(area, shape))
    assert lost.flatten(1).sum(1).tolist() == [round(area * SIDE * SIDE)] * 4


def test_holes_have_the_area_drawn_for_each_image():
    corruption, noise = Holes((0.1, 0.6)), Noise(0, ("a", "b", "c"))
    x = torch.zeros(3, 1, 40, 50)
    area = corruption.draw("area", x, noise).flatten()
    lost = (~corruption(x, noise).observed).flatten(1).sum(1)
    assert ((lost - area * 2000).abs() <= 1).all()
    assert len(lost.unique()) == 3


@pytest.mark.parametrize("shape", ["strokes", "boxes"])
def test_holes_are_connected_regions_and_not_dust(shape):
    lost = _lost(Holes(0.2, shape), count=8).float()
    inside = torch.nn.functional.avg_pool2d(lost, 3, 1, 1, count_include_pad=False)
    assert float((inside == 1).float().sum() / lost.sum()) > 0.5, "most lost pixels have lost neighbours all around"


def test_a_mixed_hole_is_sometimes_a_stroke_and_sometimes_a_box():
    noise, x = Noise(0, tuple(map(str, range(16)))), torch.zeros(16, 1, 32, 32)
    mixed, strokes, boxes = (Holes(0.2, shape)(x, noise).observed for shape in ("mixed", "strokes", "boxes"))
    like_strokes = [torch.equal(a, b) for a, b in zip(mixed, strokes, strict=True)]
    like_boxes = [torch.equal(a, b) for a, b in zip(mixed, boxes, strict=True)]
    assert [a != b for a, b in zip(like_strokes, like_boxes, strict=True)] == [True] * 16
    assert 0 < sum(like_strokes) < 16


@pytest.mark.parametrize(("axis", "expected"), [("columns", 0.3), ("rows", 0.3), ("both", 1 - 0.7**2)])
def test_lines_are_lost_whole_and_at_their_rate(axis, expected):
    lost = _lost(Lines(0.3, axis), count=200, side=20)
    rate = 0.3
    error = math.sqrt(rate * (1 - rate) / (200 * 20))
    assert abs(float(lost.double().mean()) - expected) < 5 * 2 * error
    if axis != "both":
        along = 2 if axis == "columns" else 3
        assert ((lost.float().mean(along) == 0) | (lost.float().mean(along) == 1)).all()
        across = 3 if axis == "columns" else 2
        assert ((lost.float().mean(across) > 0) & (lost.float().mean(across) < 1)).any()


@pytest.mark.parametrize("corruption", [Missing(0.5), Holes(0.3), Lines(0.3)], ids=str)
def test_what_is_left_is_exact_and_said_to_be(corruption):
    x = Noise(0).uniform("x", (2, 3, 20, 20), "cpu")
    observation = corruption(x, Noise(0, ("a", "b")))
    assert corruption.hides
    assert torch.equal(observation.y, x * observation.observed)
    assert (observation.sigma == 0).all()
    assert torch.equal(observation.unknown(), ~observation.observed)
    assert corruption.log_prob(observation, x) is None


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_quantised_values_lie_on_the_grid_and_nearest(bits):
    x = torch.linspace(-0.1, 1.1, 500).view(1, 1, 20, 25)
    y = Quantise(bits)(x, Noise(0)).y
    steps = y * (2**bits - 1)
    torch.testing.assert_close(steps, steps.round(), atol=1e-2, rtol=0)
    assert float((y - x.clamp(0, 1)).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6


def test_a_share_of_images_is_quantised_whole():
    x = Noise(0).uniform("x", (200, 1, 6, 6), "cpu")
    y = Quantise(2, share=0.5)(x, Noise(0)).y
    stored = (y != x).flatten(1).any(1)
    assert torch.equal(stored, (y != x).flatten(1).all(1))
    assert abs(float(stored.double().mean()) - 0.5) < 5 * math.sqrt(0.25 / 200)
