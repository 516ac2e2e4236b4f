import math
import statistics

import pytest
import torch

from restorekit.corruptions.mark_shapes import Shape, drawn_shapes


def test_drawn_shapes_are_always_the_same_and_touch_no_border():
    assert [len(shapes) for shapes in drawn_shapes()] == [24, 24, 24]
    for shapes in drawn_shapes():
        for shape in shapes:
            border = torch.cat([shape.opacity[0], shape.opacity[-1], shape.opacity[:, 0], shape.opacity[:, -1]])
            assert int(border.max()) == 0
            assert shape.area > 20
    again = drawn_shapes.__wrapped__()
    assert torch.equal(again[1][3].opacity, drawn_shapes()[1][3].opacity)


def test_classes_differ_in_how_long_and_thin_their_shapes_are():
    blobs, hairs, scratches = ([shape.area / shape.opacity.shape[0] ** 2 for shape in s] for s in drawn_shapes())
    median = statistics.median
    assert median(blobs) > 2 * median(hairs) > 0
    assert median(blobs) > 2 * median(scratches) > 0


def test_a_smaller_copy_has_the_mean_opacity_of_what_it_covers():
    shape = Shape((torch.rand(64, 48, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8))
    small = shape.at(16, 0.0, torch.device("cpu"))
    assert small.shape == (16, 12)
    assert float(small[0, 0]) == pytest.approx(float(shape.opacity[:4, :4].float().mean()) / 255, abs=1e-5)


def test_the_side_of_a_size():
    square = Shape(torch.full((20, 20), 255, dtype=torch.uint8))
    assert square.side(7.0) == pytest.approx(7.0)
    line = Shape(torch.full((1, 100), 255, dtype=torch.uint8))
    assert line.side(5.0) == pytest.approx(50.0)
    assert math.isfinite(Shape(torch.zeros(4, 4, dtype=torch.uint8)).side(5.0))
