import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.errors import SpecError, UsageError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions import Film, parse
from restorekit.corruptions.film import SMALLEST

DENSE = {"density": 1200.0, "size": 12.0}


def keys(count):
    return tuple(map(str, range(count)))


def test_a_tile_has_the_marks_of_the_full_image():
    x, film = torch.full((2, 3, 200, 300), 0.5), Film(**DENSE)
    full = film(x, Rng(1, ("a", "b")))
    for top, left in ((0, 0), (37, 130), (120, 211)):
        part = film(x[..., top : top + 70, left : left + 80], Rng(1, ("a", "b")).at(("a", "b"), ((top, left),) * 2))
        window = (..., slice(top, top + 70), slice(left, left + 80))
        torch.testing.assert_close(part.y, full.y[window], atol=1e-4, rtol=0)
        torch.testing.assert_close(part.marks, full.marks[window], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("tone", "low", "high"), [("white", 0.6, 1.0), ("black", 0.0, 0.4)])
def test_a_pixel_blends_towards_the_mark_by_its_opacity(tone, low, high):
    o = Film(tone=tone, opacity=1.0, **DENSE)(torch.full((4, 1, 128, 128), 0.5), Rng(0, keys(4)))
    opaque = o.marks > 0.99
    assert opaque.any()
    assert ((o.y[opaque] >= low) & (o.y[opaque] <= high)).all()
    assert bool((o.y[o.marks == 0] == 0.5).all())
    away = (o.y - 0.5).abs()
    assert float(away[(o.marks > 0) & (o.marks < 0.3)].mean()) < 0.5 * float(away[opaque].mean())


@pytest.mark.parametrize(("tone", "value"), [("white", 1.0), ("black", 0.0)])
def test_hard_marks_are_opaque_and_purely_white_or_black(tone, value):
    o = Film(tone=tone, opacity=1.0, softness=-1.0, **DENSE)(torch.full((4, 3, 128, 128), 0.5), Rng(0, keys(4)))
    inside = o.marks > 0
    assert inside.any()
    edge = inside & (o.marks < 0.95)
    assert int(edge.sum()) < 0.2 * int(inside.sum())
    assert float((o.y[(o.marks > 0.95).expand_as(o.y)] - value).abs().max()) < 0.04


def test_the_softer_the_marks_the_more_of_them_is_edge():
    x, shares = torch.full((8, 1, 192, 192), 0.5), []
    for softness in (-1.0, -0.5, 0.0, 1.0):
        marks = Film(opacity=1.0, softness=softness, **DENSE)(x, Rng(0, keys(8))).marks
        shares.append(float(((marks > 0.02) & (marks < 0.9)).sum() / (marks > 0.02).sum()))
    assert shares == sorted(shares)
    assert shares[0] < 0.2 < 0.6 < shares[-1]


def test_gray_images_have_gray_marks_and_coloured_ones_differ_by_channel():
    colour = Film(tone="coloured", **DENSE)(torch.full((1, 3, 128, 128), 0.5), Rng(0, ("a",)))
    gray = Film(tone="coloured", **DENSE)(torch.full((1, 1, 128, 128), 0.5), Rng(0, ("a",)))
    marked = colour.marks[0, 0] > 0.5
    assert float(colour.y[0, :, marked].std(0).mean()) > 0.05
    torch.testing.assert_close(gray.marks, colour.marks)
    torch.testing.assert_close(gray.y, colour.y.mean(1, keepdim=True), atol=1e-5, rtol=0)


def test_the_number_of_marks_is_the_density():
    film = Film(density=500.0, size=3.0)
    count = sum(len(marks) for marks in film._marks(torch.zeros(40, 1, 512, 512), Rng(0, keys(40))))
    wanted = 40 * 512**2 * 500 / 1e6
    assert abs(count / wanted - 1) < 0.1  # marks that reach in from outside included


def test_the_size_is_the_side_of_a_square_of_equal_area():
    for marks in Film(density=1200.0, size=12.0)._marks(torch.zeros(2, 1, 256, 256), Rng(0, keys(2))):
        for mark in marks:
            area = mark.shape.area * (mark.side / max(mark.shape.height, mark.shape.width)) ** 2
            assert (0.99 * 12 * SMALLEST) ** 2 < area < (1.01 * 12) ** 2 or mark.side == 2.0


def test_known_marks_are_missing_and_all_else_is_exact():
    x = torch.full((1, 1, 128, 128), 0.5)
    o = Film(known=True, **DENSE)(x, Rng(0, ("a",)))
    assert 0 < int((~o.observed).sum()) < o.observed.numel() / 2
    assert bool((o.y[o.observed] == 0.5).all())
    assert o.marks is None


def test_shapes_come_from_a_folder_its_folders_being_classes(tmp_path):
    square = np.full((20, 20), 255, np.uint8)
    for home in (tmp_path / "a", tmp_path / "b"):
        home.mkdir()
        Image.fromarray(square).save(home / "square.png")
    spec = f"film:shapes={tmp_path},density=200,size=10,opacity=1,tone=white"
    o = parse(spec, registry.corruptions())(torch.zeros(1, 1, 256, 256), Rng(2, ("a",)))
    marked = o.marks[0, 0] > 0.5
    assert 3 < int(marked.sum()) < 13 * 100
    assert bool((o.y[0, 0][marked] > 0.3).all())


@pytest.mark.parametrize(
    "spec", ["film:tone=blue", "film:density=5000", "film:opacity=0", "film:size=0", "film:softness=-2"]
)
def test_values_outside_of_their_range_are_refused(spec):
    with pytest.raises(SpecError):
        parse(spec, registry.corruptions())


def test_a_folder_without_shapes_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="got none"):
        Film(str(tmp_path))(torch.zeros(1, 1, 64, 64), Rng(0, ("a",)))
    with pytest.raises(UsageError, match="give an existing folder"):
        Film(str(tmp_path / "no"))(torch.zeros(1, 1, 64, 64), Rng(0, ("a",)))
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="cannot be read"):
        Film(str(tmp_path) + "/")(torch.zeros(1, 1, 64, 64), Rng(0, ("a",)))
