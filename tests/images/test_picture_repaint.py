"""Facts about what a file says when its picture gets another size or other channels."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from restorekit.images import exif, formats
from restorekit.images.picture import repainted

XMP = b'<x tiff:ImageWidth="14" exif:PixelYDimension="13" a="b"/>'
GRAY = np.random.default_rng(0).integers(0, 255, (13, 14), dtype=np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = ["a.png", "a.jpg", "a.tif", "a.webp"]


def _saved(path):
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x8769] = {0xA002: 14, 0xA003: 13}
    if path.suffix == ".tif":
        tags = [(700, 7, len(XMP), XMP, False), (34675, 7, len(PROFILE), PROFILE, False), (281, 3, 1, 255, False)]
        tifffile.imwrite(path, GRAY, extratags=tags)
    elif path.suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        Image.fromarray(GRAY).save(path, pnginfo=text, exif=block, icc_profile=PROFILE, dpi=(96, 96))
    else:
        Image.fromarray(GRAY).save(path, exif=block, icc_profile=PROFILE, xmp=XMP)
    return formats.read(path)


def _written(path, picture):
    formats.write(path, picture, picture.pixels)
    return formats.read(path)


@pytest.mark.parametrize("name", FORMATS)
def test_stated_sizes_are_those_of_the_new_pixels(name, tmp_path):
    before = _saved(tmp_path / name)
    pixels = before.pixels.repeat(2, 1).repeat(3, 2)
    after = _written(tmp_path / f"out-{name}", repainted(before, pixels))
    assert after.pixels.shape == (1, 26, 42, before.pixels.shape[3])
    assert after.metadata.xmp == b'<x tiff:ImageWidth="42" exif:PixelYDimension="26" a="b"/>'
    assert after.metadata.icc == PROFILE
    if after.metadata.exif:
        block = Image.Exif()
        block.load(exif.PREFIX + after.metadata.exif)
        assert (block[0x010F], block.get_ifd(0x8769)) == ("Maker", {0xA002: 42, 0xA003: 26})
    assert bool(after.metadata.exif) == (name != "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_profile_of_gray_is_not_one_of_colour(name, tmp_path):
    before = _saved(tmp_path / name)
    changed = repainted(before, before.pixels.repeat(3, 3))
    after = _written(tmp_path / f"out-{name}", changed)
    assert after.pixels.shape == (1, 13, 14, 3)
    assert (after.metadata.icc, after.metadata.xmp) == (None, XMP)
    assert changed.notes == (*before.notes, "its colour profile is dropped, as it is of other channels")
    with Image.open(tmp_path / f"out-{name}") as image:
        assert (image.mode, image.info.get("icc_profile")) == ("RGB", None)


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_of_the_same_shape_change_nothing_else(name, tmp_path):
    before = _saved(tmp_path / name)
    after = repainted(before, 255 - before.pixels)
    assert after.metadata is before.metadata
    assert after.notes == before.notes
