"""Which pixels of a mask are marked."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.images import Picture, read
from restorekit.images.marks import marks_of

Y, X = np.indices((96, 96))
DISC = np.hypot(Y - 40, X - 50) < 15
RNG = np.random.default_rng(0)


def _marks(array, alpha=None, **more):
    frames = np.asarray(array).reshape(1, 96, 96, -1)
    found, notes = marks_of(Picture(frames, None if alpha is None else alpha.reshape(1, 96, 96, 1), **more))
    return found[0].any(2), notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("value", [1, 2, 200])
def test_two_values_are_observed_and_missing_whatever_the_second_is(dtype, value):
    found, notes = _marks((DISC * value).astype(dtype))
    assert np.array_equal(found, DISC)
    assert notes == []
    scattered = RNG.random((96, 96)) < 0.3
    assert np.array_equal(_marks((scattered * value).astype(dtype))[0], scattered)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numbers_of_regions_are_all_missing(dtype):
    regions = ((Y // 12 % 2) * (X // 12 % 2) * (1 + Y // 24 + X // 24)).astype(dtype)
    found, notes = _marks(regions)
    assert np.array_equal(found, regions > 0)
    assert "all but 0 count as missing" in notes[0]


def test_few_numbers_of_single_pixels_are_missing():
    array = np.zeros((96, 96), np.uint8)
    array[::20, ::20], array[5::20, 5::20] = 1, 2
    assert np.array_equal(_marks(array)[0], array > 0)


@pytest.mark.parametrize("strokes", [False, True])
def test_noise_in_black_is_not_missing(strokes):
    dim = RNG.integers(0, 4, (96, 96)).astype(np.uint8)
    found, notes = _marks(np.where(DISC & strokes, 255, dim).astype(np.uint8))
    assert np.array_equal(found, DISC & strokes)
    assert "noise in its black" in notes[0]


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_blurs_black_and_nothing_else(quality, tmp_path):
    data = io.BytesIO()
    Image.fromarray((DISC * 250 + 3 * ~DISC).astype(np.uint8)).save(data, "JPEG", quality=quality)
    (tmp_path / "m.jpg").write_bytes(data.getvalue())
    found, notes = marks_of(read(tmp_path / "m.jpg"))
    assert found[0, ..., 0][DISC].mean() > 0.99
    assert (found[0, ..., 0] & ~DISC).mean() < 0.02
    assert "compressed with loss" in notes[0]


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_strokes_on_a_transparent_layer_are_missing(colour):
    found, notes = _marks(np.broadcast_to(np.array(colour, np.uint8), (96, 96, 3)), (DISC * 255).astype(np.uint8))
    assert np.array_equal(found, DISC)
    assert "transparent layer" in notes[0]
    two = np.where((Y > 40)[..., np.newaxis], np.array(colour, np.uint8), np.uint8(9))
    assert np.array_equal(_marks(two, (DISC * 255).astype(np.uint8))[0], DISC)


def test_black_and_white_within_an_alpha_stay_black_and_white():
    white = np.where(DISC, 255, 0).astype(np.uint8)
    alpha = np.where(Y > 20, 255, 0).astype(np.uint8)
    assert np.array_equal(_marks(white, alpha)[0], DISC & (Y > 20))
    assert np.array_equal(_marks(white, np.full((96, 96), 255, np.uint8))[0], DISC)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_booleans_of_tifffile_are_read_as_stored(compression, tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", DISC, compression=compression)
    found, notes = marks_of(read(tmp_path / "m.tif"))
    assert np.array_equal(found[0, ..., 0], DISC)
    assert "as stored" in notes[0]
