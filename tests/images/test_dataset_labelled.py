"""Facts about sets of images that hold wherever they come from."""

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.images import load_images
from restorekit.images.dataset import LabelledImages
from restorekit.images.intensity import IntensityRange


class Held(LabelledImages):
    """Arrays, (H, W, C), that stand in memory; each has a range of its own."""

    def __init__(self, arrays, ranges=None, warnings=None):
        self.keys = tuple(map(str, range(len(arrays))))
        self.arrays = arrays
        self.ranges = ranges or [(0.0, 255.0)] * len(arrays)
        self.warnings = warnings or [None] * len(arrays)

    def raw(self, i):
        return torch.from_numpy(self.arrays[i])

    def _resolved(self, i):
        return IntensityRange(*self.ranges[i]), self.warnings[i]

    def missing(self, i):
        return None

    @property
    def sizes(self):
        return torch.tensor([array.shape[:2] for array in self.arrays])


def _arrays(count=3, dtype=np.uint8):
    return list(np.random.default_rng(0).integers(0, 256, (count, 4, 5, 3)).astype(dtype))


def test_an_image_is_channels_first_on_0_and_1_by_its_own_range():
    images = Held(_arrays(2), [(0.0, 255.0), (100.0, 200.0)])
    assert [image.shape for image in images] == [(3, 4, 5)] * 2
    assert all(image.dtype == torch.float32 and image.is_contiguous() for image in images)
    torch.testing.assert_close(images[0].permute(1, 2, 0), images.raw(0) / 255)
    torch.testing.assert_close(images[1].permute(1, 2, 0), (images.raw(1) - 100.0) / 100)
    assert images.range_of(1) == IntensityRange(100.0, 200.0)


@pytest.mark.parametrize("i", [3, -4])
def test_an_image_that_is_not_there_is_an_index_error(i):
    images = Held(_arrays())
    assert len(images) == 3
    assert torch.equal(images[-1], images[2])
    with pytest.raises(IndexError):
        images[i]


def test_the_warning_is_that_of_the_first_image():
    assert Held(_arrays(), warnings=["guessed", None, "other"]).warning == "guessed"
    assert Held(_arrays(), warnings=[None, "other", None]).warning is None


def test_the_fingerprint_follows_what_is_held_and_not_its_order():
    arrays = _arrays()
    found = Held(arrays).fingerprint
    assert Held(arrays[::-1]).fingerprint == found
    others = ([a.reshape(5, 4, 3) for a in arrays], [a.astype(np.uint16) for a in arrays], arrays[:2], arrays * 2)
    assert len({found, *(Held(other).fingerprint for other in others)}) == 5


def test_the_fingerprint_follows_pixels_and_not_names_or_formats(tmp_path):
    one, other = tmp_path / "one", tmp_path / "two"
    for folder in (one, other):
        folder.mkdir()
    for i, array in enumerate(_arrays()):
        Image.fromarray(array).save(one / f"{i}.png")
        Image.fromarray(array).save(other / f"{9 - i}.bmp")
    first = load_images(one).fingerprint
    assert load_images(other).fingerprint == first
    assert len(first) == 64
    with Image.open(other / "9.bmp") as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(other / "9.bmp")
    assert load_images(other).fingerprint != first
