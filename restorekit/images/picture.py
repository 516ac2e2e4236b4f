"""Decoded images with the metadata of their files, and headers without decoding.

`repainted` adapts the metadata to pixels of another size or with other channels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from restorekit.images import exif
from restorekit.images.exif import resized, resized_xmp
from restorekit.images.nodata import NoData, find_nodata

Array = npt.NDArray[Any]

Change = Callable[[bytes], bytes]
Tag = tuple[int, int, int, Any]  # of a TIFF: code, type, count, value

_XMP, _ICC, _NO_DATA = 700, 34675, 42113
_PER_CHANNEL = {280, 281, 301, 340, 341, _ICC}  # TIFF tags with a value for each channel, or of one kind of colour
_APP1, _APP2, _PROFILE = 0xE1, 0xE2, b"ICC_PROFILE\0"
SPEC_KEY = "restorekit-corruption"  # name under which a file states the corruption that was applied to it
MAX_DPI = 65535  # pixels per inch, the most that a JPEG states
DEEPER = 257  # factor from 8 to 16 bits
QUALITIES = ("auto", "keep", *map(str, range(1, 101)))  # of JPEG and lossy WebP outputs
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "bmp": (".bmp", ".dib"),
    "npy": (".npy",),
    "npz": (".npz",),
    "idx": (".idx",),
}


@dataclass(frozen=True)
class Header:
    """Header of a file, in the terms of `Picture`.

    Attributes
    ----------
    format : str
        A key of `SUFFIXES`.
    frames, height, width : int
        Pages (1 for most formats) and their upright size in pixels.
    channels : int
        Channels without alpha.
    dtype : numpy.dtype
        Of one sample.
    shapes : tuple of (int, int, int), or None
        As in `Picture`; height, width and channels are then the largest.
    """

    format: str
    frames: int
    height: int
    width: int
    channels: int
    dtype: np.dtype[Any]
    shapes: tuple[tuple[int, int, int], ...] | None = None


@dataclass(frozen=True)
class JpegCoding:
    """Compression of a JPEG.

    Attributes
    ----------
    tables : tuple of tuple of int
        Quantisation tables, 64 numbers each.
    subsampling : int
        As Pillow counts it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    progressive : bool
    segments : bytes
        XMP, ICC, IPTC and comment segments as they stood in the file.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int
    progressive: bool
    segments: bytes


class PageKind(NamedTuple):
    """Kind of a page of a TIFF: photometric, samples beyond the colours, whether the last of these is alpha, dtype.

    The dtype of `Picture.pixels` holds those of all pages; 8-bit pages of a 16-bit document are scaled by 257.
    """

    photometric: int
    extra_samples: tuple[int, ...]
    alpha: bool
    dtype: str


@dataclass(frozen=True)
class TiffLayout:
    """Layout of a TIFF; numbers are those of the TIFF 6.0 specification.

    Attributes
    ----------
    byteorder : str
        ``"<"`` or ``">"``.
    big : bool
        BigTIFF.
    photometric, planar, compression, predictor : int
    tile : (int, int) or None
        Tile size; None where the file is cut into strips.
    rows_per_strip : int
    extra_samples : tuple of int
        Meaning of the samples beyond the colours.
    pages : tuple of tuple of (code, type, count, value)
        Per page: the tags that describe and do not lay out.
    kinds : tuple of PageKind
        That of every page; empty where all are of one kind.
    masked : bool
        Whether every page is followed by a mask of the pixels that have data.
    """

    byteorder: Literal["<", ">"]
    big: bool
    photometric: int
    planar: int
    compression: int
    predictor: int
    tile: tuple[int, int] | None
    rows_per_strip: int
    extra_samples: tuple[int, ...]
    pages: tuple[tuple[Tag, ...], ...]
    kinds: tuple[PageKind, ...] = ()
    masked: bool = False


@dataclass(frozen=True, eq=False)
class ArrayLayout:
    """Layout of the array that held the image.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    axes : str
        One letter for each axis, as in `restorekit.images.axes`.
    name : str
        Name of the image's array in an NPZ, else empty.
    others : mapping of str to array
        The other arrays of an NPZ, carried over as they are.
    compressed : bool
        Whether the NPZ was compressed, or the IDX file gzipped.
    bilevel : bool
        Whether the array held only 0 and 1.
    """

    shape: tuple[int, ...]
    axes: str
    name: str = ""
    others: Mapping[str, Array] = field(default_factory=dict)
    compressed: bool = False
    bilevel: bool = False


