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
    assert picture.lossy == bool(picture.notes) == (not lossless)
    write(tmp_path / "b.webp", picture, picture.pixels)
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
