"""Facts about checking the images of a run without the truth."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.plugins import registry
from restorekit.images import formats
from restorekit.images.picture import Picture
from restorekit.restoration.folder import Options, journal, selfcheck
from tests._helpers.folder_runs import Darker, lines, prepared, restore, tree

RNG = np.random.default_rng(0)  # of this file alone, so that its pictures do not depend on other tests
GRAY = np.clip(RNG.normal(128, 20, (64, 64)), 0, 255).astype(np.uint8)


@pytest.fixture
def one(tmp_path):
    (tmp_path / "IN").mkdir()
    Image.fromarray(GRAY).save(tmp_path / "IN" / "x.png")
    return tmp_path / "IN"


def checked(source, out, **values):
    """The finished line of the one image of a run with checks."""
    setup = prepared(source, out, self_check=True, **values)
    assert restore(setup)["done"] == 1
    return lines(out)[-1]


def test_checks_change_no_byte_of_what_is_written(source, tmp_path):
    for name, check in (("with", True), ("without", False)):
        assert restore(prepared(source, tmp_path / name, sigma="0.1", samples=2, self_check=check))["done"] == 6
    assert tree(tmp_path / "with") == tree(tmp_path / "without")
    assert all("self_check" in line for line in lines(tmp_path / "with") if line["status"] == "done")
    assert not any("self_check" in line for line in lines(tmp_path / "without"))


def test_a_restorer_that_halves_a_picture_is_noted(one, tmp_path):
    line = checked(one, tmp_path / "OUT", sigma="0.02")
    assert line["self_check"]["harms"]
    assert line["self_check"]["method"] == "sure"
    assert line["self_check"]["psnr"] < line["self_check"]["psnr_left"]
    assert line["notes"] == [*line["concerns"], line["self_check"]["sentences"][0]]


def test_of_blind_noise_there_is_the_residual(one, tmp_path):
    found = checked(one, tmp_path / "OUT")["self_check"]
    assert (found["method"], found["psnr"], found["harms"]) == ("none", None, False)
    assert found["residual"]["std"] == pytest.approx(GRAY.std() / 510, rel=0.01)


def test_missing_pixels_are_checked_by_hiding(one, tmp_path):
    Image.fromarray(((RNG.random((64, 64)) < 0.3) * 255).astype(np.uint8)).save(one / "x.missing.png")
    found = checked(one, tmp_path / "OUT", sigma="0")["self_check"]
    assert found["method"] == "hiding"
    assert found["coverage90"] is not None


def test_an_image_of_which_all_is_known_is_not_checked(one, tmp_path):
    for kind in ("keep", "tiff"):
        assert "self_check" not in checked(one, tmp_path / kind, sigma="0", format=kind)


def test_a_model_stands_beside_a_classical_method_on_the_same_pixels(one, tmp_path):
    blocks = np.kron(RNG.uniform(80, 170, (16, 16)), np.ones((8, 8)))
    Image.fromarray((blocks + RNG.normal(0, 10, (128, 128))).round().astype(np.uint8)).save(one / "x.png")
    found = checked(one, tmp_path / "OUT", sigma="0.04", digest="f00d")["self_check"]
    assert found["baseline"] == "nlm"
    assert found["gain"] == pytest.approx(found["psnr"] - found["psnr_baseline"], abs=1e-3)
    assert found["gain"] < 0
    assert checked(one, tmp_path / "classical", sigma="0.04")["self_check"]["psnr_baseline"] is None


def test_a_classical_method_that_breaks_does_not_lose_the_check(one, tmp_path, monkeypatch):
    def broken(*arguments):
        raise ValueError("oh")

    monkeypatch.setattr(registry.restorers()["nlm"], "__call__", broken)
    found = checked(one, tmp_path / "OUT", sigma="0.1", digest="f00d")["self_check"]
    assert found["psnr"] is not None
    assert (found["baseline"], found["gain"]) == ("", None)


def test_a_check_that_fails_does_not_lose_the_image(one, tmp_path, monkeypatch):
    def broken(*arguments, **named):
        raise ValueError("oh")

    monkeypatch.setattr(selfcheck, "self_check", broken)
    line = checked(one, tmp_path / "OUT", sigma="0.1")
    assert line["self_check"] is None
    assert line["notes"][-1] == "the self-check failed: unexpected ValueError: oh; please report it"
    assert (tmp_path / "OUT" / "x.png").is_file()


def test_old_journals_stay_valid_and_a_check_that_is_asked_for_is_made(one, tmp_path):
    values = vars(Options("m")).copy()
    for name in ("noise", "self_check", "axes", "jpeg_quality", "opaque", "ir_threshold", "repair", "quality"):
        del values[name]
    assert Options("m").fingerprint == journal.digest_of_values(values)
    assert restore(prepared(one, tmp_path / "OUT"))["done"] == 1
    assert restore(prepared(one, tmp_path / "OUT", self_check=True)) == {"done": 1, "skipped": 0, "failed": 0}
    assert restore(prepared(one, tmp_path / "OUT", self_check=True))["skipped"] == 1


@pytest.mark.parametrize(("bands", "frames"), [(1, 9), (5, 1), (3, 2), (2, 3)])
def test_bands_and_frames_are_checked_some_of_many(tmp_path, bands, frames):
    values = RNG.integers(0, 2**16, (frames, 40, 48, bands), dtype=np.uint16)
    formats.write(tmp_path / "x.tif", Picture(values, format="tiff"), values)
    restorer = Darker()
    found = checked(tmp_path / "x.tif", tmp_path / "OUT", restorer=restorer, sigma="0.1")["self_check"]
    assert found["psnr"] == pytest.approx(10 * np.log10(1 / np.mean((values / 131070) ** 2)), abs=0.5)
    planes = frames * (1 if bands in (1, 3) else bands)
    assert found["share"] == pytest.approx(len(restorer.seen[-1]) / planes, rel=1e-4)
    assert len(restorer.seen[-1]) <= selfcheck.PLANES


def test_large_images_are_checked_in_crops(one, tmp_path, monkeypatch):
    monkeypatch.setattr(selfcheck, "PIXELS", 1024)
    restorer = Darker()
    line = checked(one, tmp_path / "OUT", restorer=restorer, sigma="0.1")
    assert restorer.seen[-1] == ("x.png@6,18", "x.png@18,42", "x.png@30,6", "x.png@42,30")
    assert line["self_check"]["share"] == 0.25


def test_floats_with_gaps_and_alpha_are_checked(tmp_path):
    values = (RNG.random((64, 64)) * 50 - 3).astype(np.float32)
    values[4:19, 5:31] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", values)
    assert checked(tmp_path / "x.tif", tmp_path / "float", sigma="0")["self_check"]["method"] == "hiding"
    rgba = RNG.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "y.png")
    assert checked(tmp_path / "y.png", tmp_path / "alpha", sigma="0.1")["self_check"]["method"] == "sure"


def test_a_smaller_image_than_its_restoration_is_told_why_it_is_not_checked(one, tmp_path):
    found = checked(one, tmp_path / "OUT", corruption="downsample:factor=2")["self_check"]
    assert found["psnr"] is None
    assert "downsample" in found["reason"]


def test_an_estimated_level_makes_the_check_less_sure(one, tmp_path):
    Image.fromarray(np.tile(GRAY, (3, 3))).save(one / "x.png")
    auto = checked(one, tmp_path / "auto", sigma="auto")
    told = checked(one, tmp_path / "told", sigma=repr(auto["sigma"]))["self_check"]
    assert auto["self_check"]["psnr"] == pytest.approx(told["psnr"], abs=0.5)
    assert not auto["self_check"]["harms"] or told["harms"]


def test_lines_are_valid_json(one, tmp_path):
    checked(one, tmp_path / "OUT", sigma="0.1")
    text = (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text()
    assert "NaN" not in text
    assert json.loads(text.splitlines()[-1])["self_check"]["sentences"]