@dataclass(frozen=True, eq=False)
class Metadata:
    """Metadata carried over from input to output.

    Attributes
    ----------
    exif : bytes or None
        EXIF as a TIFF structure (no ``Exif`` prefix) with the orientation set to 1.
    icc, xmp : bytes or None
        Colour profile; XMP packet.
    dpi : (float, float) or None
        Horizontal and vertical pixels per inch.
    text : tuple of (str, str)
        Keyword and text.
    chunks : tuple of (bytes, bytes)
        Type and data of a PNG's chunks that outlive a change of the pixels, in file order.
    jpeg, tiff, array : JpegCoding, TiffLayout, ArrayLayout or None
        What only that format has.
    lossless : bool
        A WebP without loss.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    jpeg: JpegCoding | None = None
    tiff: TiffLayout | None = None
    array: ArrayLayout | None = None
    lossless: bool = False


@dataclass(frozen=True, eq=False)
class Infrared:
    """Infrared plane of a scan, which is kept as it is.

    Attributes
    ----------
    plane : array, (N, H, W, 1)
        Upright, in its own dtype.
    decoded : Picture or None
        The picture as decoded, with the plane among its channels or pages; None: the plane is a page of its own that
        the file marks as a mask.
    channels : int
        Channels of the picture without it.
    tags : tuple of (code, type, count, value)
        Of its page, if that is one of its own.
    """

    plane: Array
    decoded: Picture | None
    channels: int
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image file.

    Attributes
    ----------
    pixels : array, (N, H, W, C)
        Frames in the file's own dtype, RGB order, upright, without alpha; 0 where missing.
    alpha : array, (N, H, W, 1), or None
        In the dtype of `pixels`.
    missing : array of bool, (N, H, W, C), or None
        True where a float file holds NaN or infinity, and where there is no data.
    format : str
        A key of `SUFFIXES`, found from the content of the file.
    metadata : Metadata
    spec : str or None
        Corruption spec that ``restorekit corrupt`` wrote into the file.
    notes : tuple of str
        One sentence for each thing that will not come back as it was.
    nodata : NoData or None
        Values that the file declares to be no data.
    shapes : tuple of (int, int, int), or None
        Height, width and channels of every frame where they differ. Each frame stands in the top left corner, and in
        the first channels, of its part of `pixels`.
    scale : float
        Factor from the numbers of the file to those of `pixels`; not 1 where samples have fewer than 8 or 16 bits.
    infrared : Infrared or None
        Infrared plane that is not among `pixels`.
    """

    pixels: Array
    alpha: Array | None = None
    missing: npt.NDArray[np.bool_] | None = None
    format: str = "png"
    metadata: Metadata = field(default_factory=Metadata)
    spec: str | None = None
    notes: tuple[str, ...] = ()
    nodata: NoData | None = None
    shapes: tuple[tuple[int, int, int], ...] | None = None
    scale: float = 1.0
    infrared: Infrared | None = None

    def cropped(self, array: Array, frame: int) -> Array:
        """Return the part of an array, (H, W, 1 or C), with the size of `pixels`, that a frame fills."""
        if self.shapes is None:
            return array
        height, width, channels = self.shapes[frame]
        return array[:height, :width, :channels]

    @property
    def lossy(self) -> bool:
        """Whether writing the picture back in its own format changes pixels."""
        return self.format == "jpeg" or (self.format == "webp" and not self.metadata.lossless)


