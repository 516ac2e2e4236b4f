"""Restoring folders from Python."""

import re

import numpy as np
import pytest
import tifffile
from PIL import Image

import restorekit

RNG = np.random.default_rng(0)


@pytest.fixture
def source(tmp_path):
    for name in ("a.png", "sub/b.png"):
        path = tmp_path / "IN" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (16, 16), dtype=np.uint8)).save(path)
    return tmp_path / "IN"


def test_a_folder_is_restored_with_progress_and_continued(source, tmp_path):
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    seen = []
    result = restorekit.restore_folder(
        source, tmp_path / "OUT", "median", sigma=0.1, progress=lambda n, of, name: seen.append((n, of, name))
    )
    assert (result.done, result.skipped, result.failed) == (2, 0, 1)
    assert [n for n, _, _ in seen] == [1, 2, 3]
    assert {of for _, of, _ in seen} == {3}
    assert {name for _, _, name in seen} == {"a.png", "sub/b.png", "broken.png"}
    assert list(result.failures) == ["broken.png"]
    assert repr(result).startswith("<FolderResult 2 restored, 0 done before, 1 failed -> ")
    assert (tmp_path / "OUT" / "sub" / "b.png").is_file()
    assert restorekit.restore_folder(source, tmp_path / "OUT", "median", sigma=0.1).skipped == 2


def test_the_page_of_the_run_is_written_as_the_command_writes_it(source, tmp_path, run):
    restorekit.restore_folder(source, tmp_path / "OUT", "median", sigma=0.1)
    page = (tmp_path / "OUT" / "_restorekit" / "report.html").read_text()
    assert page.count('class="pair-name"') == 2
    assert "2 images restored with median on cpu" in page
    assert run("restore", source, tmp_path / "BY", "--model", "median", "--sigma", "0.1")[0] == 0
    other = (tmp_path / "BY" / "_restorekit" / "report.html").read_text()
    assert re.findall('src="views/[^"]+"', page) == re.findall('src="views/[^"]+"', other)


def test_the_page_may_be_one_file_or_none(source, tmp_path):
    restorekit.restore_folder(source, tmp_path / "OUT", "median", sigma=0.1, single_file=True)
    assert 'src="data:image/png' in (tmp_path / "OUT" / "_restorekit" / "report.html").read_text()
    restorekit.restore_folder(source, tmp_path / "NONE", "median", sigma=0.1, report=False)
    assert not (tmp_path / "NONE" / "_restorekit" / "report.html").exists()
    assert not (tmp_path / "NONE" / "_restorekit" / "views").exists()


