import numpy as np
import pytest
from PIL import Image, ImageOps

from restorekit.images.picture import Metadata, Picture, assemble, upright


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_what_pillow_does(orientation):
    samples = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(1, 2, 3, 3)
    image = Image.fromarray(samples[0])
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright(samples, orientation)[0], np.asarray(ImageOps.exif_transpose(image)))


def test_assemble_takes_alpha_and_nan_apart():
    samples = np.ones((1, 2, 2, 2), np.float32)
    samples[0, 0, 1, 0] = np.nan
    samples[0, 1, 0, 0] = np.inf
    picture = assemble("tiff", samples, Metadata(), alpha=True)
    assert picture.missing is not None
    assert picture.missing[0, ..., 0].tolist() == [[False, True], [True, False]]
    assert picture.pixels[0, ..., 0].tolist() == [[1, 0], [0, 1]]
    assert picture.alpha is not None
    assert picture.alpha.shape == (1, 2, 2, 1)


def test_finite_floats_have_nothing_missing():
    assert assemble("tiff", np.ones((1, 2, 2, 1), np.float32), Metadata()).missing is None


def test_lossy_depends_on_the_webp():
    pixels = np.zeros((1, 1, 1, 3), np.uint8)
    assert Picture(pixels, format="webp").lossy
    assert not Picture(pixels, format="webp", metadata=Metadata(lossless=True)).lossy
    assert Picture(pixels, format="jpeg").lossy
    assert not Picture(pixels, format="tiff").lossy
