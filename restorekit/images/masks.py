"""Masks of missing pixels: alpha, a colour, infrared, one file, files in a folder, or files next to the images.

The rule: a pixel of a mask is missing if any of its channels is non-zero. Values that JPEG or WebP blur out of black,
and near-black noise, count as zero; of a mask painted on a transparent layer its strokes count.
Masks that mark more than 60 % or less than 0.01 % of an image are refused unless they are confirmed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from restorekit.core.errors import ImageError, UsageError
from restorekit.images.axes import Shape, UnclearAxesError
from restorekit.images.discovery import IMAGE_SUFFIXES, INFRARED, MISSING, Item, marked_stem, split_array, walk_images
from restorekit.images.formats import read
from restorekit.images.infrared import find_dust, without_infrared
from restorekit.images.marks import LOSSY_COLOUR, SOFTWARE, colour_marks, marks_of
from restorekit.images.picture import Array, Picture

MaskArray = npt.NDArray[np.bool_]
_COLOUR = re.compile(r"color:#([0-9a-fA-F]{6})(?::(\d{1,3}))?")
_UNREAD = (".gif", ".pbm", ".pgm", ".ppm", ".jp2", ".psd", ".svg", ".mat")  # of masks in formats that are not read
MAX_SHARE, MIN_SHARE = 0.6, 1e-4  # of an image, between which a mask is believed without confirmation
MAX_DUST = 0.2  # share of an image above which what the infrared shows is hardly dust
_GRAY = 2 / 255  # mean difference of the channels of an infrared plane that was saved in colours, of the range


def is_plausible_share(share: float) -> bool:
    """Return whether a correct mask may mark this share of an image."""
    return share == 0 or MIN_SHARE <= share <= MAX_SHARE


class MissingPixels(NamedTuple):
    """Missing pixels of one image.

    Attributes
    ----------
    missing : array of bool, (1 or N, H, W, 1 or C), or None
        True where a value is missing; None where nothing is.
    warnings : tuple of str
    ours : bool
        Whether restorekit wrote the mask, so that its share of the image is believed.
    """

    missing: MaskArray | None
    warnings: tuple[str, ...] = ()
    ours: bool = False


class MaskIndex:
    """Index of the masks next to images: `NAME.missing.png`, with any image suffix.

    A folder is listed once, when its first mask is looked up: it may hold very many files.

    Parameters
    ----------
    mark : str
        What the names of the masks have between the stem of the image and the suffix.
    """

    def __init__(self, mark: str = MISSING) -> None:
        self._mark = mark
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def of(self, image: Path) -> list[Path]:
        """Return every mask next to an image, sorted."""
        if image.parent not in self._folders:
            found: dict[str, list[Path]] = {}
            for path in sorted(image.parent.iterdir()) if image.parent.is_dir() else ():
                stem = marked_stem(path.stem, self._mark)
                if stem is not None and path.suffix.lower() in IMAGE_SUFFIXES:
                    found.setdefault(stem, []).append(path)
            self._folders[image.parent] = found  # complete: several threads may look up at once
        return [path for path in self._folders[image.parent].get(image.stem, ()) if not path.is_dir()]

    def one(self, item: Item) -> Path | None:
        """Return the mask next to an image, or None; raise an ImageError if there are several, or it is no file."""
        paths = self.of(Path(split_array(item.path)[0]))
        if len(paths) > 1:
            raise ImageError(f"{item.key} has several masks next to it ({paths[0]} and {paths[1]}); keep one of them")
        if paths and not paths[0].is_file():  # to open a FIFO waits for its writer
            raise ImageError(f"the mask {paths[0]} of {item.key} is no regular file; remove it or save a mask there")
        return paths[0] if paths else None


def read_mask(path: Path, item: Item, picture: Picture) -> MissingPixels:
    """Read a mask file; raise an ImageError unless it has the size of the image."""
    stat = Path(split_array(path)[0]).stat()
    mask, warnings, ours = _load(path, stat.st_mtime_ns, stat.st_size, _layout_of(picture))
    frames, height, width, channels = picture.pixels.shape
    if mask.shape[1:3] != (height, width):
        sizes = f"{mask.shape[2]} x {mask.shape[1]}, the image {item.key} {width} x {height}"
        raise ImageError(f"the mask {path} is {sizes}; expected the same width and height")
    if mask.shape[0] not in (1, frames):
        expected = "1" if frames == 1 else f"1 or {frames}"
        raise ImageError(
            f"the mask {path} has {mask.shape[0]} frames, the image {item.key} {frames}; expected {expected}"
        )
    if mask.shape[3] not in (1, channels):
        mask = np.asarray(mask.any(axis=3, keepdims=True))
    return MissingPixels(mask, warnings, ours)


@lru_cache(maxsize=2)
def _load(
    path: Path, _changed: int, _size: int, like: tuple[Shape, str] | None
) -> tuple[MaskArray, tuple[str, ...], bool]:
    """Read a mask, (N, H, W, 1 or C), once for each state of the file.

    Only arrays and masks of restorekit mark single channels; in others any channel marks the pixel.
    """
    picture = _read_like(path, like)
    nodata = picture.nodata
    if nodata is not None and not np.isnan(nodata.values).any():  # of a mask, it is a number as any other
        picture.pixels[nodata.where] = nodata.held
        picture = replace(picture, missing=None, nodata=None)
    elif picture.missing is not None:
        raise ImageError(
            f"the mask {path} holds NaN; expected 0 for an observed value and another number for a missing one"
        )
    mask, notes = marks_of(picture)
    ours = picture.spec is not None or (SOFTWARE in picture.metadata.text)
    if (mask == mask[..., :1]).all():
        mask = mask[..., :1]
    elif picture.metadata.array is None and not ours:
        mask = np.asarray(mask.any(axis=3, keepdims=True))
    mask.setflags(write=False)  # it is cached
    return mask, tuple(f"the mask {path} {note}" for note in notes), ours


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


@dataclass(frozen=True)
class MaskSource(ABC):
    """Base of the ways to state what is missing in an image.

    Attributes
    ----------
    invert : bool
        Whether zero, and not non-zero, means missing. NaN stay missing either way.
    confirmed : bool
        Whether masks may mark any share of an image.
    """

    invert: bool = False
    confirmed: bool = False

    def check(self, items: Sequence[Item]) -> None:
        """Raise a UsageError if the source fits none of the images; called once before the work."""
        refusal = self._refusal(items)
        if refusal is not None:
            raise UsageError(refusal)

    def pictures(self, items: Sequence[Item]) -> list[Item]:
        """Return the items without the mask, if it is one of them."""
        return list(items)

    def visible(self, picture: Picture) -> Picture:
        """Return a picture without what only states what is missing in it."""
        return picture

    def missing(self, item: Item, picture: Picture) -> MissingPixels:
        """Return what is missing in an image.

        Parameters
        ----------
        item : Item
            Its path and key tell where its mask is.
        picture : Picture
            The decoded image; its NaN count as missing whatever the mask says.

        Returns
        -------
        MissingPixels

        Raises
        ------
        ImageError
            The image has no mask here, its mask has another size, or an unconfirmed mask marks more than 60 % or less
            than 0.01 % of the image.
        """
        picture = self.visible(picture)
        marked = self._read_missing(item, picture)
        missing = marked.missing
        if missing is not None and self.invert:
            missing = np.logical_not(missing)
        if missing is not None and not (self.confirmed or marked.ours):
            self._check_share(item, float(missing.mean()))
        if picture.missing is not None:
            missing = picture.missing if missing is None else np.logical_or(missing, picture.missing)
        return marked._replace(missing=missing if missing is not None and missing.any() else None)

    def file(self, item: Item) -> Path | None:
        """Return the file that states what is missing in an image, or None.

        Raises
        ------
        ImageError
            There is not exactly one, and there must be.
        """
        return None

    def _refusal(self, items: Sequence[Item]) -> str | None:
        """Return a sentence if the source fits none of the images, else None."""
        return None

    def _check_share(self, item: Item, share: float) -> None:
        """Raise an ImageError for a share of an image that hardly any correct mask marks."""
        expected = "expected 0.01 % to 60 %, or nothing"
        if share > MAX_SHARE:
            raise ImageError(
                f"the mask marks {share:.1%} of {item.key} as missing, {expected}; "
                f"{'remove' if self.invert else 'pass'} --mask-invert if the other pixels are missing, or pass"
                " --mask-confirmed if this is right"
            )
        if 0 < share < MIN_SHARE:
            raise ImageError(
                f"the mask marks {share:.4%} of {item.key} as missing, {expected}; check the mask, or pass"
                " --mask-confirmed if this is right"
            )

    @abstractmethod
    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        """Return the non-zero pixels of the mask, not inverted."""


@dataclass(frozen=True)
class NeighbourMasks(MaskSource):
    """`NAME.missing.png`, or another image suffix, next to the image; nothing is missing without one."""

    _index: MaskIndex = field(default_factory=MaskIndex, init=False, repr=False, compare=False)

    def file(self, item: Item) -> Path | None:
        """Return the file next to the image, or None."""
        return self._index.one(item)

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        path = self.file(item)
        return MissingPixels(None) if path is None else read_mask(path, item, picture)


@dataclass(frozen=True)
class AlphaMasks(MaskSource):
    """Fully transparent pixels."""

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        if picture.alpha is None:
            raise ImageError(f"{item.key} has no alpha channel for --mask alpha; remove the option or pass mask files")
        return MissingPixels(picture.alpha == 0)


@dataclass(frozen=True)
class InfraredMasks(MaskSource):
    """Dust that the infrared plane of a scan shows: a channel or a page of its file, or `NAME.ir.tif` next to it.

    Attributes
    ----------
    threshold : float or None
        Share of the infrared light that dust blocks at least; None: chosen by the grain, as in `find_dust`.
    """

    threshold: float | None = None
    _index: MaskIndex = field(default_factory=lambda: MaskIndex(INFRARED), init=False, repr=False, compare=False)

    def visible(self, picture: Picture) -> Picture:
        """Return a picture with its infrared plane taken out of its pixels."""
        return without_infrared(picture)

    def file(self, item: Item) -> Path | None:
        """Return the infrared plane next to the image, or None; an array in memory has none."""
        return self._index.one(item) if Path(split_array(item.path)[0]).is_file() else None

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        planes, pixels = self._planes(item, picture), picture.pixels
        if picture.shapes is not None or pixels.shape[3] not in (1, 3):
            raise ImageError(f"{item.key} is no gray or RGB image of one size for --mask ir; split it first")
        try:
            found = [
                find_dust(plane[..., 0], colours[..., 0], self.threshold)
                for plane, colours in zip(planes, pixels, strict=True)
            ]
        except ImageError as error:
            raise ImageError(f"{item.key} cannot be used with --mask ir: {error}") from error
        notes = dict.fromkeys(note for dust in found for note in dust.notes)
        return MissingPixels(np.stack([dust.marks for dust in found])[..., np.newaxis], tuple(notes))

    def _planes(self, item: Item, picture: Picture) -> Array:
        """Return the infrared of every frame, (N, H, W, 1)."""
        path, own = self.file(item), picture.infrared
        if own is not None and path is not None:
            raise ImageError(f"{item.key} has an infrared plane and {path} next to it; remove one of them")
        if own is not None:
            return own.plane
        if path is None:
            alpha = ", and its alpha is none" if picture.alpha is not None else ""
            raise ImageError(
                f"{item.key} has no infrared plane for --mask ir; expected a fourth channel or a gray second page of"
                f" its size in a TIFF{alpha}, or a file {Path(item.key).stem}{INFRARED}.tif next to it; scan it with"
                " infrared, or remove --mask ir"
            )
        plane = read(path).pixels
        (frames, height, width), shape = picture.pixels.shape[:3], plane.shape
        if shape[:3] != (frames, height, width):
            sizes = f"{shape[2]} x {shape[1]}, the image {item.key} {width} x {height}"
            raise ImageError(f"the infrared plane {path} is {sizes}; expected the same width, height and frames")
        full = float(np.iinfo(plane.dtype).max) if plane.dtype.kind in "ui" else float(plane.max())
        if float(np.ptp(plane, axis=3).mean(dtype=np.float64)) > _GRAY * full:
            raise ImageError(f"the infrared plane {path} has colours; expected a gray image, so save it as one")
        return plane[..., :1]

    def _check_share(self, item: Item, share: float) -> None:
        if share > MAX_DUST:
            raise ImageError(
                f"the infrared marks {share:.1%} of {item.key} as dust, expected at most {MAX_DUST:.0%}; film with"
                " silver (black-and-white, Kodachrome) blocks infrared: remove --mask ir for it, or pass a larger"
                " --ir-threshold, or --mask-confirmed if this is right"
            )


@dataclass(frozen=True)
class ColourMasks(MaskSource):
    """Pixels of one colour, within a tolerance.

    Attributes
    ----------
    colour : (int, int, int)
        8-bit red, green, blue; scaled to deeper images.
    tolerance : int or None
        Largest difference of a channel, of 255; None: 0, and what JPEG and WebP need, as in `colour_marks`.
    """

    colour: tuple[int, int, int] = (0, 0, 0)
    tolerance: int | None = None

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        channels = picture.pixels.shape[3]
        gray = len(set(self.colour)) == 1
        if channels != 3 and not gray:
            raise ImageError(
                f"{item.key} has {channels} channel(s) and no colour {self}; expected RGB or a gray such as #FFFFFF"
            )
        hit = colour_marks(picture, self.colour, self.tolerance)
        if not hit.any() and not self.confirmed:
            raise ImageError(
                f"no pixel of {item.key} has the colour {self}; correct it, allow a tolerance such as"
                f" --mask color:{self}:40, or pass --mask-confirmed if nothing is missing"
            )
        note = f"{item.key} is compressed with loss; pixels within {LOSSY_COLOUR} of 255 of {self} count as marked"
        return MissingPixels(hit, (note,) if picture.lossy and self.tolerance is None else ())

    def __str__(self) -> str:
        return "#{:02X}{:02X}{:02X}".format(*self.colour)


@dataclass(frozen=True)
class FileMask(MaskSource):
    """One mask file for all images."""

    path: Path = Path()

    def pictures(self, items: Sequence[Item]) -> list[Item]:
        """Return the items without the mask, which may lie in the folder of the images."""
        own = self.path.resolve()
        return [item for item in items if item.path.resolve() != own] or list(items)

    def file(self, item: Item) -> Path:
        """Return the one file."""
        return self.path

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        return read_mask(self.path, item, picture)


@dataclass(frozen=True)
class FolderMasks(MaskSource):
    """A folder of masks, found by the image's path, that with a further suffix or without suffix, or the bare stem.

    Attributes
    ----------
    folder : Path
        Itself, with its sub-folders.
    required : bool
        Whether each image must have a mask.
    """

    folder: Path = Path()
    required: bool = True
    _index: dict[tuple[int, str], list[Path]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for found in walk_images(self.folder):
            stem = found.key.rpartition(".")[0].removesuffix(MISSING)
            for name in enumerate((found.key, found.key.rpartition(".")[0], stem, stem.rpartition("/")[2])):
                self._index.setdefault(name, []).append(found.path)

    def _refusal(self, items: Sequence[Item]) -> str | None:
        if any(self._candidates(item) for item in items):
            return None
        expected = f"{items[0].key.rpartition('.')[0]}.png" if items else "those of the images"
        return f"no mask in {self.folder} fits an image by its name; expected names such as {expected}"

    def file(self, item: Item) -> Path | None:
        """Return the one that fits the image's name; None if there is none and need not be."""
        paths = self._candidates(item)
        if not paths and not self.required:
            return None
        if not paths:
            others = (self.folder / Path(item.key).with_suffix(suffix) for suffix in _UNREAD)
            other = next((path for path in others if path.is_file()), None)
            remedy = "add one, of zeros if nothing is missing" if other is None else f"convert {other} to PNG"
            raise ImageError(f"{item.key} has no mask in {self.folder}; {remedy}")
        if len(paths) > 1:
            both = " and ".join(map(str, paths[:2]))
            raise ImageError(f"{item.key} has several masks in {self.folder} ({both}); mirror the images' folders")
        return paths[0]

    def _read_missing(self, item: Item, picture: Picture) -> MissingPixels:
        path = self.file(item)
        return MissingPixels(None) if path is None else read_mask(path, item, picture)

    def _candidates(self, item: Item) -> list[Path]:
        stem = item.key.rpartition(".")[0]
        for name in enumerate((item.key, item.key, stem, stem.rpartition("/")[2])):
            paths = [path for path in self._index.get(name, []) if path != item.path]
            if paths:
                return paths
        return []