def assemble(
    format: str,
    samples: Array,
    metadata: Metadata,
    alpha: bool = False,
    orientation: int = 1,
    spec: str | None = None,
    notes: tuple[str, ...] = (),
    nodata: float | None = None,
    hidden: npt.NDArray[np.bool_] | None = None,
) -> Picture:
    """Make a picture of decoded samples.

    Parameters
    ----------
    format : str
        A key of `SUFFIXES`.
    samples : array, (N, H, W, S)
        As stored in the file.
    metadata : Metadata
        What is to be carried over.
    alpha : bool
        Whether the last sample is alpha.
    orientation : int, 1 to 8
        EXIF orientation of `samples`.
    spec : str, optional
        As in `Picture`.
    notes : tuple of str
        As in `Picture`.
    nodata : float, optional
        The number that the file declares to be no data; without one, as `restorekit.images.nodata.find_nodata`.
    hidden : array of bool, (N, H, W, 1), optional
        Upright pixels that a mask within the file declares to be no data.

    Returns
    -------
    Picture
    """
    samples = upright(samples, orientation)
    if metadata.dpi is not None and not all(0 < value <= MAX_DPI for value in metadata.dpi):  # no format holds others
        metadata = replace(metadata, dpi=None)
    missing, void = None, None
    if nodata is not None or spec is None:  # what restorekit made has no other number for no data than NaN
        void = find_nodata(samples[..., :-1] if alpha else samples, nodata)
    if hidden is not None and hidden.any():
        own, others = samples[..., :-1] if alpha else samples, void
        where = np.broadcast_to(hidden, own.shape) if others is None else hidden | others.where
        void = NoData(() if others is None else others.values, where, own[where])
        notes = (*notes, f"{hidden.sum()} of its pixels are hidden by its mask; they count as missing and are kept")
    if void is not None and void.values:
        count, stated = int(void.where.any(axis=3).sum()), "a common number for" if nodata is None else "declared as"
        numbers = " or ".join(f"{value:g}" for value in void.values)
        notes = (
            *notes,
            f"{count} of its pixels hold {numbers}, {stated} no data; they count as missing and are kept",
        )
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        unknown = ~np.isfinite(samples)
        samples = np.where(unknown, samples.dtype.type(0), samples)
        missing = np.ascontiguousarray(unknown[..., :-1] if alpha else unknown)
    if void is not None:
        missing = void.where if missing is None else missing | void.where
    colours = np.require(
        samples[..., :-1] if alpha else samples, requirements=("C", "W")
    )  # Pillow's arrays are read-only
    opacity = np.require(samples[..., -1:], requirements=("C", "W")) if alpha else None
    if void is not None:
        colours = np.where(void.where, colours.dtype.type(0), colours)
    return Picture(colours, opacity, missing, format, metadata, spec, notes, void)


def with_infrared(picture: Picture, pixels: Array, format: str) -> tuple[Picture, Array, tuple[str, ...]]:
    """Put pixels to write and the infrared plane of their picture together again.

    Parameters
    ----------
    picture : Picture
        What the file is like.
    pixels : array, (N, H, W, C)
        Without the plane.
    format : str
        Format to write.

    Returns
    -------
    Picture, array, (N, H, W, C), and tuple of str
        What to write; a sentence if the plane is left out.
    """
    infrared = picture.infrared
    if infrared is None:
        return picture, pixels, ()
    decoded = infrared.decoded
    same = pixels.shape[1:] == (*infrared.plane.shape[1:3], infrared.channels)
    if (
        format not in ("tiff", picture.format)
        or not same
        or (decoded is not None and pixels.dtype != decoded.pixels.dtype)
    ):
        reason = f"{format} holds none; use --format tiff" if same else "the image has another size or other channels"
        return replace(picture, infrared=None), pixels, (f"its infrared plane is left out, as {reason}",)
    if decoded is None:
        return picture, pixels, ()
    full = decoded.pixels.copy()
    full[tuple(slice(side) for side in pixels.shape)] = pixels
    return decoded, full, ()


def upright(samples: Array, orientation: int) -> Array:
    """Rotate and mirror samples, (N, H, W, S), from EXIF orientation 1 to 8 to upright."""
    if orientation >= 5:
        samples = samples.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        samples = samples[:, ::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, :, ::-1]
    return samples


