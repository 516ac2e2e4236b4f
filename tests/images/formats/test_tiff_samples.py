import struct
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write
from restorekit.images.formats.tiff_samples import SampleMeaning, dtype_of, invert, meaning_of
from tests._helpers.tiff_files import packed_tiff, random_samples, rewritten, tags


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


def _scaled(values, bits):
    full = 255 if bits <= 8 else 65535
    return np.rint(values * (full / (2**bits - 1))).astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", range(1, 17))
def test_every_depth_of_gray_keeps_its_brightness(bits, photometric, order, tmp_path):
    top = 2**bits - 1
    values = np.random.default_rng(bits).integers(0, top, (37, 43), endpoint=True)
    expected = _scaled(values, bits)
    for layout in ({}, {"rows": 10}, {"tile": 16}):
        packed_tiff(tmp_path / "a.tif", values if photometric else top - values, bits, photometric, order, **layout)
        assert probe(tmp_path / "a.tif").dtype.newbyteorder("=") == expected.dtype
        picture, out = rewritten(tmp_path)
        assert np.array_equal(picture.pixels[0, ..., 0], expected)
        full = np.iinfo(expected.dtype).max
        assert np.array_equal(tifffile.imread(out), expected if photometric else full - expected)
        assert tags(out)[0]["PhotometricInterpretation"] == photometric
        assert read(out).notes == ()
        assert np.array_equal(read(out).pixels, picture.pixels)


def test_scaling_is_noted(tmp_path):
    packed_tiff(tmp_path / "a.tif", np.arange(64).reshape(8, 8), 12)
    assert read(tmp_path / "a.tif").notes == (
        "12-bit samples are scaled from 0..4095 to 0..65535 and written in 16 bits",
    )


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_reversed_order_of_bits_is_turned(bits, tmp_path):
    values = np.random.default_rng(0).integers(0, 2**bits, (12, 21))
    packed_tiff(tmp_path / "a.tif", values, bits, fill_order=2)
    assert np.array_equal(read(tmp_path / "a.tif").pixels[0, ..., 0], _scaled(values, bits))


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits"])
def test_packed_samples_may_be_compressed(compression, tmp_path):
    encode = {"lzw": imagecodecs.lzw_encode, "zlib": imagecodecs.zlib_encode, "packbits": imagecodecs.packbits_encode}
    number = {"lzw": 5, "zlib": 8, "packbits": 32773}
    values = random_samples(6, 8, dtype=np.uint16) >> 4
    packed_tiff(tmp_path / "a.tif", values, 12, rows=4, coding=(number[compression], encode[compression]))
    assert np.array_equal(read(tmp_path / "a.tif").pixels[0, ..., 0], _scaled(values, 12))


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
    with pytest.raises(ImageError, match=r"colours as inks \(CMYK\) .* convert it"):
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


def test_slices_of_a_volume_in_one_page_are_frames(tmp_path):
    volume = random_samples(16, 32, 48)
    tifffile.imwrite(tmp_path / "a.tif", volume, volumetric=True, tile=(16, 16, 16), photometric="minisblack")
    assert probe(tmp_path / "a.tif").frames == 16
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], volume)
    assert np.array_equal(tifffile.imread(out), volume)


@pytest.mark.parametrize(
    ("photometric", "name"),
    [(5, "CMYK"), (8, "CIELab"), (32803, "colour filter array"), (34892, "linear raw"), (32845, "LogLuv")],
)
def test_colours_that_are_not_read_are_named(photometric, name, tmp_path):
    packed_tiff(tmp_path / "a.tif", np.zeros((8, 8), int), 8, photometric)
    with pytest.raises(ImageError, match=name):
        read(tmp_path / "a.tif")


def test_a_compression_that_is_not_read_is_named(tmp_path):
    packed_tiff(tmp_path / "a.tif", np.zeros((8, 8), int), 8)
    data = (tmp_path / "a.tif").read_bytes()
    tag = struct.pack("<HHIHH", 259, 3, 1, 1, 0)
    (tmp_path / "a.tif").write_bytes(data.replace(tag, struct.pack("<HHIHH", 259, 3, 1, 34661, 0)))
    with pytest.raises(ImageError, match="the compression JBIG is not supported"):
        read(tmp_path / "a.tif")


def test_samples_of_a_size_that_no_number_has_are_refused():
    page = SimpleNamespace(dtype=None, bitspersample=3, photometric=1, compression=1, is_subsampled=False)
    with pytest.raises(ImageError, match="samples of 3 bits are not supported; convert the TIFF to 8, 16 or 32"):
        dtype_of(page)


def test_samples_beyond_the_colours_that_the_file_does_not_explain_are_bands():
    page = SimpleNamespace(photometric=2, extrasamples=(), samplesperpixel=5)
    assert meaning_of(page) == SampleMeaning(3, False, (0, 0))
