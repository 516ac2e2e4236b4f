import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Holes


@pytest.mark.parametrize("shape", ["mixed", "strokes", "boxes"])
@pytest.mark.parametrize("area", [0.0, 0.01, 0.2, 0.37, 0.9, 1.0])
def test_holes_have_exactly_the_area_asked_for(shape, area, lost):
    gone = lost(Holes(area, shape))
    assert gone.flatten(1).sum(1).tolist() == [round(area * 100 * 100)] * 4


def test_holes_have_the_area_drawn_for_each_image():
    corruption, rng = Holes((0.1, 0.6)), Rng(0, ("a", "b", "c"))
    x = torch.zeros(3, 1, 40, 50)
    area = corruption.draw("area", x, rng).flatten()
    lost = (~corruption(x, rng).observed).flatten(1).sum(1)
    assert ((lost - area * 2000).abs() <= 1).all()
    assert len(lost.unique()) == 3


@pytest.mark.parametrize("shape", ["strokes", "boxes"])
def test_holes_are_connected_regions_and_not_dust(shape, lost):
    gone = lost(Holes(0.2, shape), count=8).float()
    inside = torch.nn.functional.avg_pool2d(gone, 3, 1, 1, count_include_pad=False)
    assert float((inside == 1).float().sum() / gone.sum()) > 0.5, "most lost pixels have lost neighbours all around"


def test_a_mixed_hole_is_sometimes_a_stroke_and_sometimes_a_box():
    rng, x = Rng(0, tuple(map(str, range(16)))), torch.zeros(16, 1, 32, 32)
    mixed, strokes, boxes = (Holes(0.2, shape)(x, rng).observed for shape in ("mixed", "strokes", "boxes"))
    like_strokes = [torch.equal(a, b) for a, b in zip(mixed, strokes, strict=True)]
    like_boxes = [torch.equal(a, b) for a, b in zip(mixed, boxes, strict=True)]
    assert [a != b for a, b in zip(like_strokes, like_boxes, strict=True)] == [True] * 16
    assert 0 < sum(like_strokes) < 16