def turned_upright(picture: Picture, pixels: Array) -> tuple[Picture, Array]:
    """Turn a picture whose metadata state another orientation.

    Parameters
    ----------
    picture : Picture
        From a library that does not turn pixels, such as PIL; files are decoded upright.
    pixels : array, (N, H, W, C)
        In its orientation.

    Returns
    -------
    (Picture, array)
        With upright alpha and pixels; EXIF and XMP state orientation 1.
    """
    m, height, width = picture.metadata, *pixels.shape[1:3]
    turned = exif.orientation(m.exif, m.xmp)
    if turned == 1:
        return picture, pixels
    sides = (width, height) if turned < 5 else (height, width)
    alpha = None if picture.alpha is None else upright(picture.alpha, turned)
    m = replace(m, exif=exif.of_pixels(m.exif, *sides), xmp=m.xmp and exif.xmp_of_pixels(m.xmp, *sides))
    return replace(picture, alpha=alpha, metadata=m), np.ascontiguousarray(upright(pixels, turned))


def repainted(picture: Picture, pixels: Array) -> Picture:
    """Return a picture with other pixels.

    Parameters
    ----------
    picture : Picture
        What a file held.
    pixels : array, (N, H, W, C)
        What is to be written in its place.

    Returns
    -------
    Picture
        EXIF and XMP state the new size; a colour profile is left out where it was one of other channels.
    """
    metadata, notes, nodata = picture.metadata, picture.notes, picture.nodata
    if nodata is not None and pixels.shape != picture.pixels.shape:
        nodata, notes = (
            None,
            (*notes, "its pixels without data are filled in, as it has another size or other channels"),
        )
        metadata = _changed_tags(metadata, lambda tag: None if tag[0] == _NO_DATA else tag)
    if pixels.shape[1:3] != picture.pixels.shape[1:3]:
        height, width = pixels.shape[1:3]
        metadata = _resized(
            metadata, partial(resized, width=width, height=height), partial(resized_xmp, width=width, height=height)
        )
        note = "its dots per inch are carried over, so that it is larger in print"
        notes = (*notes, note) if metadata.dpi else notes
    if pixels.shape[3] != picture.pixels.shape[3]:
        notes = (*notes, "its colour profile is dropped, as it is of other channels") if metadata.icc else notes
        metadata = _recoloured(metadata)
    return replace(picture, pixels=pixels, missing=None, metadata=metadata, notes=notes, nodata=nodata)


def _resized(m: Metadata, exif: Change, xmp: Change) -> Metadata:
    """Change EXIF and XMP wherever a format keeps them."""
    within = {b"eXIf": exif, b"iTXt": xmp}
    chunks = tuple((kind, within[kind](data) if kind in within else data) for kind, data in m.chunks)
    coding = m.jpeg
    if coding is not None:
        parts = ((mark, xmp(data) if mark == _APP1 else data) for mark, data in _segments(coding.segments))
        coding = replace(coding, segments=_joined(parts))
    m = _changed_tags(m, partial(_tag, xmp=xmp))
    return replace(m, exif=m.exif and exif(m.exif), xmp=m.xmp and xmp(m.xmp), chunks=chunks, jpeg=coding)


def _changed_tags(m: Metadata, change: Callable[[Tag], Tag | None]) -> Metadata:
    """Change the tags of a TIFF, or leave out those that become None."""
    if m.tiff is None:
        return m
    pages = tuple(tuple(new for tag in page if (new := change(tag)) is not None) for page in m.tiff.pages)
    return replace(m, tiff=replace(m.tiff, pages=pages))


def _tag(tag: Tag, xmp: Change) -> Tag:
    code, kind, _, data = tag
    return (code, kind, len(changed := xmp(data)), changed) if code == _XMP else tag


def _recoloured(m: Metadata) -> Metadata:
    """Leave out what holds for the channels that were."""
    coding = m.jpeg
    if coding is not None:
        parts = (p for p in _segments(coding.segments) if not (p[0] == _APP2 and p[1].startswith(_PROFILE)))
        coding = replace(coding, segments=_joined(parts))
    m = _changed_tags(m, lambda tag: None if tag[0] in _PER_CHANNEL else tag)
    chunks = tuple(chunk for chunk in m.chunks if chunk[0] != b"iCCP")
    return replace(m, icc=None, chunks=chunks, jpeg=coding)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield mark and content of a JPEG's segments."""
    at = 0
    while at < len(data):
        mark, size = struct.unpack_from(">BH", data, at + 1)
        yield mark, data[at + 4 : at + 2 + size]
        at += 2 + size


def _joined(segments: Iterator[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in segments)
