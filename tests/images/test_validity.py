"""Values without meaning: no data, and colours under full transparency."""

import numpy as np
import pytest
import tifffile

from restorekit.images import Picture, read
from restorekit.images.intensity import resolve_range
from restorekit.images.nodata import find_nodata, find_sentinels
from restorekit.images.validity import no_data, stated_white, transparent

RNG = np.random.default_rng(0)
Y, X = np.indices((64, 64))
EMPTY = X + Y < 40


def _written(path, number, dtype, tag):
    values = np.where(EMPTY, number, RNG.normal(3000, 300, (64, 64))).astype(dtype)
    tifffile.imwrite(path, values, extratags=[(42113, "s", 0, tag, True)] if tag else [])
    return read(path)


@pytest.mark.parametrize(
    ("number", "dtype", "tag"),
    [
        (-9999, np.float32, "-9999"),
        (-9999, np.float32, None),
        (-32768, np.float64, None),
        (np.finfo(np.float32).min, np.float32, "-3.40282346638529e+38"),
        (np.finfo(np.float32).min, np.float32, None),
        (9.969209968386869e36, np.float32, None),
        (0, np.uint16, "0"),
        (65535, np.uint16, "65535 "),
        (255, np.uint8, "255"),
        (np.nan, np.float32, "nan"),
    ],
)
def test_what_a_tag_or_its_distance_calls_no_data(number, dtype, tag, tmp_path):
    scene = dtype if dtype is not np.uint8 else np.uint16
    picture = _written(tmp_path / "a.tif", number, scene, tag)
    assert np.array_equal(no_data(picture)[0, ..., 0], EMPTY)
    if scene is not np.uint16:
        span = resolve_range(picture, "auto")[0]
        assert 1500 < span.low < span.high < 4500  # no data do not count


@pytest.mark.parametrize("tag", ["-9999", "1e99", "7.5", "none", ""])
def test_a_number_that_no_value_can_be_marks_nothing(tag, tmp_path):
    assert no_data(_written(tmp_path / "a.tif", 5, np.uint16, tag)) is None


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-1000, 3000, 4096),
        np.where(EMPTY, 0.0, 255.0),
        np.where(EMPTY, 0.0, 100 + X),
        RNG.normal(0, 5, (64, 64)),
        np.where(X == Y, 1.0, 0.5),
        np.zeros((0, 3)),
    ],
)
def test_measured_values_are_data(values):
    assert find_sentinels(np.asarray(values, np.float32)) == ()


def test_two_sentinels_are_found():
    values = np.where(EMPTY, -9999.0, RNG.normal(100, 20, (64, 64)))
    values[60:, 60:] = 1e20
    found = find_nodata(values.reshape(1, 64, 64, 1), None)
    assert np.array_equal(found.where[0, ..., 0], (values == -9999) | (values == 1e20))
    assert np.array_equal(found.restore(np.zeros((1, 64, 64, 1)))[0, ..., 0] != 0, found.where[0, ..., 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("numbers", [(-9999.0, -32768.0), (-9999.0, 9999.0), (-1.0,)])
def test_numbers_for_no_data_in_a_file_are_all_found(dtype, numbers, tmp_path):
    values, expected = RNG.random((64, 64)).astype(dtype), np.zeros((64, 64), bool)
    for k, number in enumerate(numbers):
        values[8 * k : 8 * k + 5, :30] = number
        expected[8 * k : 8 * k + 5, :30] = True
    np.save(tmp_path / "a.npy", values)
    with np.errstate(all="raise"):
        assert np.array_equal(no_data(read(tmp_path / "a.npy"))[0, ..., 0], expected)


@pytest.mark.parametrize("scale", [1e30, 3e37])
def test_huge_measurements_are_data(scale):
    assert find_sentinels(np.linspace(0, 10 * scale, 4096).astype(np.float32)) == ()


def test_transparent_pixels_unless_alpha_is_neglected():
    pixels, alpha = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 1), 255, np.uint8)
    assert transparent(Picture(pixels)) is None
    assert transparent(Picture(pixels, alpha)) is None
    assert transparent(Picture(pixels, 0 * alpha)) is None
    alpha[0, 1, 2], alpha[0, 3, 3] = 0, 1
    assert np.argwhere(transparent(Picture(pixels, alpha))).tolist() == [[0, 1, 2, 0]]


@pytest.mark.parametrize(
    ("tags", "white"),
    [([(281, "H", 1, 4095, True)], 4095), ([(50717, "I", 1, 16383, True)], 16383), ([], None)],
)
def test_tags_state_white(tags, white, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint16), extratags=tags)
    assert stated_white(read(tmp_path / "a.tif")) == white


def test_ome_states_significant_bits(tmp_path):
    frame = np.zeros((8, 8), np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", frame, metadata={"axes": "YX", "SignificantBits": 12})
    assert stated_white(read(tmp_path / "a.ome.tif")) == 4095
