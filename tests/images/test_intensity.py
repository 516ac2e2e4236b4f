import numpy as np
import pytest

from restorekit.core.errors import UsageError
from restorekit.images import IntensityRange, Picture, from_unit, parse_range, read, resolve_range, to_unit
from restorekit.images.intensity import range_of
from tests._helpers.tiff_files import packed_tiff


def _picture(values, **more):
    return Picture(np.asarray(values).reshape(1, 1, -1, 1), format="tiff", **more)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_comes_back(dtype):
    top = np.iinfo(dtype).max
    values = np.arange(top + 1, dtype=dtype)
    found, warning = resolve_range(_picture(values[-10:]))
    assert (found, warning) == (IntensityRange(0, top), None)
    unit = to_unit(values, found)
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (0, 1)
    assert np.array_equal(from_unit(unit, found, dtype), values)


def test_a_dark_16_bit_file_stays_dark():
    assert resolve_range(_picture(np.array([0, 255], np.uint16)), "auto")[0] == IntensityRange(0, 65535)


def test_integers_round_half_to_even_and_clip():
    half = np.array([0.5, 1.5, 2.5, -9, 300, 254.5], np.float32) / 255
    found = from_unit(half.astype(np.float64), IntensityRange(0, 255), np.uint8)
    assert found.tolist() == [0, 2, 2, 0, 255, 254]


def test_floats_within_0_and_1_stand_as_they_are():
    values = np.array([0.0, 1e-6, 1.0], np.float32)
    for option in (None, "auto"):
        assert resolve_range(_picture(values), option) == (IntensityRange(0, 1), None)
    assert np.array_equal(to_unit(values, IntensityRange(0, 1)), values)


def test_what_corrupt_wrote_stands_as_it_is():
    assert resolve_range(_picture(np.array([-0.2, 1.3], np.float32), spec="gaussian:sigma=0.1"))[0] == IntensityRange(
        0, 1
    )


def test_other_floats_span_their_percentiles_with_a_warning():
    values = np.linspace(-5, 1005, 1011, dtype=np.float64)
    found, warning = resolve_range(_picture(values))
    assert found.low == pytest.approx(np.percentile(values, 0.1))
    assert found.high == pytest.approx(np.percentile(values, 99.9))
    assert warning is not None
    assert "--range" in warning
    assert resolve_range(_picture(values), "auto") == (found, None)
    unit = to_unit(values, found)
    assert unit.min() < 0  # margins are not clipped
    assert unit.max() > 1
    assert np.allclose(from_unit(unit, found, np.float64), values, atol=1e-4)


def test_missing_values_do_not_count():
    values = np.array([10.0, 20.0, 0.0], np.float32)
    missing = np.array([False, False, True]).reshape(1, 1, 3, 1)
    assert resolve_range(_picture(values, missing=missing))[0].low == pytest.approx(10.01)


def test_a_constant_or_unknown_float_file_has_a_range():
    assert resolve_range(_picture(np.full(4, 7.0)))[0] == IntensityRange(7, 8)
    nothing = _picture(np.zeros(2, np.float32), missing=np.ones((1, 1, 2, 1), bool))
    assert resolve_range(nothing)[0] == IntensityRange(0, 1)


def test_an_explicit_range_wins():
    found, warning = resolve_range(_picture(np.array([0, 4095], np.uint16)), (0, 4095))
    assert (found, warning) == (IntensityRange(0, 4095), None)
    assert to_unit(np.array([4095], np.uint16), found)[0] == 1
    assert from_unit(np.array([1.0], np.float32), found, np.uint16)[0] == 4095


@pytest.mark.parametrize(
    ("text", "found"), [(None, None), ("auto", "auto"), ("0..4095", (0, 4095)), ("-1.5..2e3", (-1.5, 2000))]
)
def test_parse_range(text, found):
    assert parse_range(text) == found


@pytest.mark.parametrize("text", ["", "0", "0..", "1..0", "0..nan", "0..1..2", "a..b"])
def test_a_wrong_range_is_told(text):
    with pytest.raises(UsageError, match="LOW"):
        parse_range(text)


@pytest.mark.parametrize(
    ("most", "full"), [(0, None), (65, 127), (4000, 4095), (16383, 16383), (16384, None), (65535, None)]
)
def test_a_16_bit_file_of_fewer_bits_stays_as_it_is_and_is_told_of(most, full):
    found, warning = range_of(np.array([0, most], np.uint16), None, None)
    assert found == IntensityRange(0.0, 65535.0)
    assert (warning is None) if full is None else warning.endswith(f"--range 0..{full}")
    assert range_of(np.array([0, 3], np.uint8), None, None)[1] is None


def test_a_stated_range_counts_in_the_numbers_of_a_file_of_few_bits(tmp_path):
    values = np.arange(64).reshape(8, 8) * 65
    packed_tiff(tmp_path / "a.tif", values, 12)
    picture = read(tmp_path / "a.tif")
    found, warning = resolve_range(picture, (0.0, 2000.0))
    assert warning is None
    assert np.allclose(to_unit(picture.pixels, found)[0, ..., 0], values / 2000, atol=1e-4)
