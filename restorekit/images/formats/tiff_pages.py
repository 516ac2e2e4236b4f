"""The directories of a TIFF whose samples are its picture, and the frames behind each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from tifffile import TiffFile, TiffPage

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.formats.tiff_description import stated_frames
from restorekit.images.formats.tiff_integrity import check_page
from restorekit.images.formats.tiff_samples import PALETTE, SampleMeaning, dtype_of, meaning_of, samples_of
from restorekit.images.picture import Array, upright

_ORIENTATION, _XMP, _UIC2, _SUB_DIRECTORIES, _NO_DATA = 274, 700, 33629, 330, 42113
MAX_MIXED_FRAMES = 100_000  # of a document with pages of several kinds
_SLACK_BYTES = 32  # of a file beyond what its directory describes: padding


@dataclass(frozen=True, eq=False)
class Directory:
    """A directory of a TIFF with samples of the picture.

    Attributes
    ----------
    page : TiffPage
        Holds the samples.
    owner : TiffPage
        The directory in the main chain: the same one, or the one of whose SubIFDs `page` is. Its tags hold for both.
    frames : int
        Slices of a volume, or images that lie one after the other behind this directory.
    """

    page: TiffPage
    owner: TiffPage
    frames: int

    @property
    def meaning(self) -> SampleMeaning:
        """SampleMeaning of its samples."""
        return meaning_of(self.page)

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8, that its tag states, or else its XMP."""
        value = self.value_of(_ORIENTATION)
        if isinstance(value, int) and 1 <= value <= 8:
            return value
        xmp = self.value_of(_XMP)
        return exif.orientation(None, xmp if isinstance(xmp, bytes) else None)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Upright height and width, and samples without alpha."""
        height, width = self.page.imagelength, self.page.imagewidth
        samples = self.meaning.colours + len(self.meaning.extra) - self.meaning.alpha
        return (width, height, samples) if self.orientation >= 5 else (height, width, samples)

    def value_of(self, code: int) -> Any:
        """Return the value of a tag of the page or of its owner; None if neither has it."""
        return self.page.tags.valueof(code, self.owner.tags.valueof(code))

    def samples(self) -> Array:
        """Return its frames, (N, H, W, S), as they stand in the file."""
        page = self.page
        if self.frames == page.imagedepth:
            return samples_of(page, page.asarray(squeeze=False))
        count, file = self.frames // page.imagedepth, page.parent.filehandle
        dtype = np.dtype(f"{page.parent.byteorder}{cast(Any, page.dtype).char}")
        stored = file.memmap_array(dtype, (count, *page.shaped), page.dataoffsets[0])
        return np.concatenate([samples_of(page, part) for part in stored])


def open_tiff(path: Any) -> TiffFile:
    """Open a TIFF that is read alone: none of the files that its metadata names is ever opened."""
    return TiffFile(path, _multifile=False)


def picture_directories(file: TiffFile) -> list[Directory]:
    """Return the directories that make up the picture: neither reduced copies nor masks.

    A reduced copy that stands first is passed over, in favour of the picture in the main chain or in its SubIFDs.

    Raises
    ------
    ImageError
        There is no directory, or they cannot be frames of one picture.
    """
    file.pages.useframes = False
    chain, places = list[TiffPage](), set[int]()
    for page in file.pages:  # tifffile follows a circle of directories for ever
        if page.offset in places:
            raise ImageError("the file is damaged: its directories lead in a circle; get a complete copy of the file")
        places.add(page.offset)
        chain.append(cast(TiffPage, page))
    pairs = [pair for page in chain for pair in full_size_pages(page)]
    if not pairs:  # only reduced copies and masks are left: the largest of them are the picture
        most = max((page.size for page in chain), default=0)
        pairs = [(page, page) for page in chain if page.size == most]
    if not pairs:
        raise ImageError("the TIFF holds no page; get a complete copy of the file")
    for page, _ in pairs:
        check_page(page)
    alone = len(pairs) == 1
    found = [Directory(page, owner, page.imagedepth * frames_behind(page, alone)) for page, owner in pairs]
    common_dtype(found)
    return found


def full_size_pages(page: TiffPage) -> Iterator[tuple[TiffPage, TiffPage]]:
    """Yield the directories of full size that a directory of the main chain stands for, each with that directory."""
    subordinate: list[TiffPage] = []
    try:
        if _SUB_DIRECTORIES in page.tags:
            subordinate = [cast(TiffPage, sub) for sub in page.pages or ()]
    except Exception:  # tifffile raises many classes; without a reduced copy, the picture does not need its SubIFDs
        if page.is_reduced:
            raise
    larger = [
        sub
        for sub in subordinate
        if not (sub.is_reduced or sub.is_mask) and (page.is_reduced or sub.size > page.size) and sub.size
    ]
    if larger:
        yield from ((sub, page) for sub in larger)
    elif not (page.is_reduced or page.is_mask):
        yield page, page


def frames_behind(page: TiffPage, alone: bool) -> int:
    """Count the images that lie one after the other behind one directory.

    Raises
    ------
    ImageError
        The file is cut, or holds images that its metadata do not describe.
    """
    stated = page.tags[_UIC2].count if page.is_stk and _UIC2 in page.tags else stated_frames(page, alone)
    if not page.is_contiguous or not page.nbytes or (stated == 1 and not alone):
        return 1
    file, (entry, inline) = page.parent.filehandle, (20, 8) if page.parent.is_bigtiff else (12, 4)
    held = (file.size - page.dataoffsets[0]) // page.nbytes
    if held >= stated > 1:
        return stated
    values = sum(tag.valuebytecount for tag in page.tags if tag.valuebytecount > inline)
    spare = file.size - page.nbytes - values - entry * len(page.tags) - 3 * inline  # header, and ends of the directory
    if stated > 1 and spare > max(_SLACK_BYTES, page.nbytes // 20):
        raise ImageError(f"its metadata state {stated} frames, the file holds {held}; get a complete copy of the file")
    frames, rest = divmod(spare, page.nbytes)
    if frames > 0 and rest <= _SLACK_BYTES < page.nbytes // 20:
        raise ImageError(
            f"the TIFF has one directory and as many bytes as {1 + frames} frames need, but nothing in it says that"
            " they are frames; save it with one page per frame"
        )
    return 1


def hidden_by_masks(file: TiffFile, directories: list[Directory]) -> Array | None:
    """Return where the transparency masks of the pages, as GDAL writes them, hide pixels.

    Returns
    -------
    array of bool, (N, H, W, 1), or None
        Upright; None unless every page has a mask of its size.
    """
    masks = [page for page in cast(list[TiffPage], list(file.pages)) if page.is_mask and not page.is_reduced]
    masks = [page for page in masks if not may_be_infrared(page)]
    if len(masks) != len(directories) or any(d.frames > 1 for d in directories):
        return None
    height, width, _ = largest_shape(directories)
    hidden = np.zeros((len(masks), height, width, 1), bool)
    for mask, page, part in zip(masks, directories, hidden, strict=True):
        sides = (mask.imagelength, mask.imagewidth, mask.samplesperpixel)
        if sides != (page.page.imagelength, page.page.imagewidth, 1):
            return None
        check_page(mask)
        valid = upright(mask.asarray(squeeze=False)[0] != 0, page.orientation)[0]
        part[: valid.shape[0], : valid.shape[1]] = ~valid
    return hidden


def may_be_infrared(page: TiffPage) -> bool:
    """Return whether a page that is marked as a mask, as SilverFast does, is gray with more levels than a mask has."""
    gray = int(page.photometric) in (0, 1) and page.samplesperpixel == 1 and page.bitspersample in (8, 16)
    if not (page.is_mask and not page.is_reduced and gray):
        return False
    check_page(page)
    values = page.asarray()
    return bool(((values != values.min()) & (values != values.max())).any())


def infrared_page(file: TiffFile, directories: list[Directory]) -> Directory | None:
    """Return the infrared page of a scan that is marked as a mask; None unless there is one, of the picture's size."""
    found = [page for page in cast(list[TiffPage], list(file.pages)) if may_be_infrared(page)]
    if len(found) != 1 or total_frames(directories) != 1:
        return None
    directory = Directory(found[0], found[0], 1)
    return directory if directory.shape[:2] == directories[0].shape[:2] else None


