import numpy as np
import pytest

from restorekit.images import read, write
from restorekit.images.nodata import SENTINELS, NoData, find_nodata, find_sentinels
from restorekit.images.picture import repainted


def _field(dtype=np.float32, shape=(1, 16, 24, 1)):
    return np.random.default_rng(0).normal(50, 10, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", SENTINELS)
def test_numbers_that_stand_for_no_data_by_custom_are_found(number, dtype):
    if not np.isfinite(np.float64(number).astype(dtype)):
        pytest.skip("no number of this dtype")
    values = _field(dtype)
    values[0, :3] = number
    assert find_sentinels(values) == (pytest.approx(number),)
    values[0, 5, 5] = np.nan
    found = find_nodata(values, None)
    assert np.array_equal(found.where[0, ..., 0], np.arange(16)[:, None].repeat(24, 1) < 3)


def test_numbers_among_the_others_are_values():
    values = np.linspace(-20000, 20000, 401).astype(np.float32)
    values[7] = -9999
    assert find_sentinels(values) == ()
    assert find_sentinels(np.array([-9999.0, -9999.0])) == ()  # there is nothing else
    assert find_sentinels(np.array([-1000.0, 5.0, 6.0])) == ()  # an outlier is no sentinel
    assert find_sentinels(np.full(3, np.nan)) == ()
    assert find_sentinels(np.array([-9999, 1, 2])) == ()  # integers need a declaration


def test_pixels_that_equal_the_number_by_chance_move():
    where = np.array([True, False, False]).reshape(1, 1, 3, 1)
    for kind, number, expected in (
        (np.uint8, 0, [0, 1, 9]),
        (np.uint8, 255, [255, 254, 9]),
        (np.float32, 0.0, [0, np.nextafter(np.float32(0), np.float32(1)), 9]),
    ):
        pixels = np.array([7, number, 9], kind).reshape(where.shape)
        assert (
            NoData((number,), where, np.array([number], kind)).restore(pixels).ravel().tolist()
            == np.array(expected, kind).tolist()
        )


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_sentinel_in_an_array_is_kept(suffix, tmp_path):
    array = _field()[0, ..., 0]
    array[:4] = -9999
    if suffix == ".npy":
        np.save(tmp_path / "a.npy", array)
    else:
        np.savez(tmp_path / "a.npz", image=array)
    picture = read(tmp_path / f"a{suffix}")
    assert picture.missing[0, :4].all()
    assert not picture.missing[0, 4:].any()
    assert picture.notes == (
        "96 of its pixels hold -9999, a common number for no data; they count as missing and are kept",
    )
    write(tmp_path / f"b{suffix}", repainted(picture, picture.pixels + 1), picture.pixels + 1)
    again = read(tmp_path / f"b{suffix}")
    assert np.array_equal(again.missing, picture.missing)
    assert np.array_equal(again.pixels[0, 4:], picture.pixels[0, 4:] + 1)


def test_another_size_fills_what_has_no_data(tmp_path):
    array = _field()[0, ..., 0]
    array[:4] = -9999
    np.save(tmp_path / "a.npy", array)
    picture = read(tmp_path / "a.npy")
    larger = repainted(picture, np.zeros((1, 32, 48, 1), np.float32))
    assert larger.nodata is None
    assert any("filled in" in note for note in larger.notes)
