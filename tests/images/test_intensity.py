import numpy as np
import pytest

from restorekit.core.errors import UsageError
from restorekit.images import IntensityRange, Picture, from_unit, parse_range, read, resolve_range, to_unit
from restorekit.images.intensity import far_outside, range_of
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


def test_a_dark_16_bit_file_spans_the_bits_that_its_values_fit():
    assert resolve_range(_picture(np.array([0, 255], np.uint16)), "auto") == (IntensityRange(0, 255), None)
    assert resolve_range(_picture(np.array([0, 255], np.uint16)), (0, 65535))[0] == IntensityRange(0, 65535)
    ours = _picture(np.array([0, 255], np.uint16), spec="gaussian:sigma=0.1")
    assert resolve_range(ours)[0] == IntensityRange(0, 65535)


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
    ("most", "full"), [(0, None), (65, 255), (300, 511), (4000, 4095), (16383, 16383), (16384, None), (65535, None)]
)
def test_a_16_bit_file_of_fewer_bits_spans_these_with_a_warning(most, full):
    found, warning = range_of(np.array([0, most], np.uint16), None, None)
    assert found == IntensityRange(0.0, full or 65535.0)
    assert (warning is None) if full is None else f"took the range 0..{full}" in warning
    assert range_of(np.array([0, 3], np.uint8), None, None)[1] is None


def test_a_stated_range_counts_in_the_numbers_of_a_file_of_few_bits(tmp_path):
    values = np.arange(64).reshape(8, 8) * 65
    packed_tiff(tmp_path / "a.tif", values, 12)
    picture = read(tmp_path / "a.tif")
    found, warning = resolve_range(picture, (0.0, 4000.0))
    assert warning is None
    assert np.allclose(to_unit(picture.pixels, found)[0, ..., 0], values / 4000, atol=1e-4)


@pytest.mark.parametrize(
    ("strays", "full"), [(1, 1023), (5, 1023), (16, 1023), (17, 1023), (2048, 1023), (2050, 65535)]
)
def test_single_strays_do_not_change_the_range(strays, full):
    values = np.linspace(0, 1000, 4096).astype(np.uint16)
    values[:: 4096 // strays][:strays] = 65535
    assert range_of(values[:4096], None, None)[0] == IntensityRange(0, full)
    hidden = values == 65535
    assert range_of(values, hidden, None)[0] == IntensityRange(0, 1023)


def _frame(top, shape=(64, 64)):
    return np.random.default_rng(0).integers(top // 8, top + 1, shape).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 13])
@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (np.s_[:, 9], 65535),  # a hot column
        (np.s_[9:11], 65535),
        (np.s_[:, 9], np.linspace(40000, 60000, 64)),  # of several numbers
        (np.s_[:20, :20], 65535),  # a saturated area, or one without data
    ],
)
def test_strays_behind_a_gap_do_not_change_the_range(bits, where, numbers):
    frame = _frame(2**bits - 1)
    frame[where] = numbers
    found, warning = range_of(frame, None, None)
    assert found == IntensityRange(0, 2**bits - 1)
    assert "by its values" in warning
    assert np.array_equal(far_outside(frame, found), np.isin(frame, np.asarray(numbers).astype(np.uint16)))


@pytest.mark.parametrize(
    "frame",
    [
        np.where(_frame(65535) > 40000, 65535, 0).astype(np.uint16),  # black and white
        np.geomspace(1, 65535, 4096).astype(np.uint16).reshape(64, 64),  # without a gap
        np.where(np.arange(4096) < 200, 50000, 900).astype(np.uint16),  # too many for strays
    ],
)
def test_what_is_no_stray_counts(frame):
    assert range_of(frame, None, None)[0] == IntensityRange(0, 65535)


@pytest.mark.parametrize(
    ("values", "option", "part"),
    [
        (_frame(800) + 32768, None, "32"),  # an offset
        (np.where(np.arange(4096) % 20 == 0, np.arange(4096) * 16, 800 + np.arange(4096) % 30), None, "8"),  # stars
        (_frame(255) / 2.0**20, None, ""),  # floats of another unit
        (_frame(255).astype(np.uint8), (0.0, 65535.0), ""),
        (_frame(255).astype(np.float32), (0.0, 65535.0), ""),
    ],
)
def test_values_in_a_small_part_of_their_range_are_told(values, option, part):
    values = values.astype(np.uint16) if values.dtype == np.int64 else values
    _, warning = range_of(values, None, option)
    assert warning.startswith(f"90% of its values lie within {part}")


@pytest.mark.parametrize("values", [np.full(9, 0.5), np.linspace(0.2, 0.3, 2000), np.zeros((4, 4), bool)])
def test_plain_floats_are_not_told_to_be_narrow(values):
    assert range_of(values, None, None)[1] is None


def test_a_hot_column_of_a_small_float_frame_does_not_count():
    frame = _frame(255).astype(np.float32)
    frame[:, 9] = 1e5
    frame[3, 3] = -1e5
    found, _ = range_of(frame, None, "auto")
    assert 30 < found.low < found.high <= 255


def test_rare_values_of_one_more_bit_are_within_the_range():
    values = np.full(4096, 500, np.uint16)
    values[0] = 900
    assert range_of(values, None, None)[0] == IntensityRange(0, 1023)


def test_tags_overrule_what_values_fit_and_values_overrule_wrong_tags():
    values = np.array([0, 300], np.uint16)
    found, warning = range_of(values, None, None, 4095)
    assert found == IntensityRange(0, 4095)
    assert "by its tags" in warning
    assert range_of(values, None, None, 255)[0] == IntensityRange(0, 511)
    assert range_of(values, None, None, 65535)[0] == IntensityRange(0, 511)


def test_strays_far_outside_of_0_and_1_do_not_change_the_range_of_floats():
    values = np.linspace(0, 1, 4096, dtype=np.float32)
    values[[5, 900]] = 1e6, -40
    found, warning = range_of(values, None, None)
    assert (found, warning) == (IntensityRange(0, 1), None)
    assert np.flatnonzero(far_outside(values, found)).tolist() == [5, 900]
    assert to_unit(values, found)[[5, 900]].tolist() == [1.5, -0.5]  # saturated, never passed on unbounded


def test_strays_do_not_stretch_the_percentiles_of_floats():
    values = np.linspace(200, 900, 4096, dtype=np.float32)
    values[:40] = 1e7
    found, _ = range_of(values, None, "auto")
    assert 190 < found.low < 220
    assert 880 < found.high < 910


def test_values_within_the_margin_pass_and_those_beyond_are_saturated():
    span = IntensityRange(100, 200, 0.5)
    assert to_unit(np.array([50, 150, 250, 60000], np.uint16), span).tolist() == [-0.5, 0.5, 1.5, 1.5]
    assert far_outside(np.array([50, 150, 250, 60000], np.uint16), span).tolist() == [False, False, False, True]
    assert far_outside(np.array([50, 150], np.uint16), span) is None


def test_integers_of_a_smaller_depth_are_clipped_to_it():
    assert from_unit(np.array([1.2, -1.0]), IntensityRange(0, 1023), np.uint16).tolist() == [1023, 0]
    assert from_unit(np.array([1.2, -1.0]), IntensityRange(100, 900), np.uint16).tolist() == [1060, 0]
