import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write


def _image(mode="RGB"):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 12, 4), np.uint8)).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
def test_loss_is_kept_as_it_was(mode, lossless, tmp_path):
    _image(mode).save(tmp_path / "a.webp", lossless=lossless, exact=True)
    picture = read(tmp_path / "a.webp")
    assert picture.metadata.lossless == lossless
    assert picture.lossy is not lossless
    assert picture.notes == ()
    notes = write(tmp_path / "b.webp", picture, picture.pixels)
    assert notes == (() if lossless else ("lossy WebP does not say its quality, and is written with 90",))
    back = read(tmp_path / "b.webp")
    assert back.metadata.lossless == lossless
    assert np.array_equal(back.pixels, picture.pixels) == lossless


def test_metadata_are_kept_and_the_orientation_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    _image().save(tmp_path / "a.webp", lossless=True, exif=exif, icc_profile=b"p" * 200, xmp=b"<x/>")
    picture = read(tmp_path / "a.webp")
    assert picture.pixels.shape == (1, 12, 16, 3)
    assert (probe(tmp_path / "a.webp").height, probe(tmp_path / "a.webp").width) == (12, 16)
    write(tmp_path / "b.webp", picture, picture.pixels)
    with Image.open(tmp_path / "b.webp") as image:
        assert dict(image.getexif()) == {0x0112: 1, 0x010F: "Maker"}
        assert (image.info["icc_profile"], image.info["xmp"]) == (b"p" * 200, b"<x/>")


def test_gray_is_written_as_equal_colours(tmp_path):
    _image("LA").save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    write(tmp_path / "b.webp", picture, picture.pixels, format="webp")
    back = read(tmp_path / "b.webp")
    assert np.array_equal(back.pixels, np.repeat(picture.pixels, 3, axis=3))
    assert np.array_equal(back.alpha, picture.alpha)


def test_an_animation_is_refused(tmp_path):
    _image().save(tmp_path / "a.webp", save_all=True, append_images=[_image("L").convert("RGB")])
    for function in (probe, read):
        with pytest.raises(ImageError, match="animated WebP"):
            function(tmp_path / "a.webp")


def test_what_changed_is_written_without_loss_unless_a_quality_is_asked_for(tmp_path):
    _image().save(tmp_path / "a.webp", quality=80)
    picture = read(tmp_path / "a.webp")
    notes = write(tmp_path / "b.webp", picture, picture.pixels, jpeg_quality="auto")
    assert "without loss" in notes[0]
    assert np.array_equal(read(tmp_path / "b.webp").pixels, picture.pixels)
    for quality in ("10", "90"):
        assert write(tmp_path / f"{quality}.webp", picture, picture.pixels, jpeg_quality=quality) == ()
    assert (tmp_path / "10.webp").stat().st_size < (tmp_path / "90.webp").stat().st_size


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_an_orientation_that_only_xmp_states_is_applied(orientation, tmp_path):
    xmp = b'<x xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="%d" t:ImageWidth="12"/>' % orientation
    exif = Image.Exif()
    exif[0x0112] = orientation
    _image().save(tmp_path / "exif.webp", lossless=True, exif=exif)
    _image().save(tmp_path / "xmp.webp", lossless=True, xmp=xmp)
    picture = read(tmp_path / "xmp.webp")
    assert np.array_equal(picture.pixels, read(tmp_path / "exif.webp").pixels)
    assert probe(tmp_path / "xmp.webp").height == picture.pixels.shape[1]
    assert b't:Orientation="1"' in picture.metadata.xmp


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0II*\0"}])
@pytest.mark.parametrize("size", [(1, 1), (16383, 3), (5, 16383)])
def test_the_header_states_the_size_without_decoding(size, options, tmp_path):
    Image.new("RGB", size).save(tmp_path / "a.webp", **options)
    header = probe(tmp_path / "a.webp")
    assert (header.width, header.height) == size
