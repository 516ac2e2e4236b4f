"""What the tests of masks share: images and masks on the disk, and what is said to be missing."""

import numpy as np
from PIL import Image

from restorekit.images import Item, read


def write_image(path, mode="RGB", size=(7, 5), colour=0):
    """Write an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def write_mask(path, values, size=(7, 5)):
    """Write a gray mask that holds the given values from its first pixel on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(size[::-1], np.uint8)
    array.ravel()[: len(values)] = values
    Image.fromarray(array).save(path)


def marked_in(source, path, key=None):
    """What a source says is missing in an image."""
    return source.missing(Item(path, key or path.name), read(path))
