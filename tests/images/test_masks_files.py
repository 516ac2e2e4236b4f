from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import Item, find_images, parse_mask, read
from restorekit.images.discovery import walk_images
from restorekit.images.masks import MaskIndex
from tests._helpers.mask_files import marked_in, write_image, write_mask


def test_the_mask_beside_the_image(tmp_path):
    write_image(tmp_path / "a.png")
    assert marked_in(parse_mask(None), tmp_path / "a.png").missing is None
    write_mask(tmp_path / "a.missing.png", [255, 0, 255])
    marked = marked_in(parse_mask(None), tmp_path / "a.png")
    assert marked.missing.shape == (1, 5, 7, 1)
    assert marked.missing.ravel()[:4].tolist() == [True, False, True, False]
    assert marked.warnings == ()
    inverted = marked_in(parse_mask(None, invert=True, confirmed=True), tmp_path / "a.png")
    assert np.array_equal(inverted.missing, ~marked.missing)


@pytest.mark.parametrize("name", ["a.missing.PNG", "a.missing.bmp", "a.missing.Tif", "a.missing.npy"])
def test_the_mask_beside_the_image_has_any_suffix(name, tmp_path):
    write_image(tmp_path / "a.png")
    mask = np.zeros((5, 7), np.uint8)
    mask[1, 2] = 255
    np.save(tmp_path / name, mask) if name.endswith("npy") else Image.fromarray(mask).save(tmp_path / name)
    assert [item.key for item in find_images(tmp_path)] == ["a.png"]
    assert np.argwhere(marked_in(parse_mask(None), tmp_path / "a.png").missing).tolist() == [[0, 1, 2, 0]]


def test_what_is_no_image_for_its_name_is_a_mask_and_nothing_else_is(tmp_path):
    names = ("a.png", "a.missing.PNG", "a.MISSING.png", "a.missing.txt", "ab.missing.png", "b.tif", "b.missing.webp")
    for folder in (tmp_path, tmp_path / "sub"):
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_bytes(b"")
    (tmp_path / "a.missing.tif").mkdir()
    source, items = parse_mask(None), find_images(tmp_path)
    masks = {source.file(item) for item in items} - {None}
    assert masks == {item.path for item in walk_images(tmp_path)} - {item.path for item in items}
    assert len(masks) == 4


def test_two_masks_beside_one_image_are_told(tmp_path):
    write_image(tmp_path / "a.png")
    for name in ("a.missing.png", "a.missing.bmp"):
        write_mask(tmp_path / name, [255])
    with pytest.raises(ImageError, match=r"a.png has several masks .*a.missing.bmp and .*a.missing.png\); keep one"):
        marked_in(parse_mask(None), tmp_path / "a.png")


def test_a_folder_of_many_images_is_listed_once(tmp_path, monkeypatch):
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    before, listed = Path.iterdir, []
    monkeypatch.setattr(Path, "iterdir", lambda folder: listed.append(folder) or before(folder))
    source = parse_mask(None)
    assert [source.file(Item(tmp_path / f"{name}.png", f"{name}.png")) for name in "abc"] == [None] * 3
    assert listed == [tmp_path]


def test_frames_have_masks_of_their_own(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 5, 7), np.uint8), photometric="minisblack")
    masks = np.zeros((3, 5, 7), np.uint8)
    masks[1, 2, 3] = 255
    tifffile.imwrite(tmp_path / "a.missing.tif", masks, photometric="minisblack")
    marked = marked_in(parse_mask(None), tmp_path / "a.tif")
    assert np.array_equal(marked.missing[..., 0], masks > 0)
    tifffile.imwrite(tmp_path / "a.missing.tif", masks[:2], photometric="minisblack")
    with pytest.raises(ImageError, match=r"has 2 frames, the image a.tif 3"):
        marked_in(parse_mask(None), tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("values", "hit", "warned"),
    [([255, 0], 1, False), ([1, 0, 1], 2, False), ([255, 128, 127, 1], 4, True), ([3, 2, 1], 3, True)],
)
def test_every_value_but_0_is_missing(values, hit, warned, tmp_path):
    write_image(tmp_path / "a.png")
    write_mask(tmp_path / "a.missing.png", values)
    marked = marked_in(parse_mask(None), tmp_path / "a.png")
    assert marked.missing.sum() == hit
    assert bool(marked.warnings) == warned
    assert not warned or "all but 0 count as missing" in marked.warnings[0]