def test_an_interrupted_run_leaves_its_page(source, tmp_path):
    def stop(n, of, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restorekit.restore_folder(source, tmp_path / "OUT", "median", sigma=0.1, progress=stop)
    assert "was interrupted" in (tmp_path / "OUT" / "_restorekit" / "report.html").read_text()


def test_notes_tell_of_hot_pixels_and_no_data(tmp_path):
    frame = RNG.integers(100, 1000, (64, 64), dtype=np.uint16)
    frame[3, 5] = 65535
    frame[20:30, 20:30] = 7
    (tmp_path / "IN").mkdir()
    tifffile.imwrite(tmp_path / "IN" / "a.tif", frame, extratags=[(42113, "s", 0, "7", True)])
    result = restorekit.restore_folder(tmp_path / "IN", tmp_path / "OUT", "median", sigma=0.05)
    text = "; ".join(result.notes["a.tif"])
    assert "took the range 0..1023" in text
    assert "100 value(s) stay as they are and count as missing: no data" in text
    assert "1 value(s) stay as they are and count as missing: far outside of the range 0..1023" in text
    found = tifffile.imread(tmp_path / "OUT" / "a.tif")
    assert found[3, 5] == 65535
    assert (found[20:30, 20:30] == 7).all()
    assert np.delete(found.ravel(), 3 * 64 + 5).max() <= 1023


def test_what_is_filled_or_may_be_alpha_in_arrays_is_told(tmp_path):
    (tmp_path / "IN").mkdir()
    unit = RNG.random((16, 16)).astype(np.float32)
    unit[3, 5], unit[4, 4] = np.nan, np.inf
    np.save(tmp_path / "IN" / "a.npy", unit)
    np.save(tmp_path / "IN" / "b.npy", RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8))
    np.save(tmp_path / "IN" / "c.npy", RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    notes = restorekit.restore_folder(tmp_path / "IN", tmp_path / "OUT", "median", sigma=0.05).notes
    assert notes["a.npy"] == ["2 value(s) are NaN or infinite; they count as missing and are filled"]
    assert "the 4 channels of the array are restored one by one" in notes["b.npy"][0]
    assert "c.npy" not in notes


def test_transparent_pixels_keep_their_colours_and_alpha_may_become_opaque(tmp_path):
    (tmp_path / "IN").mkdir()
    image = np.full((24, 24, 4), (90, 120, 150, 255), np.uint8)
    image[8:12, 8:12] = (255, 0, 255, 0)
    Image.fromarray(image).save(tmp_path / "IN" / "a.png")
    restorekit.restore_folder(tmp_path / "IN", tmp_path / "kept", "biharmonic", sigma=0)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "kept" / "a.png")), image)
    restorekit.restore_folder(tmp_path / "IN", tmp_path / "filled", "biharmonic", sigma=0, mask="alpha", opaque=True)
    found = np.asarray(Image.open(tmp_path / "filled" / "a.png")).astype(int)
    assert np.abs(found - (90, 120, 150, 255)).max() <= 1


def test_most_values_far_outside_of_a_range_fail_with_a_sentence(tmp_path):
    (tmp_path / "IN").mkdir()
    tifffile.imwrite(tmp_path / "IN" / "a.tif", RNG.integers(0, 60000, (32, 32), dtype=np.uint16))
    result = restorekit.restore_folder(tmp_path / "IN", tmp_path / "OUT", "median", sigma=0.1, range=(0, 255))
    assert "lie far outside of the range 0..255; set another --range" in result.failures["a.tif"]


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"format": "gif"}, "no image format"),
        ({"opaque": True}, "mask='alpha'"),
        ({"mask": "nowhere"}, "a mask is"),
        ({"single_file": True, "report": False}, "requires report"),
    ],
)
def test_what_does_not_fit_is_a_value_error(source, tmp_path, named, told):
    with pytest.raises(ValueError, match=told):
        restorekit.restore_folder(source, tmp_path / "OUT", "median", sigma=0, **named)
    with pytest.raises(ValueError, match="must lie outside the input"):
        restorekit.restore_folder(source, source / "OUT", "median", sigma=0)


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 25},
        {"sigma": True},
        {"sigma": "high"},
        {"samples": -3},
        {"seed": "x"},
        {"label": "cat"},
        {"workers": 0},
        {"jpeg_quality": 300},
        {"range": (5, 5)},
        {"axes": 3},
        {"mask": np.zeros((16, 16), bool)},
    ],
    ids=str,
)
def test_options_are_checked_before_the_work(options, source, tmp_path):
    with pytest.raises(ValueError, match=next(iter(options))):
        restorekit.restore_folder(source, tmp_path / "OUT", "median", **{"sigma": 0.1, **options})
    assert not (tmp_path / "OUT").exists()


def test_numbers_may_be_text_and_numpy_numbers(source, tmp_path):
    found = []
    for name, sigma, seed in (("A", "25.5/255", 1), ("B", np.float64(0.1), np.int64(1))):
        restorekit.restore_folder(source, tmp_path / name, "median", sigma=sigma, seed=seed, jpeg_quality=90)
        found.append((tmp_path / name / "a.png").read_bytes())
    assert found[0] == found[1]
