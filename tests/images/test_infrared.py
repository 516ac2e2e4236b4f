"""Dust in infrared planes: simulated scans of film whose dust is known."""

import cv2
import numpy as np
import pytest
import tifffile

from restorekit.core.errors import ImageError
from restorekit.images import read, write
from restorekit.images.infrared import MAX_LOSS, MIN_LOSS, find_dust, without_infrared
from tests._helpers.film import film_scan, shares

SCANS = {
    "no leak": {"leak": 0.0},
    "some leak": {"leak": 0.2},
    "a linear leak": {"infrared_of": lambda red: 0.5 + 0.5 * red},
    "an inverted negative with white dust": {"infrared_of": lambda red: (1.1 - red) ** 0.2, "tone": 0.95},
    "coarse grain": {"grain": 0.05},
    "dim": {"gain": 0.1},
    "moved": {"shift": (3.4, -2.3)},
    "moved without leak": {"shift": (-2.6, 4.0), "leak": 0.02},
}


@pytest.mark.parametrize("name", SCANS)
def test_dust_is_found_and_the_picture_is_not(name):
    scan = film_scan(**SCANS[name])
    found = find_dust(scan.infrared, scan.colours[..., 0])
    covered, beyond = shares(found.marks, scan.opacity)
    assert covered >= 0.95
    assert beyond <= 0.001
    assert MIN_LOSS <= found.threshold <= MAX_LOSS
    assert found.notes == ()


@pytest.mark.parametrize("name", SCANS)
def test_a_clean_scan_keeps_its_pixels(name):
    scan = film_scan(specks=0, **SCANS[name])
    assert find_dust(scan.infrared, scan.colours[..., 0]).marks.mean() <= 0.001


def test_a_shift_is_found_and_only_where_there_is_one():
    moved, still = (film_scan(shift=shift) for shift in ((3.4, -2.3), (0.0, 0.0)))
    assert find_dust(moved.infrared, moved.colours[..., 0]).shift == pytest.approx((3.4, -2.3), abs=0.5)
    assert find_dust(still.infrared, still.colours[..., 0]).shift == (0.0, 0.0)


def test_a_higher_threshold_leaves_weak_dust():
    scan = film_scan()
    weak, strong = (find_dust(scan.infrared, scan.colours[..., 0], share) for share in (0.1, 0.7))
    assert (weak.threshold, strong.threshold) == pytest.approx((0.1, 0.7))
    assert shares(weak.marks, scan.opacity)[0] >= 0.95
    dense, pale = scan.opacity > 0.85, (scan.opacity > 0.2) & (cv2.dilate(scan.opacity, np.ones((31, 31))) < 0.6)
    assert strong.marks[dense].mean() >= 0.95
    assert pale.any()
    assert not strong.marks[pale].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_depths_show_the_same_dust(dtype):
    scan = film_scan()
    infrared, red = (
        (plane / (257 if dtype == np.uint8 else 65535)).astype(dtype) for plane in (scan.infrared, scan.colours[..., 0])
    )
    covered, beyond = shares(find_dust(infrared, red).marks, scan.opacity)
    assert covered >= 0.95
    assert beyond <= 0.001


def test_the_holder_of_the_film_is_no_dust():
    scan = film_scan()
    infrared, colours = scan.infrared.copy(), scan.colours.copy()
    infrared[:, :60], colours[:, :60] = 300, 400
    found = find_dust(infrared, colours[..., 0])
    assert not found.marks[:, :56].any()
    assert shares(found.marks[:, 80:], scan.opacity[:, 80:])[0] >= 0.95
    assert "film holder" in found.notes[0]


def test_film_with_silver_is_named():
    scan = film_scan(infrared_of=lambda red: red)
    assert "black-and-white, Kodachrome" in find_dust(scan.infrared, scan.colours[..., 0]).notes[-1]


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (40, 40)])
def test_small_and_uniform_pictures_have_no_dust(shape):
    infrared = np.full(shape, 40000, np.uint16)
    with pytest.raises(ImageError, match="nothing but 40000; scan it again"):
        find_dust(infrared, infrared)
    if infrared.size > 1:
        infrared[0, 0] += 50
        assert not find_dust(infrared, np.full(shape, 9000, np.uint16)).marks.any()


MASK = {"photometric": "minisblack", "extratags": [(254, "I", 1, 4, True)]}  # as SilverFast writes it
FORMS = {
    "a fourth channel": [(4, {"photometric": "rgb", "extrasamples": ["unspecified"]})],
    "a second channel": [(2, {"photometric": "minisblack", "planarconfig": "contig"})],
    "a second page": [(3, {"photometric": "rgb"}), (1, {})],
    "a second gray page": [(1, {}), (1, {})],
    "a page after a small one": [(3, {"photometric": "rgb"}), (0, {"photometric": "rgb"}), (1, {})],
    "a page marked as a mask": [(3, {"photometric": "rgb"}), (1, MASK)],
}


