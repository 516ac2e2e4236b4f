from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write
from restorekit.images.formats.tiff import SampleMeaning, dtype_of, invert, meaning_of
from tests._helpers.tiff_files import random_samples, rewritten, tags


def test_white_is_0_is_turned_and_turned_back(tmp_path):
    array = random_samples(6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], 65535 - array)
    assert np.array_equal(tifffile.imread(out), array)
    write(tmp_path / "b.png", picture, picture.pixels, format="png")
    assert np.array_equal(read(tmp_path / "b.png").pixels, picture.pixels)


def test_bilevel_becomes_8_bits(tmp_path):
    array = np.random.default_rng(0).random((6, 9)) > 0.5
    for photometric in ("minisblack", "miniswhite"):
        tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric)
        picture, out = rewritten(tmp_path)
        assert np.array_equal(picture.pixels[0, ..., 0], np.where(array ^ (photometric == "miniswhite"), 255, 0))
        assert picture.notes == ("1-bit image is written as 8-bit gray",)
        assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_palette_becomes_rgb(tmp_path):
    image = Image.fromarray(random_samples(9, 7, 3)).quantize(20)
    image.save(tmp_path / "a.tif")
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[0], np.asarray(image.convert("RGB")))
    assert picture.notes == ("palette image is written as RGB",)
    assert np.array_equal(read(out).pixels, picture.pixels)
    assert "ColorMap" not in tags(out)[0]


def test_12_bits_are_written_in_16(tmp_path):
    packed = random_samples(6, 8, dtype=np.uint16) >> 4
    bits = "".join(f"{value:012b}" for value in packed.ravel())
    data = bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
    tifffile.imwrite(
        tmp_path / "a.tif", iter([data]), shape=(6, 8), dtype=np.uint16, bitspersample=12, photometric="minisblack"
    )
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], packed)
    assert picture.notes == ("12-bit samples are written in 16 bits",)
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_unspecified_extra_samples_are_bands_and_alpha_is_alpha(tmp_path):
    array = random_samples(6, 9, 4)
    for kind, alpha in ((0, False), (1, True), (2, True)):
        tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=[kind])
        picture, out = rewritten(tmp_path)
        assert picture.pixels.shape[3] == probe(tmp_path / "a.tif").channels == 4 - alpha
        assert tags(out)[0]["ExtraSamples"] == (kind,)
        assert np.array_equal(tifffile.imread(out), array)


def test_colours_that_are_not_supported_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(6, 9, 4), photometric="separated")
    with pytest.raises(ImageError, match=r"colours as SEPARATED .* convert it"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_turning_black_and_white_twice_is_nothing_and_spares_what_is_no_colour(dtype):
    samples = random_samples(3, 4, 3, dtype=dtype)
    turned = invert(samples, 1)
    assert np.array_equal(turned[..., :2], np.iinfo(dtype).max - samples[..., :2])
    assert np.array_equal(turned[..., 2], samples[..., 2])
    assert np.array_equal(invert(turned, 1), samples)


def test_floats_have_no_white_to_count_from():
    samples = np.linspace(-1, 3, 8, dtype=np.float32).reshape(2, 4, 1)
    assert np.array_equal(invert(samples, 0), samples)


def test_a_volume_in_one_page_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(16, 16, 16), volumetric=True, tile=(16, 16, 16))
    with pytest.raises(ImageError, match=r"a TIFF page with depth .* save one page per slice"):
        read(tmp_path / "a.tif")


def test_samples_of_a_size_that_no_number_has_are_refused():
    page = SimpleNamespace(dtype=None, bitspersample=3, photometric=1)
    with pytest.raises(ImageError, match="samples of 3 bits are not supported; convert the TIFF to 8, 16 or 32"):
        dtype_of(page)


def test_samples_beyond_the_colours_that_the_file_does_not_explain_are_bands():
    page = SimpleNamespace(photometric=2, extrasamples=(), samplesperpixel=5)
    assert meaning_of(page) == SampleMeaning(3, False, (0, 0))
