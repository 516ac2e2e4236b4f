"""Masks from infrared planes: in the file of the image, or next to it."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError, UsageError
from restorekit.images import find_images, parse_mask
from tests._helpers.film import film_scan, shares
from tests._helpers.mask_files import marked_in

SCAN = film_scan()


def _write(path, samples, **options):
    tifffile.imwrite(path, samples, photometric="rgb" if samples.ndim == 3 else "minisblack", metadata=None, **options)


def _four_channels(path, infrared=SCAN.infrared):
    _write(path, np.dstack([SCAN.colours, infrared]), extrasamples=["unspecified"])


def test_a_fourth_channel_and_a_file_next_to_the_image_mark_the_same(tmp_path):
    _four_channels(tmp_path / "in.tif")
    _write(tmp_path / "beside.tif", SCAN.colours)
    Image.fromarray(SCAN.infrared).save(tmp_path / "beside.ir.png")
    inside, beside = (marked_in(parse_mask("ir"), tmp_path / name) for name in ("in.tif", "beside.tif"))
    assert np.array_equal(inside.missing, beside.missing)
    assert inside.missing.shape == (1, *SCAN.infrared.shape, 1)
    covered, beyond = shares(inside.missing[0, ..., 0], SCAN.opacity)
    assert covered >= 0.95
    assert beyond <= 0.001


def test_a_file_next_to_the_image_may_be_saved_in_colours(tmp_path):
    Image.fromarray((SCAN.colours >> 8).astype(np.uint8)).save(tmp_path / "a.png")
    gray = (SCAN.infrared >> 8).astype(np.uint8)
    Image.fromarray(np.dstack([gray] * 3)).save(tmp_path / "a.ir.jpg", quality=98)
    assert shares(marked_in(parse_mask("ir"), tmp_path / "a.png").missing[0, ..., 0], SCAN.opacity)[0] >= 0.95


def test_infrared_next_to_its_picture_is_no_image(tmp_path):
    for name in ("a.png", "a.ir.tif", "b.ir.png", "c.tif", "c.ir.TIF", "d.ir.tif", "d.ir.missing.png"):
        (tmp_path / name).touch()
    assert [item.key for item in find_images(tmp_path)] == ["a.png", "b.ir.png", "c.tif", "d.ir.tif"]


def test_a_clean_scan_has_nothing_missing(tmp_path):
    clean = film_scan(specks=0)
    infrared = np.full_like(clean.infrared, 40000)
    infrared[::2] += 50
    _write(tmp_path / "a.tif", clean.colours)
    _write(tmp_path / "a.ir.tif", infrared)
    assert marked_in(parse_mask("ir"), tmp_path / "a.tif").missing is None


def test_a_single_speck_needs_no_confirmation(tmp_path):
    clean = film_scan(specks=0)
    infrared = np.full_like(clean.infrared, 40000)
    infrared[::2] += 50
    infrared[100:102, 50:52] = 9000
    _write(tmp_path / "a.tif", clean.colours)
    _write(tmp_path / "a.ir.tif", infrared)
    missing = marked_in(parse_mask("ir"), tmp_path / "a.tif").missing[0, ..., 0]
    assert missing[100:102, 50:52].all()
    assert missing.sum() <= 60


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.tif": SCAN.colours}, "a.tif has no infrared plane for --mask ir; expected a fourth channel .* a.ir.tif"),
        ({"a.tif": SCAN.colours, "a.ir.tif": SCAN.infrared[1:]}, "320 x 239, the image a.tif 320 x 240; expected"),
        ({"a.tif": SCAN.colours, "a.ir.tif": SCAN.colours}, "a.ir.tif has colours; expected a gray image"),
        ({"a.tif": SCAN.colours, "a.ir.tif": SCAN.infrared, "a.ir.png": SCAN.infrared}, "several masks next to it"),
        ({"a.tif": SCAN.colours, "a.ir.tif": SCAN.infrared * 0 + 65535}, "nothing but 65535; scan it again"),
        ({"a.tif": np.stack([SCAN.colours] * 2), "a.ir.tif": SCAN.infrared}, "expected the same width, height and"),
    ],
)
def test_what_does_not_fit_is_told(files, told, tmp_path):
    for name, samples in files.items():
        _write(tmp_path / name, samples) if samples.ndim < 4 else tifffile.imwrite(
            tmp_path / name, samples, photometric="rgb", metadata=None
        )
    with pytest.raises(ImageError, match=told):
        marked_in(parse_mask("ir"), tmp_path / "a.tif")


def test_two_infrared_planes_and_alpha_are_told(tmp_path):
    _four_channels(tmp_path / "a.tif")
    _write(tmp_path / "a.ir.tif", SCAN.infrared)
    with pytest.raises(ImageError, match=r"a.tif has an infrared plane and .*a.ir.tif next to it; remove one"):
        marked_in(parse_mask("ir"), tmp_path / "a.tif")
    _write(tmp_path / "b.tif", np.dstack([SCAN.colours, SCAN.infrared]), extrasamples=["unassalpha"])
    with pytest.raises(ImageError, match="and its alpha is none"):
        marked_in(parse_mask("ir"), tmp_path / "b.tif")


def test_more_than_dust_needs_confirmation(tmp_path):
    infrared = SCAN.infrared.copy()
    infrared[60:180, 60:260] //= 8
    _four_channels(tmp_path / "a.tif", infrared)
    with pytest.raises(
        ImageError, match=r"the infrared marks \d\d\.\d% of a.tif as dust, expected at most 20%.*silver"
    ):
        marked_in(parse_mask("ir"), tmp_path / "a.tif")
    assert marked_in(parse_mask("ir", confirmed=True), tmp_path / "a.tif").missing.mean() > 0.2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan"), 20.0])
def test_the_threshold_is_a_share(share):
    with pytest.raises(UsageError, match=r"between 0 and 1, such as 0\.1, got"):
        parse_mask("ir", ir_threshold=share)


@pytest.mark.parametrize("mask", [None, "alpha", "color:#FFFFFF"])
def test_the_threshold_requires_infrared(mask):
    with pytest.raises(UsageError, match="requires the mask ir; pass --mask ir or remove --ir-threshold"):
        parse_mask(mask, ir_threshold=0.1)


def test_infrared_is_not_inverted():
    with pytest.raises(UsageError, match="cannot be inverted; remove --mask-invert"):
        parse_mask("ir", invert=True)
