"""Images that another tool has restored are measured on one scale, whatever their files are."""

import math

import numpy as np
import pytest
import tifffile

from restorekit.core.errors import UsageError
from restorekit.core.execution import LocalEngine
from restorekit.evaluation.compare_folders import folders, measure_folders, unmatched
from restorekit.evaluation.metrics.fidelity import NRMSE, PSNR, SSIM, PSNRMissing
from restorekit.evaluation.protocol import Protocol
from restorekit.images.dataset import load_images
from tests._helpers.restored_folders import SIDE, clean_image, folder, noisy, write

NAMES = ("a", "sub/b", "sub/c")
PROTOCOL = Protocol("clean", 0, 3, "cpu", {})


@pytest.fixture
def clean(tmp_path):
    return folder(tmp_path / "clean", 0, NAMES)


def run(restored, clean, observed=None, metrics=(PSNR, PSNRMissing), span=None, one_each=False):
    given = observed and load_images(observed)
    found = folders(load_images(restored), load_images(clean, range=span), given, one_each)
    return measure_folders(found, "tool", [cls() for cls in metrics], LocalEngine(1), PROTOCOL), found


def psnr_of(a, b):
    return -10 * math.log10(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2)


def test_every_image_has_its_own_psnr_whatever_the_suffix(clean, tmp_path):
    results, _ = run(folder(tmp_path / "out", 9, NAMES, ".tif"), clean)
    for i, row in enumerate(results.images):
        assert row.image == f"{NAMES[i]}.png"
        assert row.metrics["psnr"] == pytest.approx(psnr_of(noisy(clean_image(i), 9, i), clean_image(i)))
    (found,) = results.runs
    assert found.metrics["psnr"] == pytest.approx(np.mean([row.metrics["psnr"] for row in results.images]))
    assert (found.restorer, found.images, found.sigma) == ("tool", 3, None)
    assert results.failures == []


def test_what_does_not_fit_is_said_of_that_image_and_the_others_go_on(clean, tmp_path):
    out = folder(tmp_path / "out", 9, NAMES)
    write(out / "a.png", clean_image(0)[:40])
    write(out / "sub/b.png", clean_image(1)[..., 0])
    results, _ = run(out, clean)
    told = {failure.image: failure.error for failure in results.failures}
    assert told["a.png"].startswith(
        "a.png is 48 x 40 pixels of 3 channel(s) and the clean image 48 x 48 pixels of 3 channel(s)"
    )
    assert "48 x 48 pixels of 1 channel(s)" in told["sub/b.png"]
    assert [row.image for row in results.images] == ["sub/c.png"]


def test_a_damaged_file_an_unfinished_one_and_a_clean_one_with_gaps_are_failures(clean, tmp_path):
    out = folder(tmp_path / "out", 9, NAMES)
    (out / "a.png").write_bytes((out / "a.png").read_bytes()[:100])
    gaps = clean_image(1).astype(np.float32) / 255
    gaps[3, 4] = np.nan
    tifffile.imwrite(out / "sub/b.tif", gaps, photometric="rgb")
    (out / "sub/b.png").unlink()
    write(clean / "sub/c.missing.png", np.pad(np.full((8, 8), 255, np.uint8), 20))
    results, _ = run(out, clean)
    told = {failure.image: failure.error for failure in results.failures}
    assert "damaged" in told["a.png"]
    assert "NaN" in told["sub/b.png"]
    assert "no truth" in told["sub/c.png"]
    assert (results.images, results.runs[0].metrics["psnr"]) == ([], None)
    assert results.runs[0].reasons["psnr"] == "no image was measured"


def test_what_is_in_one_folder_alone_is_counted_and_named(clean, tmp_path):
    out = folder(tmp_path / "out", 9, ("a", "x", "y", "z", "sub/d"))
    _, found = run(out, clean, folder(tmp_path / "seen", 20, ("a",)))
    assert unmatched(found) == [
        "2 of 3 clean image(s) have no restoration: sub/b.png, sub/c.png",
        "4 of 5 restored image(s) have no clean one: sub/d.png, x.png, y.png, ...",
        "2 of 3 clean image(s) are not among the observed ones: sub/b.png, sub/c.png",
    ]


def test_folders_without_a_name_in_common_are_wrong_usage_and_two_files_are_not(clean, tmp_path):
    out = folder(tmp_path / "out", 9, ("x",))
    with pytest.raises(UsageError, match=r"expected names such as a\.png, with any suffix, got x\.png"):
        run(out, clean)
    results, _ = run(out / "x.png", clean / "a.png", one_each=True)
    assert results.images[0].image == "a.png"


@pytest.mark.parametrize("kind", ["8", "16", "float"])
def test_files_of_any_depth_are_measured_on_one_scale(clean, tmp_path, kind):
    x = noisy(clean_image(0), 9)
    out = tmp_path / "out"
    out.mkdir()
    deep = {"8": x, "16": x.astype(np.uint16) * 257, "float": x.astype(np.float32) / 255}[kind]
    tifffile.imwrite(out / "a.tif", deep, photometric="rgb")
    results, _ = run(out, clean)
    assert results.images[0].metrics["psnr"] == pytest.approx(psnr_of(x, clean_image(0)), abs=1e-4)