def test_coloured_masks_mark_pixels_and_arrays_mark_channels(tmp_path):
    array = np.zeros((5, 7, 3), np.uint8)
    array[0, 0, 1] = 255
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "g.png", "L")
    for name in ("a", "g"):
        Image.fromarray(array).save(tmp_path / f"{name}.missing.png")
    assert np.argwhere(marked_in(parse_mask(None), tmp_path / "a.png").missing).tolist() == [[0, 0, 0, 0]]
    np.save(tmp_path / "m.npy", array)
    assert np.argwhere(marked_in(parse_mask(str(tmp_path / "m.npy")), tmp_path / "a.png").missing).tolist() == [
        [0, 0, 0, 1]
    ]
    assert np.argwhere(marked_in(parse_mask(None), tmp_path / "g.png").missing).tolist() == [[0, 0, 0, 0]]
    array[0, 0] = 255
    Image.fromarray(array).save(tmp_path / "equal.png")
    assert marked_in(parse_mask(str(tmp_path / "equal.png")), tmp_path / "a.png").missing.shape == (1, 5, 7, 1)


def test_masks_of_other_formats(tmp_path):
    write_image(tmp_path / "a.png")
    array = np.zeros((5, 7), bool)
    array[1, 1] = True
    np.save(tmp_path / "m.npy", array)
    Image.fromarray(array).save(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "m.tif", array.astype(np.float32))
    for name in ("m.npy", "m.png", "m.tif"):
        assert np.argwhere(marked_in(parse_mask(str(tmp_path / name)), tmp_path / "a.png").missing).tolist() == [
            [0, 1, 1, 0]
        ]


def test_a_mask_that_holds_nan_is_refused(tmp_path):
    write_image(tmp_path / "a.png")
    np.save(tmp_path / "a.missing.npy", np.full((5, 7), np.nan, np.float32))
    with pytest.raises(ImageError, match=r"a.missing.npy holds NaN; expected 0 for an observed value"):
        marked_in(parse_mask(None), tmp_path / "a.png")


def test_a_mask_that_changed_is_read_again_and_cannot_be_changed_in_memory(tmp_path):
    write_image(tmp_path / "a.png")
    np.save(tmp_path / "a.missing.npy", np.eye(5, 7, dtype=np.uint8))
    first = marked_in(parse_mask(None), tmp_path / "a.png").missing
    assert not first.flags.writeable
    np.save(tmp_path / "a.missing.npy", np.ones((5, 7)))  # another length, so another file whatever the clock says
    assert first.sum() == 5
    assert marked_in(parse_mask(None, confirmed=True), tmp_path / "a.png").missing.all()


def test_several_masks_are_told_for_an_array_of_an_npz_too(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 7), np.uint8))
    item = Item(tmp_path / "a.npz:x", "a.npz")
    assert MaskIndex().one(item) is None
    write_mask(tmp_path / "a.missing.png", [255])
    assert MaskIndex().one(item) == tmp_path / "a.missing.png"
    write_mask(tmp_path / "a.missing.bmp", [255])
    with pytest.raises(ImageError, match="several masks"):
        MaskIndex().one(item)


def test_a_folder_that_is_not_there_holds_no_masks(tmp_path):
    assert MaskIndex().of(tmp_path / "nowhere" / "a.png") == []


@pytest.mark.parametrize(("shape", "axes"), [((3, 6, 9), "CHW"), ((5, 6, 9), "CHW"), ((9, 6), "WH")])
@pytest.mark.parametrize("channels", [True, False])
def test_a_mask_in_an_array_has_the_axes_of_its_image(shape, axes, channels, tmp_path):
    mask = np.zeros(shape if channels else shape[-2:], np.uint8)
    mask[..., 1, 0] = 1
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    np.save(tmp_path / "a.missing.npy", mask)
    picture = read(tmp_path / "a.npy", axes=axes)
    missing = parse_mask(None).missing(Item(tmp_path / "a.npy", "a.npy"), picture).missing
    place = (0, 0, 1, 0) if axes == "WH" else (0, 1, 0, 0)
    assert missing.shape[:3] == picture.pixels.shape[:3]
    assert np.argwhere(missing)[0].tolist() == list(place)
