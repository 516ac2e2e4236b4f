import numpy as np
import pytest
from PIL import Image

from restorekit.images.intensity import IntensityRange
from restorekit.images.previews import (
    LOSSLESS,
    SIDE,
    THUMB,
    coloured,
    eight_bits,
    marked,
    pictured,
    small,
    step,
    write_thumb,
    write_view,
)

BYTES = IntensityRange(0, 255)


def test_a_picture_of_a_small_image_is_the_image():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(pictured(pixels, BYTES), pixels)


@pytest.mark.parametrize(("channels", "shown"), [(1, (0, 0, 0)), (2, (0, 0, 0)), (3, (0, 1, 2)), (5, (0, 1, 2))])
def test_every_number_of_channels_becomes_three(channels, shown):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, channels), np.uint8)
    assert np.array_equal(pictured(pixels, BYTES), pixels[:, :, shown])


def test_values_stand_in_their_range_and_are_clipped_to_it():
    pixels = np.array([[[-5.0], [0.0], [50.0], [100.0], [200.0]]], np.float32)
    assert pictured(pixels, IntensityRange(0, 100))[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_missing_pixels_are_transparent():
    pixels, missing = np.full((2, 2, 1), 200, np.uint8), np.zeros((2, 2, 1), bool)
    missing[0, 1] = True
    shown = pictured(pixels, BYTES, missing)
    assert shown[..., 3].tolist() == [[255, 0], [255, 255]]
    assert shown[0, 0].tolist() == [200, 200, 200, 255]


def test_a_large_image_is_averaged_without_what_is_missing():
    assert (step(SIDE, 10), step(SIDE + 1, 10), small(2 * SIDE, 3)) == (1, 2, (SIDE, 2))
    pixels, missing = np.full((2, 2 * SIDE, 1), 100, np.uint16), np.zeros((2, 2 * SIDE, 1), bool)
    pixels[0], missing[0] = 60000, True
    shown = pictured(pixels, IntensityRange(0, 255), missing)
    assert shown.shape == (1, SIDE, 4)
    assert np.unique(shown[..., :3]).tolist() == [100]
    assert np.unique(shown[..., 3]).tolist() == [128]


def test_nan_is_black_and_does_not_warn():
    with np.errstate(all="raise"):
        assert eight_bits(np.array([[np.nan, 1.0]], np.float32)[..., None]).tolist() == [[[0] * 3, [255] * 3]]


def test_colours_grow_brighter_from_low_to_high():
    shown = coloured(np.linspace(-1, 2, 30)[None], 0.0, 1.0).astype(int)
    light = shown[0] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) >= -1).all()
    assert shown[0, 0].tolist() == shown[0, 9].tolist()  # all that is under low
    assert shown[0, -1, 0] > 200 > 100 > shown[0, -1, 2]  # yellow
    assert shown[0, 0, 2] > shown[0, 0, 0]  # blue


def test_what_is_marked_has_a_colour_and_the_rest_is_transparent():
    assert marked(np.array([[True, False]]), (1, 2, 3)).tolist() == [[[1, 2, 3, 255], [1, 2, 3, 0]]]


def test_small_pictures_keep_every_bit_and_large_ones_are_jpegs(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 4), np.uint8)
    path = write_view(tmp_path / "a.b-before", picture)
    assert path.name == "a.b-before.png"
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    side = int(LOSSLESS**0.5) + 1
    path = write_view(tmp_path / "large", np.zeros((side, side, 4), np.uint8))
    with Image.open(path) as found:
        assert (path.name, found.format, found.size) == ("large.jpg", "JPEG", (side, side))
        assert len(found.convert("L").getcolors(256)) >= 2  # a chequered ground where nothing is


def test_a_thumb_is_small(tmp_path):
    with Image.open(write_thumb(tmp_path / "t.jpg", np.zeros((50, 700, 3), np.uint8))) as found:
        assert found.size == (THUMB, round(THUMB * 50 / 700))
