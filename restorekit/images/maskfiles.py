"""Mask files: found beside the image, read, cut to black and white, held against the image."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from restorekit.errors import ImageError
from restorekit.images.files import read
from restorekit.images.find import IMAGE_SUFFIXES, Item, marked_stem, split_array
from restorekit.images.picture import Picture

Missing = npt.NDArray[np.bool_]


class Marked(NamedTuple):
    """What is missing in one image.

    Attributes
    ----------
    missing : array of bool, (1 or N, H, W, 1 or C), or None
        True where a value is missing; None where nothing is.
    warnings : tuple of str
    """

    missing: Missing | None
    warnings: tuple[str, ...] = ()


class Beside:
    """Masks beside images, `NAME.missing.png` with any image suffix: those that `find.is_mask` knows.

    A folder is listed once, when it is first asked for: it may hold very many files.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def of(self, image: Path) -> list[Path]:
        """Return every mask beside an image, sorted."""
        if image.parent not in self._folders:
            self._folders[image.parent] = _by_stem(image.parent)
        return [path for path in self._folders[image.parent].get(image.stem, ()) if path.is_file()]

    def one(self, item: Item) -> Path | None:
        """Return the mask beside an image, None where there is none; ImageError where there are several."""
        paths = self.of(Path(split_array(item.path)[0]))
        if len(paths) > 1:
            raise ImageError(f"{item.key} has several masks beside it ({paths[0]} and {paths[1]}); keep one of them")
        return paths[0] if paths else None


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the masks in a folder, which need not exist, by the stem of their image."""
    found = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        stem = marked_stem(path.stem)
        if stem is not None and path.suffix.lower() in IMAGE_SUFFIXES:
            found[stem].append(path)
    return found


def fitted(path: Path, item: Item, picture: Picture) -> Marked:
    """Return a mask file cut to black and white, once it is known to have the image's size."""
    stat = Path(split_array(path)[0]).stat()
    mask, warnings = _load(path, stat.st_mtime_ns, stat.st_size)
    frames, height, width, channels = picture.pixels.shape
    if mask.shape[1:3] != (height, width):
        sizes = f"{mask.shape[2]} x {mask.shape[1]}, the image {item.key} {width} x {height}"
        raise ImageError(f"the mask {path} is {sizes}; expected the same width and height")
    if mask.shape[0] not in (1, frames):
        raise ImageError(
            f"the mask {path} has {mask.shape[0]} frames, the image {item.key} {frames}; expected 1 or {frames}"
        )
    if mask.shape[3] not in (1, channels):
        mask = np.asarray(mask.any(axis=3, keepdims=True))
    return Marked(mask, warnings)


@lru_cache(maxsize=2)
def _load(path: Path, _changed: int, _size: int) -> tuple[Missing, tuple[str, ...]]:
    """Read a mask, (N, H, W, 1 or C), once as long as the file stays the same; one channel where all are equal."""
    picture = read(path)
    values = picture.pixels
    if picture.missing is not None:
        raise ImageError(f"the mask {path} holds NaN; expected 0 where a value was seen and another number where not")
    top = values.max()
    cut = bool(((values != 0) & (values != top)).any())
    mask = np.asarray(values > top / 2 if cut else values != 0)
    if (mask == mask[..., :1]).all():
        mask = mask[..., :1]
    mask.setflags(write=False)  # it is cached
    told = f"the mask {path} has values between 0 and {top:g}; they were cut at half"
    return mask, (told,) if cut else ()
