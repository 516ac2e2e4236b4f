"""Facts about `restorekit restore --mask ir`: dust is filled, everything else comes back bit for bit."""

import json
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.images import parse_mask
from tests._helpers.film import film_scan, shares
from tests._helpers.mask_files import marked_in

SCAN = film_scan()
RGBI = np.dstack([SCAN.colours, SCAN.infrared])


class Done(NamedTuple):
    code: int
    text: str


@pytest.fixture
def restore(run, tmp_path):
    def call(*words, source="in"):
        code, said, warned = run(
            "restore", tmp_path / source, tmp_path / "OUT", "--model", "telea", "--sigma", 0, *words
        )
        return Done(code, said + warned)

    (tmp_path / "in").mkdir()
    return call


def _dust(path):
    return marked_in(parse_mask("ir"), path).missing[0, ..., 0]


@pytest.mark.parametrize("form", ["channel", "page", "marked page", "beside"])
def test_dust_is_filled_and_all_else_stays(form, restore, tmp_path):
    with tifffile.TiffWriter(tmp_path / "in" / "a.tif") as writer:
        if form == "channel":
            writer.write(RGBI, photometric="rgb", extrasamples=["unspecified"], metadata=None)
        else:
            writer.write(SCAN.colours, photometric="rgb", metadata=None)
        if form.endswith("page"):
            marked = [(254, "I", 1, 4, True)] * (form == "marked page")
            writer.write(SCAN.infrared, photometric="minisblack", metadata=None, extratags=marked)
    if form == "beside":
        tifffile.imwrite(tmp_path / "in" / "a.ir.tif", SCAN.infrared)
    assert restore("--mask", "ir").code == 0
    dust = _dust(tmp_path / "in" / "a.tif")
    assert shares(dust, SCAN.opacity)[0] >= 0.95
    with tifffile.TiffFile(tmp_path / "OUT" / "a.tif") as file:
        pages = [page.asarray() for page in file.pages]
    assert np.array_equal(pages[0][~dust, :3], SCAN.colours[~dust])
    assert (pages[0][dust, :3] != SCAN.colours[dust]).any(axis=1).mean() > 0.9
    if form == "channel":
        assert np.array_equal(pages[0][..., 3], SCAN.infrared)
    elif form != "beside":
        assert np.array_equal(pages[1], SCAN.infrared)
    assert len(pages) == 1 + form.endswith("page")
    assert sorted(path.name for path in (tmp_path / "OUT").iterdir()) == ["_restorekit", "a.tif"]


def test_the_threshold_is_recorded_and_changes_the_result(restore, tmp_path):
    tifffile.imwrite(tmp_path / "in" / "a.tif", RGBI, photometric="rgb", extrasamples=["unspecified"])
    assert restore("--mask", "ir", "--ir-threshold", "0.1").code == 0
    first = tifffile.imread(tmp_path / "OUT" / "a.tif")
    assert json.loads((tmp_path / "OUT" / "_restorekit" / "run.json").read_text())["ir_threshold"] == 0.1
    assert "1 restored" in restore("--mask", "ir", "--ir-threshold", "0.8").text
    assert not np.array_equal(tifffile.imread(tmp_path / "OUT" / "a.tif"), first)


def test_an_image_without_infrared_fails_alone(restore, tmp_path):
    tifffile.imwrite(tmp_path / "in" / "a.tif", RGBI, photometric="rgb", extrasamples=["unspecified"])
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "in" / "b.png")
    done = restore("--mask", "ir")
    assert done.code == 1
    assert "b.png has no infrared plane for --mask ir; expected a fourth channel" in done.text
    assert (tmp_path / "OUT" / "a.tif").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--ir-threshold", "0.1"), "pass --mask ir or remove --ir-threshold"),
        (("--mask", "alpha", "--ir-threshold", "0.1"), "pass --mask ir or remove --ir-threshold"),
        (("--mask", "ir", "--ir-threshold", "0"), "0.0 is not in the range 0<x<1"),
        (("--mask", "ir", "--ir-threshold", "nan"), "nan"),
        (("--mask", "ir", "--mask-invert"), "remove --mask-invert"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, told, restore, tmp_path):
    tifffile.imwrite(tmp_path / "in" / "a.tif", RGBI, photometric="rgb", extrasamples=["unspecified"])
    done = restore(*words)
    assert done.code == 2
    assert told in done.text
    assert not (tmp_path / "OUT").exists()
