"""Mask files: found beside the image, read, cut to black and white, held against the image.

Where a user says what is missing: alpha, a colour, mask files beside the images, in a folder, or one for all.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from restorekit.core.errors import ImageError, UsageError
from restorekit.images.axes import Shape, UnclearAxesError
from restorekit.images.discovery import IMAGE_SUFFIXES, MISSING, Item, marked_stem, split_array, walk_images
from restorekit.images.formats import read
from restorekit.images.picture import Array, Picture

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
    mask, warnings = _load(path, stat.st_mtime_ns, stat.st_size, _layout_of(picture))
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
def _load(path: Path, _changed: int, _size: int, like: tuple[Shape, str] | None) -> tuple[Missing, tuple[str, ...]]:
    """Read a mask, (N, H, W, 1 or C), once as long as the file stays the same; one channel where all are equal."""
    picture = _read_like(path, like)
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


def _layout_of(picture: Picture) -> tuple[Shape, str] | None:
    """Return shape and axes of the array that a picture was read from."""
    layout = picture.metadata.array
    return None if layout is None else (layout.shape, layout.axes)


def _read_like(path: Path, like: tuple[Shape, str] | None) -> Picture:
    """Read a mask; one with the shape of the image's array, or with an unclear shape, has the axes of the image."""
    shape, axes = like or (None, "")
    try:
        picture = read(path)
        found = _layout_of(picture)
        if found is None or found == like or found[0] != shape:
            return picture
    except UnclearAxesError:
        if like is None:
            raise
    return read(path, axes=",".join(dict.fromkeys((axes, axes.replace("C", "")))))


_COLOUR = re.compile(r"color:#([0-9a-fA-F]{6})")
_FLOAT_TOLERANCE = 1e-4  # a float image's 8-bit colour after some rounding


@dataclass(frozen=True)
class MaskSource(ABC):
    """Tells what is missing in an image.

    Attributes
    ----------
    invert : bool
        Whether zero, and not non-zero, means missing. NaN stay missing either way.
    """

    invert: bool = False

    def check(self, items: Sequence[Item]) -> None:
        """Raise a UsageError where the source fits none of the images; called once before the work."""
        refusal = self._refusal(items)
        if refusal is not None:
            raise UsageError(refusal)

    def pictures(self, items: Sequence[Item]) -> list[Item]:
        """Return the items that are pictures: all but a mask among them."""
        return list(items)

    def missing(self, item: Item, picture: Picture) -> Marked:
        """Return what is missing in an image.

        Parameters
        ----------
        item : Item
            Whose path and key tell where its mask is.
        picture : Picture
            The decoded image; its NaN count as missing whatever the mask says.

        Returns
        -------
        Marked

        Raises
        ------
        ImageError
            The image has no mask here, or its mask has another size.
        """
        marked = self._marked(item, picture)
        given = marked.missing
        if given is not None and self.invert:
            given = np.logical_not(given)
        if given is not None and given.all():
            warning = f"the mask of {item.key} hides every pixel; was --mask-invert meant?"
            marked = marked._replace(warnings=(*marked.warnings, warning))
        if picture.missing is not None:
            given = picture.missing if given is None else np.logical_or(given, picture.missing)
        return marked._replace(missing=given if given is not None and given.any() else None)

    def file(self, item: Item) -> Path | None:
        """Return the file that says what is missing in an image; None where none does.

        Raises
        ------
        ImageError
            There is none, or more than one, where there must be one.
        """
        return None

    def _refusal(self, items: Sequence[Item]) -> str | None:
        """Return one sentence why the source fits none of the images; None where it may."""
        return None

    @abstractmethod
    def _marked(self, item: Item, picture: Picture) -> Marked:
        """Return where the mask is non-zero, not inverted."""


@dataclass(frozen=True)
class BesideMasks(MaskSource):
    """`NAME.missing.png`, or one with another image suffix, beside the image, where there is one."""

    _beside: Beside = field(default_factory=Beside, init=False, repr=False, compare=False)

    def file(self, item: Item) -> Path | None:
        """Return the file beside the image, if it is there."""
        return self._beside.one(item)

    def _marked(self, item: Item, picture: Picture) -> Marked:
        path = self.file(item)
        return Marked(None) if path is None else fitted(path, item, picture)


@dataclass(frozen=True)
class AlphaMasks(MaskSource):
    """Fully transparent pixels."""

    def _marked(self, item: Item, picture: Picture) -> Marked:
        if picture.alpha is None:
            raise ImageError(
                f"{item.key} has no alpha channel for --mask alpha; leave the option out or give mask files"
            )
        return Marked(picture.alpha == 0)