def parse_mask(
    text: str | None, invert: bool = False, confirmed: bool = False, ir_threshold: float | None = None,
    required: bool = True,
) -> MaskSource:  # fmt: skip
    """Parse ``alpha``, ``ir``, ``color:#RRGGBB``, ``color:#RRGGBB:TOLERANCE``, a file or a folder.

    Parameters
    ----------
    text : str or None
        None: masks lie next to the images as `NAME.missing.png`.
    invert : bool
        Whether zero means missing.
    confirmed : bool
        Whether masks may mark any share of an image.
    ir_threshold : float, optional
        Of ``ir``: share of the infrared light that dust blocks at least, between 0 and 1; None: chosen by the grain.
    required : bool
        Whether a folder must have a mask of each image.

    Raises
    ------
    UsageError
        It is none of these, or an option does not fit it.
    """
    if ir_threshold is not None and text != "ir":
        raise UsageError("an infrared threshold requires the mask ir; pass --mask ir or remove --ir-threshold")
    if text == "ir":
        if invert:
            raise UsageError("--mask ir marks dust, which cannot be inverted; remove --mask-invert")
        if ir_threshold is not None and not 0 < ir_threshold < 1:
            raise UsageError(
                f"the infrared threshold is a share of the light between 0 and 1, such as 0.1, got {ir_threshold}"
            )
        return InfraredMasks(invert, confirmed, ir_threshold)
    if text is None:
        return NeighbourMasks(invert, confirmed)
    if text == "alpha":
        return AlphaMasks(invert, confirmed)
    colour = _COLOUR.fullmatch(text)
    if colour:
        red, green, blue = bytes.fromhex(colour[1])
        tolerance = None if colour[2] is None else int(colour[2])
        return ColourMasks(invert, confirmed, (red, green, blue), tolerance)
    if text.startswith("color:"):
        raise UsageError(
            f"a mask is color:#RRGGBB, with six hexadecimal digits, or color:#RRGGBB:TOLERANCE of 255, got {text!r}"
        )
    path = Path(text)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:  # the text is no path at all, such as one that is too long
        is_folder, is_file = False, False
    if is_folder:
        return FolderMasks(invert, confirmed, path, required)
    if not is_file:
        raise UsageError(f"a mask is alpha, ir, color:#RRGGBB, a file or a folder; there is no file or folder {text!r}")
    return FileMask(invert, confirmed, path)
