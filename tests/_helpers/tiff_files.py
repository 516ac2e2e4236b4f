"""What the tests of TIFF share: samples to write, a file read and written again, its tags."""

import numpy as np
import tifffile

from restorekit.images import read, write


def random_samples(*shape, dtype=np.uint8):
    """Samples over the whole range of their type."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def rewritten(tmp_path, **options):
    """Read a.tif, write it as b.tif; return the picture and where it went."""
    picture = read(tmp_path / "a.tif")
    write(tmp_path / "b.tif", picture, picture.pixels, **options)
    return picture, tmp_path / "b.tif"


def tags(path):
    """The tags of each page, by name."""
    with tifffile.TiffFile(path) as file:
        return [{tag.name: tag.value for tag in page.tags} for page in file.pages]
