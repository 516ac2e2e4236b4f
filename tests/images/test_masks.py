import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError, UsageError
from restorekit.images import find_images, parse_mask, read, write
from restorekit.images.marks import SOFTWARE
from restorekit.images.picture import Metadata, Picture
from tests._helpers.mask_files import marked_in, write_image, write_mask


def test_nan_are_missing_whatever_the_mask_says(tmp_path):
    array = np.zeros((5, 7), np.float32)
    array[4, 6] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert marked_in(parse_mask(None), tmp_path / "a.tif").missing.sum() == 1
    write_mask(tmp_path / "a.missing.png", [255])
    assert marked_in(parse_mask(None), tmp_path / "a.tif").missing.sum() == 2
    assert marked_in(parse_mask(None, invert=True, confirmed=True), tmp_path / "a.tif").missing.sum() == 34 - 0


def test_alpha(tmp_path):
    array = np.full((5, 7, 4), 200, np.uint8)
    array[1, 2, 3] = 0
    array[1, 3, 3] = 1
    Image.fromarray(array).save(tmp_path / "a.png")
    assert np.argwhere(marked_in(parse_mask("alpha"), tmp_path / "a.png").missing).tolist() == [[0, 1, 2, 0]]
    write_image(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"b.png has no alpha channel"):
        marked_in(parse_mask("alpha"), tmp_path / "b.png")


@pytest.mark.parametrize("scale", [1, 257])
def test_a_colour(scale, tmp_path):
    array = np.zeros((5, 7, 3), np.uint16)
    array[0, 0] = (255, 0, 16)
    array[0, 1] = (255, 0, 15)
    array *= scale
    tifffile.imwrite(tmp_path / "a.tif", array if scale > 1 else array.astype(np.uint8), photometric="rgb")
    marked = marked_in(parse_mask("color:#fF0010"), tmp_path / "a.tif")
    assert np.argwhere(marked.missing).tolist() == [[0, 0, 0, 0]]
    assert marked.warnings == ()


def test_a_colour_in_floats_and_in_gray(tmp_path):
    tifffile.imwrite(tmp_path / "f.tif", np.array([[1.0, 0.5, 128 / 255]], np.float32))
    assert marked_in(parse_mask("color:#808080"), tmp_path / "f.tif").missing.ravel().tolist() == [
        False,
        False,
        True,
    ]
    with pytest.raises(ImageError, match="has 1 channel"):
        marked_in(parse_mask("color:#FF0000"), tmp_path / "f.tif")


def test_a_colour_that_is_not_there_is_refused(tmp_path):
    write_image(tmp_path / "a.jpg", colour=(9, 9, 9))
    with pytest.raises(ImageError, match=r"no pixel of a.jpg has the colour #FF00FF; .* --mask color:#FF00FF:40"):
        marked_in(parse_mask("color:#FF00FF"), tmp_path / "a.jpg")
    assert marked_in(parse_mask("color:#FF00FF", confirmed=True), tmp_path / "a.jpg").missing is None