def common_dtype(directories: list[Directory]) -> np.dtype[Any]:
    """Return the dtype that holds the samples of all pages; raise an ImageError unless they have a common scale."""
    kinds = [dtype_of(d.page).newbyteorder("=") for d in directories]
    odd = next((i for i, kind in enumerate(kinds) if kind.kind != kinds[0].kind), None)
    if odd is None:
        return np.result_type(*kinds)
    raise ImageError(
        f"the pages of the TIFF differ in kind: page 1 holds {kinds[0].name}, page {odd + 1} {kinds[odd].name}, which"
        " have no common range; split it into one file per kind"
    )


def total_frames(directories: list[Directory]) -> int:
    """Return the number of frames of a picture."""
    return sum(d.frames for d in directories)


def largest_shape(directories: list[Directory]) -> tuple[int, int, int]:
    """Return the upright height and width, and the samples without alpha, that hold every frame."""
    height, width, samples = (max(sides) for sides in zip(*(d.shape for d in directories), strict=True))
    return height, width, samples


def differing_shapes(directories: list[Directory]) -> tuple[tuple[int, int, int], ...] | None:
    """Return upright height, width and channels without alpha of every frame; None if all are the same."""
    if len({d.shape for d in directories}) == 1:
        return None
    if total_frames(directories) > MAX_MIXED_FRAMES:
        raise ImageError(f"it has pages of several kinds, more than the {MAX_MIXED_FRAMES:,} allowed; split it")
    return tuple(d.shape for d in directories for _ in range(d.frames))


def nodata_of(directory: Directory) -> float | None:
    """Return the number, as `Directory.samples` has it, that GDAL's tag states for pixels without data, or None."""
    page, text = directory.page, directory.value_of(_NO_DATA)
    try:
        value = float(str(text).strip("\0 \t\n"))
    except ValueError:
        return None
    kind = np.dtype(cast(Any, page.dtype))
    if kind.kind == "f":
        return value
    if page.photometric == PALETTE or not (value.is_integer() and 0 <= value < 2 ** min(64, 8 * kind.itemsize)):
        return None
    stored = np.full((1, 1, 1, 1, page.samplesperpixel), int(value), kind)
    return float(samples_of(page, stored)[0, 0, 0, 0])
