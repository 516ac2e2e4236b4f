import cv2
import numpy as np
import pytest
from PIL import Image

from restorekit.images import read, write


@pytest.mark.parametrize(
    ("mode", "channels", "notes"),
    [
        ("1", 1, ("1-bit image is written as 8-bit gray",)),
        ("L", 1, ()),
        ("P", 3, ("palette image is written as RGB",)),
        ("RGB", 3, ()),
    ],
)
def test_depths(mode, channels, notes, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).convert(mode)
    image.save(tmp_path / "a.bmp", dpi=(300, 150))
    picture = read(tmp_path / "a.bmp")
    assert picture.notes == notes
    wanted = np.asarray(image.convert({"P": "RGB", "1": "L"}.get(mode, mode))).reshape(9, 7, channels)
    assert np.array_equal(picture.pixels[0], wanted)
    write(tmp_path / "b.bmp", picture, picture.pixels)
    back = read(tmp_path / "b.bmp")
    assert np.array_equal(back.pixels, picture.pixels)
    assert back.metadata.dpi == picture.metadata.dpi == pytest.approx((300, 150), abs=0.02)


def test_alpha_and_density_of_32_bits(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png", dpi=(300, 150))
    picture = read(tmp_path / "a.png")
    write(tmp_path / "b.bmp", picture, picture.pixels, format="bmp")
    back = read(tmp_path / "b.bmp")
    assert np.array_equal(np.concatenate([back.pixels, back.alpha], axis=3)[0], array)
    assert back.metadata.dpi == pytest.approx((300, 150), abs=0.02)
    assert np.array_equal(cv2.imread(str(tmp_path / "b.bmp"), cv2.IMREAD_UNCHANGED), array[..., [2, 1, 0, 3]])