def test_numbers_of_the_clean_images_kind_are_on_their_range(tmp_path):
    """Floats of 0 to 4095: on the percentiles of its own file a restoration would stand elsewhere than the truth."""
    x = clean_image(0)[..., 0].astype(np.float32) * 16
    for name, shift in (("clean", 0), ("out", 160)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", x + shift)
    (tmp_path / "bytes").mkdir()
    write(tmp_path / "bytes/a.png", ((x + 160) / 4080 * 255).round().astype(np.uint8))
    for name in ("out", "bytes"):
        results, _ = run(tmp_path / name, tmp_path / "clean", span=(0.0, 4080.0))
        assert results.images[0].metrics["psnr"] == pytest.approx(20 * math.log10(25.5), abs=0.02)
    guessed, _ = run(tmp_path / "out", tmp_path / "clean")
    low, high = np.percentile(x, (0.1, 99.9))
    assert guessed.images[0].metrics["psnr"] == pytest.approx(20 * math.log10((high - low) / 160), abs=0.2)


def test_gray_that_was_written_as_rgb_is_measured_as_gray_and_colour_is_not(tmp_path):
    gray = clean_image(0)[..., 0]
    write(tmp_path / "clean/a.png", gray)
    write(tmp_path / "out/a.png", noisy(gray, 9)[..., None].repeat(3, -1))
    results, _ = run(tmp_path / "out", tmp_path / "clean")
    assert results.images[0].metrics["psnr"] == pytest.approx(psnr_of(noisy(gray, 9), gray))
    assert results.images[0].notes == ["RGB of three equal channels, measured as gray"]
    write(tmp_path / "out/a.png", clean_image(0))
    assert "3 channel(s)" in run(tmp_path / "out", tmp_path / "clean")[0].failures[0].error


def test_what_was_seen_tells_what_was_missing_and_how_it_was_before(clean, tmp_path):
    seen, out = folder(tmp_path / "seen", 0, NAMES), folder(tmp_path / "out", 0, NAMES)
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[8:16, 8:16] = 255
    holed, filled = (np.where(hole[..., None] > 0, value, clean_image(0)) for value in (0, clean_image(0) + 10))
    write(seen / "a.png", holed.astype(np.uint8))
    write(seen / "a.missing.png", hole)
    write(out / "a.png", filled.astype(np.uint8))
    results, _ = run(out, clean, seen)
    row = results.images[0]
    assert row.metrics["psnr_missing"] == pytest.approx(20 * math.log10(25.5), abs=1e-4)
    assert row.metrics["psnr"] == pytest.approx(row.metrics["psnr_missing"] + 10 * math.log10(SIDE**2 / 64), abs=1e-4)
    assert row.metrics["psnr_before"] == pytest.approx(psnr_of(holed, clean_image(0)))
    assert row.metrics["psnr_gain"] == pytest.approx(row.metrics["psnr"] - row.metrics["psnr_before"])
    other = results.images[1]
    assert other.reasons["psnr_missing"] == "no value is marked as missing"
    assert "infinite" in other.reasons["psnr_gain"]
    assert {figure.name for figure in results.metrics} == {"psnr", "psnr_missing", "psnr_before", "psnr_gain"}


def test_what_was_seen_in_another_size_has_no_before(clean, tmp_path):
    out, seen = folder(tmp_path / "out", 9, NAMES), folder(tmp_path / "seen", 20, NAMES[1:])
    write(seen / "sub/b.png", clean_image(1)[::2, ::2])
    results, _ = run(out, clean, seen)
    absent, small, whole = results.images
    assert absent.metrics["psnr_before"] is small.metrics["psnr_before"] is None
    assert "another size" in small.reasons["psnr_before"]
    assert whole.metrics["psnr_before"] > 15
    assert results.runs[0].metrics["psnr_before"] == whole.metrics["psnr_before"]
    assert "psnr_before" not in run(out, clean, seen, (NRMSE, SSIM))[0].runs[0].metrics


def test_frames_of_stacks_are_images(tmp_path):
    x = np.stack([clean_image(i) for i in range(3)])
    np.save(tmp_path / "clean.npy", x)
    np.save(tmp_path / "out.npy", np.stack([noisy(image, 9) for image in x]))
    results, _ = run(tmp_path / "out.npy", tmp_path / "clean.npy", one_each=True)
    assert len(results.images) == 3
    assert results.images[2].metrics["psnr"] == pytest.approx(psnr_of(noisy(x[2], 9), x[2]))


def test_every_image_is_told_of_once(clean, tmp_path):
    out = folder(tmp_path / "out", 9, NAMES)
    write(out / "a.png", clean_image(0)[:40])
    told = []
    found = folders(load_images(out), load_images(clean), None)
    shown = {}
    measure_folders(
        found, "t", [PSNR()], LocalEngine(1), PROTOCOL, lambda *words: told.append(words), show=shown.__setitem__
    )
    assert set(shown) == {"sub/b.png", "sub/c.png"}
    assert shown["sub/b.png"].restored.shape == shown["sub/b.png"].clean.shape == (1, 3, SIDE, SIDE)
    assert [key for key, _ in told] == ["a.png", "sub/b.png", "sub/c.png"]
    assert [bool(error) for _, error in told] == [True, False, False]