@pytest.mark.parametrize(("quality", "subsampling"), [(95, 0), (90, 2), (75, 2), (50, 2)])
@pytest.mark.parametrize("colour", [(255, 0, 255), (0, 255, 0), (255, 0, 0)])
def test_a_colour_is_found_after_jpeg(colour, quality, subsampling, tmp_path):
    y, x = np.indices((96, 96))
    disc, picture = np.hypot(y - 40, x - 50) < 15, np.dstack([60 + y, 90 + x // 2, 128 + 0 * x]).astype(np.uint8)
    picture[disc] = colour
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
    marked = marked_in(parse_mask("color:#{:02x}{:02x}{:02x}".format(*colour)), tmp_path / "a.jpg")
    found = marked.missing[0, ..., 0]
    assert found[disc].mean() > 0.98
    assert found[np.hypot(y - 40, x - 50) > 19].mean() < 0.002
    assert "loss" in marked.warnings[0]


def test_a_tolerance_widens_a_colour(tmp_path):
    array = np.zeros((5, 7, 3), np.uint8)
    array[0, :3] = [(255, 0, 255), (250, 5, 251), (230, 0, 255)]
    Image.fromarray(array).save(tmp_path / "a.png")
    for tolerance, count in (("", 1), (":5", 2), (":25", 3)):
        assert marked_in(parse_mask(f"color:#ff00ff{tolerance}"), tmp_path / "a.png").missing.sum() == count


def test_a_mask_among_the_images_is_no_picture(tmp_path):
    for name in ("a.png", "b.png", "mask.png"):
        write_image(tmp_path / name)
    items = find_images(tmp_path)
    assert [item.key for item in parse_mask(str(tmp_path / "mask.png")).pictures(items)] == ["a.png", "b.png"]
    assert parse_mask(None).pictures(items) == items
    alone = find_images(tmp_path / "mask.png")
    assert parse_mask(str(tmp_path / "mask.png")).pictures(alone) == alone


def test_one_file_for_all(tmp_path):
    write_image(tmp_path / "in" / "a.png")
    write_mask(tmp_path / "mask.png", [0, 255])
    source = parse_mask(str(tmp_path / "mask.png"))
    assert marked_in(source, tmp_path / "in" / "a.png").missing.sum() == 1
    write_image(tmp_path / "in" / "b.png", size=(8, 5))
    with pytest.raises(ImageError, match=r"mask.png is 7 x 5, the image b.png 8 x 5; expected the same"):
        marked_in(source, tmp_path / "in" / "b.png")


def test_a_folder_is_matched_by_path_then_stem(tmp_path):
    for name in ("a.jpg", "sub/a.jpg", "sub/b.jpg", "other/c.jpg", "none.jpg"):
        write_image(tmp_path / "in" / name)
    write_mask(tmp_path / "m" / "a.png", [255])
    write_mask(tmp_path / "m" / "sub" / "a.png", [255] * 2)
    write_mask(tmp_path / "m" / "sub" / "b.missing.png", [255] * 3)
    write_mask(tmp_path / "m" / "c.bmp", [255] * 4)
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


@pytest.mark.parametrize("suffix", [".gif", ".pgm", ".psd"])
def test_a_mask_of_a_format_that_is_not_read_is_named(suffix, tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name)
    write_mask(tmp_path / "m" / "b.png", [255])
    (tmp_path / "m" / "a").with_suffix(suffix).write_bytes(b"a mask")
    source, item = parse_mask(str(tmp_path / "m")), find_images(tmp_path / "in")[0]
    with pytest.raises(ImageError, match=rf"convert .*a\{suffix} to PNG"):
        source.missing(item, read(item.path))


def test_two_masks_for_one_image_are_told(tmp_path):
    write_image(tmp_path / "in" / "a.jpg")
    write_mask(tmp_path / "m" / "x" / "a.png", [255])
    write_mask(tmp_path / "m" / "y" / "a.png", [255])
    with pytest.raises(ImageError, match="several masks"):
        marked_in(parse_mask(str(tmp_path / "m")), tmp_path / "in" / "a.jpg")


def test_a_folder_in_which_nothing_fits_is_a_wrong_usage(tmp_path):
    write_image(tmp_path / "in" / "a.jpg")
    write_mask(tmp_path / "m" / "b.png", [255])
    with pytest.raises(UsageError, match=r"no mask in .* fits an image by its name; expected names such as a.png"):
        parse_mask(str(tmp_path / "m")).check(find_images(tmp_path / "in"))


def test_the_images_own_folder_gives_the_masks_beside_them(tmp_path):
    write_image(tmp_path / "a.png")
    write_mask(tmp_path / "a.missing.png", [255] * 6)
    assert marked_in(parse_mask(str(tmp_path)), tmp_path / "a.png").missing.sum() == 6


@pytest.mark.parametrize("marked", [22, 35])
def test_a_mask_over_60_percent_is_refused_until_it_is_confirmed(marked, tmp_path):
    write_image(tmp_path / "a.png")
    write_mask(tmp_path / "a.missing.png", [255] * marked)
    with pytest.raises(ImageError, match=r"the mask marks .*% of a.png .*pass --mask-invert .*--mask-confirmed"):
        marked_in(parse_mask(None), tmp_path / "a.png")
    assert marked_in(parse_mask(None, confirmed=True), tmp_path / "a.png").missing.sum() == marked
    inverted = parse_mask(None, invert=True)
    assert marked_in(inverted, tmp_path / "a.png").missing is None or marked == 22
    write_mask(tmp_path / "a.missing.png", [255] * 10)
    with pytest.raises(ImageError, match="remove --mask-invert"):
        marked_in(inverted, tmp_path / "a.png")


def test_a_mask_under_a_ten_thousandth_is_refused_and_one_of_nothing_is_not(tmp_path):
    write_image(tmp_path / "a.png", size=(128, 128))
    write_mask(tmp_path / "a.missing.png", [255], size=(128, 128))
    with pytest.raises(ImageError, match=r"marks 0\.0061% of a.png as missing"):
        marked_in(parse_mask(None), tmp_path / "a.png")
    assert marked_in(parse_mask(None, confirmed=True), tmp_path / "a.png").missing.sum() == 1
    write_mask(tmp_path / "a.missing.png", [0], size=(128, 128))
    assert marked_in(parse_mask(None), tmp_path / "a.png").missing is None


def test_a_mask_of_restorekit_may_mark_any_share(tmp_path):
    write_image(tmp_path / "a.png")
    mask = np.full((1, 5, 7, 1), 255, np.uint8)
    for metadata, spec in ((Metadata(), "missing:rate=1"), (Metadata(text=(SOFTWARE,)), None)):
        write(tmp_path / "a.missing.png", Picture(mask, metadata=metadata), mask, spec=spec)
        assert marked_in(parse_mask(None), tmp_path / "a.png").missing.all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere", "a mask is alpha, ir, color:#RRGGBB, a file or a folder"),
        ("Alpha", "a mask is alpha, ir, color:#RRGGBB, a file or a folder"),
        ("color:#12345", "with six hexadecimal digits, or color:#RRGGBB:TOLERANCE of 255, got 'color:#12345'"),
        ("color:red", "with six hexadecimal digits, or color:#RRGGBB:TOLERANCE of 255, got 'color:red'"),
    ],
)
def test_a_wrong_option_is_told(text, told):
    with pytest.raises(UsageError, match=told):
        parse_mask(text)


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_irregular_masks_hide_the_share_that_their_block_says(tmp_path):
    write_image(tmp_path / "a.png", size=(512, 512))
    paths = sorted(Path(os.environ["RESTOREKIT_DATA"], "masks_irregular").glob("*.png"))[::97]
    assert paths
    for path in paths:
        marked = marked_in(parse_mask(str(path)), tmp_path / "a.png")
        block = int(path.stem) // 1000 // 2
        assert block / 10 - 0.01 <= marked.missing.mean() <= block / 10 + 0.11
        assert marked.warnings == ()


def test_a_text_that_is_too_long_for_a_path_is_refused():
    with pytest.raises(UsageError, match="there is no file or folder"):
        parse_mask("9" * 5000)
