"""A decoded image with everything that its file said, and what a file's header says without decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SPEC_KEY = "restorekit-corruption"  # under this name a file says which corruption was applied to it
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "bmp": (".bmp", ".dib"),
    "npy": (".npy",),
    "npz": (".npz",),
}


@dataclass(frozen=True)
class Header:
    """What the file header says, as `Picture` would hold it.

    Attributes
    ----------
    format : str
        A key of `SUFFIXES`.
    frames, height, width : int
        Pages (1 for most formats) and their upright size in pixels.
    channels : int
        Colour or band channels, without alpha.
    dtype : numpy.dtype
        Of one sample.
    """

    format: str
    frames: int
    height: int
    width: int
    channels: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was compressed.

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


@dataclass(frozen=True)
class TiffLayout:
    """How a TIFF was laid out; numbers are those of the TIFF 6.0 specification.

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
    pages: tuple[tuple[tuple[int, int, int, Any], ...], ...]


@dataclass(frozen=True, eq=False)
class ArrayLayout:
    """How an array file held the image.

    Attributes
    ----------
    shape : tuple of int
        The array's own shape.
    name : str
        Name of the image's array in an NPZ, else empty.
    others : mapping of str to array
        The other arrays of an NPZ, carried over as they are.
    compressed : bool
        Whether the NPZ was compressed.
    """

    shape: tuple[int, ...]
    name: str = ""
    others: Mapping[str, Array] = field(default_factory=dict)
    compressed: bool = False


@dataclass(frozen=True, eq=False)
class Metadata:
    """What has to be carried over from input to output.

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
class Picture:
    """A decoded image file.

    Attributes
    ----------
    pixels : array, (N, H, W, C)
        Frames in the file's own dtype, RGB order, upright, without alpha; 0 where missing.
    alpha : array, (N, H, W, 1), or None
        In the dtype of `pixels`.
    missing : array of bool, (N, H, W, C), or None
        True where a float file holds NaN or infinity.
    format : str
        A key of `SUFFIXES`, told from the content of the file.
    metadata : Metadata
    spec : str or None
        Corruption spec that ``restorekit corrupt`` wrote into the file.
    notes : tuple of str
        One sentence for each thing that will not come back as it was.
    """

    pixels: Array
    alpha: Array | None = None
    missing: npt.NDArray[np.bool_] | None = None
    format: str = "png"
    metadata: Metadata = field(default_factory=Metadata)
    spec: str | None = None
    notes: tuple[str, ...] = ()

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

    Returns
    -------
    Picture
    """
    samples = upright(samples, orientation)
    missing = None
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        unknown = ~np.isfinite(samples)
        samples = np.where(unknown, samples.dtype.type(0), samples)
        missing = np.ascontiguousarray(unknown[..., :-1] if alpha else unknown)
    colours = np.require(
        samples[..., :-1] if alpha else samples, requirements=("C", "W")
    )  # Pillow's arrays are read-only
    opacity = np.require(samples[..., -1:], requirements=("C", "W")) if alpha else None
    return Picture(colours, opacity, missing, format, metadata, spec, notes)


def upright(samples: Array, orientation: int) -> Array:
    """Turn samples, (N, H, W, S), the way EXIF orientation 1 to 8 says they are to be seen."""
    if orientation >= 5:
        samples = samples.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        samples = samples[:, ::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, :, ::-1]
    return samples
