import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.errors import ImageError, UsageError
from restorekit.images import Item, find_images, parse_mask, read
from restorekit.images.find import walk_images


def _image(path, mode="RGB", size=(7, 5), colour=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def _mask(path, values, size=(7, 5)):
    """Write a gray mask that holds the given values from its first pixel on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(size[::-1], np.uint8)
    array.ravel()[: len(values)] = values
    Image.fromarray(array).save(path)


def _marked(source, path, key=None):
    return source.missing(Item(path, key or path.name), read(path))


def test_the_mask_beside_the_image(tmp_path):
    _image(tmp_path / "a.png")
    assert _marked(parse_mask(None), tmp_path / "a.png").missing is None
    _mask(tmp_path / "a.missing.png", [255, 0, 255])
    marked = _marked(parse_mask(None), tmp_path / "a.png")
    assert marked.missing.shape == (1, 5, 7, 1)
    assert marked.missing.ravel()[:4].tolist() == [True, False, True, False]
    assert marked.warnings == ()
    inverted = _marked(parse_mask(None, invert=True), tmp_path / "a.png")
    assert np.array_equal(inverted.missing, ~marked.missing)


@pytest.mark.parametrize("name", ["a.missing.PNG", "a.missing.bmp", "a.missing.Tif", "a.missing.npy"])
def test_the_mask_beside_the_image_has_any_suffix(name, tmp_path):
    _image(tmp_path / "a.png")
    mask = np.zeros((5, 7), np.uint8)
    mask[1, 2] = 255
    np.save(tmp_path / name, mask) if name.endswith("npy") else Image.fromarray(mask).save(tmp_path / name)
    assert [item.key for item in find_images(tmp_path)] == ["a.png"]
    assert np.argwhere(_marked(parse_mask(None), tmp_path / "a.png").missing).tolist() == [[0, 1, 2, 0]]


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
    _image(tmp_path / "a.png")
    for name in ("a.missing.png", "a.missing.bmp"):
        _mask(tmp_path / name, [255])
    with pytest.raises(ImageError, match=r"a.png has several masks .*a.missing.bmp and .*a.missing.png\); keep one"):
        _marked(parse_mask(None), tmp_path / "a.png")


def test_a_folder_of_many_images_is_listed_once(tmp_path, monkeypatch):
    for name in "abc":
        _image(tmp_path / f"{name}.png")
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
    marked = _marked(parse_mask(None), tmp_path / "a.tif")
    assert np.array_equal(marked.missing[..., 0], masks > 0)
    tifffile.imwrite(tmp_path / "a.missing.tif", masks[:2], photometric="minisblack")
    with pytest.raises(ImageError, match=r"has 2 frames, the image a.tif 3"):
        _marked(parse_mask(None), tmp_path / "a.tif")


def test_nan_are_missing_whatever_the_mask_says(tmp_path):
    array = np.zeros((5, 7), np.float32)
    array[4, 6] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert _marked(parse_mask(None), tmp_path / "a.tif").missing.sum() == 1
    _mask(tmp_path / "a.missing.png", [255])
    assert _marked(parse_mask(None), tmp_path / "a.tif").missing.sum() == 2
    assert _marked(parse_mask(None, invert=True), tmp_path / "a.tif").missing.sum() == 34 - 0


def test_alpha(tmp_path):
    array = np.full((5, 7, 4), 200, np.uint8)
    array[1, 2, 3] = 0
    array[1, 3, 3] = 1
    Image.fromarray(array).save(tmp_path / "a.png")
    assert np.argwhere(_marked(parse_mask("alpha"), tmp_path / "a.png").missing).tolist() == [[0, 1, 2, 0]]
    _image(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"b.png has no alpha channel"):
        _marked(parse_mask("alpha"), tmp_path / "b.png")


@pytest.mark.parametrize("scale", [1, 257])
def test_a_colour(scale, tmp_path):
    array = np.zeros((5, 7, 3), np.uint16)
    array[0, 0] = (255, 0, 16)
    array[0, 1] = (255, 0, 15)
    array *= scale
    tifffile.imwrite(tmp_path / "a.tif", array if scale > 1 else array.astype(np.uint8), photometric="rgb")
    marked = _marked(parse_mask("color:#fF0010"), tmp_path / "a.tif")
    assert np.argwhere(marked.missing).tolist() == [[0, 0, 0, 0]]
    assert marked.warnings == ()


def test_a_colour_in_floats_and_in_gray(tmp_path):
    tifffile.imwrite(tmp_path / "f.tif", np.array([[1.0, 0.5, 128 / 255]], np.float32))
    assert _marked(parse_mask("color:#808080"), tmp_path / "f.tif").missing.ravel().tolist() == [False, False, True]
    with pytest.raises(ImageError, match="has 1 channel"):
        _marked(parse_mask("color:#FF0000"), tmp_path / "f.tif")


def test_a_colour_that_is_not_there_or_blurred_is_told(tmp_path):
    _image(tmp_path / "a.jpg", colour=(9, 9, 9))
    marked = _marked(parse_mask("color:#FF00FF"), tmp_path / "a.jpg")
    assert marked.missing is None
    assert len(marked.warnings) == 2
    assert "exactly the colour #FF00FF" in marked.warnings[0]
    assert "loss" in marked.warnings[1]


def test_a_mask_among_the_images_is_no_picture(tmp_path):
    for name in ("a.png", "b.png", "mask.png"):
        _image(tmp_path / name)
    items = find_images(tmp_path)
    assert [item.key for item in parse_mask(str(tmp_path / "mask.png")).pictures(items)] == ["a.png", "b.png"]
    assert parse_mask(None).pictures(items) == items
    alone = find_images(tmp_path / "mask.png")
    assert parse_mask(str(tmp_path / "mask.png")).pictures(alone) == alone


def test_one_file_for_all(tmp_path):
    _image(tmp_path / "in" / "a.png")
    _mask(tmp_path / "mask.png", [0, 255])
    source = parse_mask(str(tmp_path / "mask.png"))
    assert _marked(source, tmp_path / "in" / "a.png").missing.sum() == 1
    _image(tmp_path / "in" / "b.png", size=(8, 5))
    with pytest.raises(ImageError, match=r"mask.png is 7 x 5, the image b.png 8 x 5; expected the same"):
        _marked(source, tmp_path / "in" / "b.png")


def test_a_folder_is_matched_by_path_then_stem(tmp_path):
    for name in ("a.jpg", "sub/a.jpg", "sub/b.jpg", "other/c.jpg", "none.jpg"):
        _image(tmp_path / "in" / name)
    _mask(tmp_path / "m" / "a.png", [255])
    _mask(tmp_path / "m" / "sub" / "a.png", [255] * 2)
    _mask(tmp_path / "m" / "sub" / "b.missing.png", [255] * 3)
    _mask(tmp_path / "m" / "c.bmp", [255] * 4)
    source = parse_mask(str(tmp_path / "m"))
    items = find_images(tmp_path / "in")
    source.check(items)
    found = {}
    for item in items:
        try:
            found[item.key] = int(source.missing(item, read(item.path)).missing.sum())
        except ImageError as error:
            found[item.key] = str(error)
    told = found.pop("none.jpg")
    assert found == {"a.jpg": 1, "sub/a.jpg": 2, "sub/b.jpg": 3, "other/c.jpg": 4}
    assert told.startswith("none.jpg has no mask in")


def test_two_masks_for_one_image_are_told(tmp_path):
    _image(tmp_path / "in" / "a.jpg")
    _mask(tmp_path / "m" / "x" / "a.png", [255])
    _mask(tmp_path / "m" / "y" / "a.png", [255])
    with pytest.raises(ImageError, match="several masks"):
        _marked(parse_mask(str(tmp_path / "m")), tmp_path / "in" / "a.jpg")


def test_a_folder_in_which_nothing_fits_is_a_wrong_usage(tmp_path):
    _image(tmp_path / "in" / "a.jpg")
    _mask(tmp_path / "m" / "b.png", [255])
    with pytest.raises(UsageError, match=r"no mask in .* fits an image by its name; expected names such as a.png"):
        parse_mask(str(tmp_path / "m")).check(find_images(tmp_path / "in"))


def test_the_images_own_folder_gives_the_masks_beside_them(tmp_path):
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a.missing.png", [255] * 6)
    assert _marked(parse_mask(str(tmp_path)), tmp_path / "a.png").missing.sum() == 6


@pytest.mark.parametrize(
    ("values", "hit", "warned"),
    [([255, 0], 1, False), ([1, 0, 1], 2, False), ([255, 128, 127, 1], 2, True), ([3, 2, 1], 2, True)],
)
def test_gray_masks_are_cut_at_half_with_a_warning(values, hit, warned, tmp_path):
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a.missing.png", values)
    marked = _marked(parse_mask(None), tmp_path / "a.png")
    assert marked.missing.sum() == hit
    assert bool(marked.warnings) == warned
    assert not warned or "cut at half" in marked.warnings[0]


def test_coloured_masks_mark_channels(tmp_path):
    array = np.zeros((5, 7, 3), np.uint8)
    array[0, 0, 1] = 255
    _image(tmp_path / "a.png")
    _image(tmp_path / "g.png", "L")
    for name in ("a", "g"):
        Image.fromarray(array).save(tmp_path / f"{name}.missing.png")
    assert np.argwhere(_marked(parse_mask(None), tmp_path / "a.png").missing).tolist() == [[0, 0, 0, 1]]
    assert np.argwhere(_marked(parse_mask(None), tmp_path / "g.png").missing).tolist() == [[0, 0, 0, 0]]
    array[0, 0] = 255
    Image.fromarray(array).save(tmp_path / "equal.png")
    assert _marked(parse_mask(str(tmp_path / "equal.png")), tmp_path / "a.png").missing.shape == (1, 5, 7, 1)


def test_masks_of_other_formats(tmp_path):
    _image(tmp_path / "a.png")
    array = np.zeros((5, 7), bool)
    array[1, 1] = True
    np.save(tmp_path / "m.npy", array)
    Image.fromarray(array).save(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "m.tif", array.astype(np.float32))
    for name in ("m.npy", "m.png", "m.tif"):
        assert np.argwhere(_marked(parse_mask(str(tmp_path / name)), tmp_path / "a.png").missing).tolist() == [
            [0, 1, 1, 0]
        ]


def test_a_mask_that_hides_everything_is_told(tmp_path):
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a.missing.png", [255] * 35)
    marked = _marked(parse_mask(None), tmp_path / "a.png")
    assert marked.missing.all()
    assert "--mask-invert" in marked.warnings[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere", "a mask is alpha, color:#RRGGBB, a file or a folder"),
        ("Alpha", "a mask is alpha, color:#RRGGBB, a file or a folder"),
        ("color:#12345", "with six hexadecimal digits, got 'color:#12345'"),
        ("color:red", "with six hexadecimal digits, got 'color:red'"),
    ],
)
def test_a_wrong_option_is_told(text, told):
    with pytest.raises(UsageError, match=told):
        parse_mask(text)


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_irregular_masks_hide_the_share_that_their_block_says(tmp_path):
    _image(tmp_path / "a.png", size=(512, 512))
    paths = sorted(Path(os.environ["RESTOREKIT_DATA"], "masks_irregular").glob("*.png"))[::97]
    assert paths
    for path in paths:
        marked = _marked(parse_mask(str(path)), tmp_path / "a.png")
        block = int(path.stem) // 1000 // 2
        assert block / 10 - 0.01 <= marked.missing.mean() <= block / 10 + 0.11
        assert marked.warnings == ()