@dataclass(frozen=True)
class ColourMasks(MaskSource):
    """Pixels of exactly one colour.

    Attributes
    ----------
    colour : (int, int, int)
        8-bit red, green, blue; scaled to deeper images.
    """

    colour: tuple[int, int, int] = (0, 0, 0)

    def _marked(self, item: Item, picture: Picture) -> Marked:
        channels = picture.pixels.shape[3]
        gray = len(set(self.colour)) == 1
        if channels != 3 and not gray:
            raise ImageError(
                f"{item.key} has {channels} channel(s) and no colour {self}; expected RGB or a gray such as #FFFFFF"
            )
        wanted = np.array(self.colour if channels == 3 else self.colour[:1], np.float64)
        hit = np.asarray(_equal(picture.pixels, wanted).all(axis=3, keepdims=True))
        warnings: tuple[str, ...] = () if hit.any() else (f"no pixel of {item.key} has exactly the colour {self}",)
        if picture.lossy:
            warnings += (
                f"{item.key} is compressed with loss, which blurs the marked colour {self}; prefer a mask file",
            )
        return Marked(hit, warnings)

    def __str__(self) -> str:
        return "#{:02X}{:02X}{:02X}".format(*self.colour)


@dataclass(frozen=True)
class FileMask(MaskSource):
    """One mask file for all images."""

    path: Path = Path()

    def pictures(self, items: Sequence[Item]) -> list[Item]:
        """Return all but the mask, which may lie in the folder of the images."""
        own = self.path.resolve()
        return [item for item in items if item.path.resolve() != own] or list(items)

    def file(self, item: Item) -> Path:
        """Return the one file."""
        return self.path

    def _marked(self, item: Item, picture: Picture) -> Marked:
        return fitted(self.path, item, picture)


@dataclass(frozen=True)
class FolderMasks(MaskSource):
    """A folder of masks: found by the image's relative path, then by that without suffix, then by the bare stem."""

    folder: Path = Path()
    _index: dict[tuple[int, str], list[Path]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for found in walk_images(self.folder):
            stem = found.key.rpartition(".")[0].removesuffix(MISSING)
            for name in enumerate((found.key, stem, stem.rpartition("/")[2])):
                self._index.setdefault(name, []).append(found.path)

    def _refusal(self, items: Sequence[Item]) -> str | None:
        if any(self._candidates(item) for item in items):
            return None
        expected = f"{items[0].key.rpartition('.')[0]}.png" if items else "those of the images"
        return f"no mask in {self.folder} fits an image by its name; expected names such as {expected}"

    def file(self, item: Item) -> Path:
        """Return the one that fits the image's name."""
        paths = self._candidates(item)
        if not paths:
            raise ImageError(f"{item.key} has no mask in {self.folder}; add one, of zeros if nothing is missing")
        if len(paths) > 1:
            told = " and ".join(map(str, paths[:2]))
            raise ImageError(f"{item.key} has several masks in {self.folder} ({told}); mirror the images' folders")
        return paths[0]

    def _marked(self, item: Item, picture: Picture) -> Marked:
        return fitted(self.file(item), item, picture)

    def _candidates(self, item: Item) -> list[Path]:
        stem = item.key.rpartition(".")[0]
        for name in enumerate((item.key, stem, stem.rpartition("/")[2])):
            paths = [path for path in self._index.get(name, []) if path != item.path]
            if paths:
                return paths
        return []


def parse_mask(text: str | None, invert: bool = False) -> MaskSource:
    """Understand ``alpha``, ``color:#RRGGBB``, a file or a folder.

    Parameters
    ----------
    text : str or None
        None: masks lie beside the images as `NAME.missing.png`.
    invert : bool
        Whether zero means missing.

    Raises
    ------
    UsageError
        It is none of these.
    """
    if text is None:
        return BesideMasks(invert)
    if text == "alpha":
        return AlphaMasks(invert)
    colour = _COLOUR.fullmatch(text)
    if colour:
        red, green, blue = bytes.fromhex(colour[1])
        return ColourMasks(invert, (red, green, blue))
    if text.startswith("color:"):
        raise UsageError(f"a mask is color:#RRGGBB, with six hexadecimal digits, got {text!r}")
    path = Path(text)
    if path.is_dir():
        return FolderMasks(invert, path)
    if not path.is_file():
        raise UsageError(f"a mask is alpha, color:#RRGGBB, a file or a folder; there is no file or folder {text!r}")
    return FileMask(invert, path)


def _equal(pixels: Array, colour: npt.NDArray[np.float64]) -> Missing:
    if pixels.dtype.kind == "f":
        return np.asarray(np.abs(pixels - colour / 255) < _FLOAT_TOLERANCE)
    wanted = (colour * (np.iinfo(pixels.dtype).max // 255)).astype(pixels.dtype)
    return np.asarray(pixels == wanted)