def scan_file(path, form, dtype=np.uint16, **options):
    """Write a simulated scan with its infrared in one of the forms; return the infrared and the colours."""
    scan = film_scan()
    colours, infrared = (
        (part if dtype == np.uint16 else part / 257).astype(dtype) for part in (scan.colours, scan.infrared)
    )
    parts = {0: colours[::4, ::4], 1: infrared, 3: colours}
    parts[4] = np.dstack([colours, infrared])
    parts[2] = np.dstack([colours[..., 0], infrared])
    with tifffile.TiffWriter(path) as writer:
        for i, (kind, own) in enumerate(FORMS[form]):
            gray = kind == 1 and i == 0
            writer.write(
                colours[..., 0] if gray else parts[kind], metadata=None, resolution=(3200, 3200), **own, **options
            )
    return infrared, colours if FORMS[form][0][0] > 2 else colours[..., :1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_plane_is_taken_out_and_comes_back(form, dtype, tmp_path):
    infrared, colours = scan_file(tmp_path / "a.tif", form, dtype)
    picture = without_infrared(read(tmp_path / "a.tif"))
    assert np.array_equal(picture.pixels[0], colours)
    assert np.array_equal(picture.infrared.plane[0, ..., 0], infrared)
    assert without_infrared(picture) is picture
    assert write(tmp_path / "out.tif", picture, np.full_like(picture.pixels, 7)) == ()
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "out.tif") as after:
        assert [page.shape for page in after.pages] == [page.shape for page in before.pages]
        assert [page.dtype for page in after.pages] == [page.dtype for page in before.pages]
        assert [page.subfiletype for page in after.pages] == [page.subfiletype for page in before.pages]
        assert [page.tags[282].value for page in after.pages] == [page.tags[282].value for page in before.pages]
        last, first = after.pages[-1].asarray(), after.pages[0].asarray()
        assert np.array_equal(last[..., -1] if last.ndim == 3 else last, infrared)
        assert (first.reshape(*infrared.shape, -1)[..., : colours.shape[2]] == 7).all()
        for old, new in zip(before.pages[1:-1], after.pages[1:-1], strict=True):
            assert np.array_equal(old.asarray(), new.asarray())


@pytest.mark.parametrize("form", FORMS)
def test_a_format_without_infrared_is_told(form, tmp_path):
    scan_file(tmp_path / "a.tif", form)
    picture = without_infrared(read(tmp_path / "a.tif"))
    notes = write(tmp_path / "out.png", picture, picture.pixels, "png")
    assert notes == ("its infrared plane is left out, as png holds none; use --format tiff",)
    assert np.array_equal(read(tmp_path / "out.png").pixels, picture.pixels)
    smaller = picture.pixels[:, ::2, ::2]
    notes = write(tmp_path / "half.tif", picture, smaller)
    assert notes == ("its infrared plane is left out, as the image has another size or other channels",)
    assert np.array_equal(read(tmp_path / "half.tif").pixels, smaller)


def test_pictures_without_infrared_stay_as_they_are(tmp_path):
    scan = film_scan()
    with tifffile.TiffWriter(tmp_path / "three.tif") as writer:
        for _ in range(3):
            writer.write(scan.infrared, metadata=None)
    with tifffile.TiffWriter(tmp_path / "two.tif") as writer:
        for _ in range(2):
            writer.write(scan.colours, photometric="rgb", metadata=None)
    tifffile.imwrite(tmp_path / "rgb.tif", scan.colours, photometric="rgb")
    alpha = np.dstack([scan.colours, scan.infrared])
    tifffile.imwrite(tmp_path / "alpha.tif", alpha, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("three", "two", "rgb", "alpha"):
        picture = read(tmp_path / f"{name}.tif")
        assert without_infrared(picture) is picture
        assert picture.infrared is None


def test_a_turned_scan_keeps_its_marked_page(tmp_path):
    scan = film_scan()
    turned = [(274, "H", 1, 6, True)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(scan.colours, photometric="rgb", metadata=None, extratags=turned)
        writer.write(
            scan.infrared, photometric="minisblack", metadata=None, extratags=[*turned, (254, "I", 1, 4, True)]
        )
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.infrared.plane[0, ..., 0], np.rot90(scan.infrared, -1))
    assert np.array_equal(picture.pixels[0], np.rot90(scan.colours, -1))
