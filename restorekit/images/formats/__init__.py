"""Read and write image files of every supported format."""

from __future__ import annotations

import errno
import re
import stat
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.core.errors import ImageError, unknown
from restorekit.core.files import atomic
from restorekit.images.discovery import split_array
from restorekit.images.formats.limits import EVERY, check_limits, check_size
from restorekit.images.picture import SUFFIXES, Array, Header, Metadata, Picture, with_infrared

# Pillow warns of each odd tag in EXIF: no news for the terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(TiffImagePlugin|Image)")

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"PK\x05\x06", "npz"),  # an archive without members
    (b"\x1f\x8b", "idx"),  # gzip
    *((bytes((0, 0, code)), "idx") for code in (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E)),
)
_ARRAYS = ("npy", "npz", "idx")
_UNSUPPORTED = (
    (b"GIF8", "a GIF"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"\0\0\0\x0cjP", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"v/1\x01", "an OpenEXR"),
    (b"SIMPLE  =", "a FITS"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5"),
    (b"#?RADIANCE", "a Radiance HDR"),
    (b"DDS ", "a DDS"),
    (b"qoif", "a QOI"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML text"),
    (b"II\xbc\x01", "a JPEG XR"),
    (b"IIRO", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"FUJIFILM", "a camera's raw file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML text"),
    (b"%!PS", "a PostScript file"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\0\2\0", "a cursor"),
    (b"icns", "an icon"),
    (b"\x0a\x05\x01", "a PCX"),
    (b"\x01\xda", "an SGI picture"),
    (b"\xff\x10\xff\x50", "a JPEG XS"),
    *((b"P" + digit, "a PNM") for digit in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"F", b"f")),
)
_OTHER_KIND = re.compile(r"unsupported|not supported|cannot handle \d-layer", re.IGNORECASE)
_BRANDS = ((b"heic", "an HEIC"), (b"heix", "an HEIC"), (b"mif1", "an HEIF"), (b"avif", "an AVIF"), (b"crx ", "a CR3"))
_TEXTS = (  # after white space, in lower case
    (b"<!doctype html", "an HTML page, perhaps an error message that was saved in place of the image"),
    (b"<html", "an HTML page, perhaps an error message that was saved in place of the image"),
    (b"version https://git-lfs", "a pointer of Git LFS, which `git lfs pull` replaces by the image"),
)
_DISK = {errno.EIO, errno.ELOOP, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ENXIO, errno.ESTALE}
_SPECIAL = (
    (stat.S_ISFIFO, "a FIFO (named pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (lambda _: True, "a device"),
)


def probe(path: str | Path, axes: str | None = None) -> Header:
    """Read a file's header.

    Parameters
    ----------
    path : path
        An image file, or ``FILE.npz:ARRAY``.
    axes : str, optional
        Axes of an array, as in `restorekit.images.axes.parse_axes`; None: by the rules for its shape.

    Returns
    -------
    Header

    Raises
    ------
    ImageError
        The file is missing, unreadable, no image, or of a kind that is not supported.
    """
    path = Path(path)
    with _errors_of(path):
        kind = _format(path)
        header: Header = _codec(kind).probe(path, axes) if kind in _ARRAYS else _codec(kind).probe(path)
        if header.dtype.newbyteorder("=").name not in (*EVERY, "bool"):
            raise ImageError(
                f"{path} holds {header.dtype.name} numbers; expected 8- or 16-bit unsigned integers or floats,"
                " so convert it to uint16 or float32 first"
            )
        return header


def read(
    path: str | Path, max_pixels: int | None = None, axes: str | None = None, max_memory: int | None = None
) -> Picture:
    """Decode a file.

    Parameters
    ----------
    path : path
        An image file, or ``FILE.npz:ARRAY``.
    max_pixels : int, optional
        Frames x height x width above which the file is refused by its header alone; None: a thousand million.
    axes : str, optional
        As in `probe`.
    max_memory : int, optional
        Bytes that the work with the file may take, or it is refused by its header alone; None: as in
        `restorekit.images.formats.limits.check_size`.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        As `probe`; or the file is truncated, damaged or too large.
    """
    path = Path(path)
    header = probe(path, axes)
    check_size(path, header, max_pixels, max_memory)
    with _errors_of(path):
        codec = _codec(header.format)
        picture: Picture = codec.decode(path, axes) if header.format in _ARRAYS else codec.decode(path)
        return picture


def write(
    path: str | Path, picture: Picture, pixels: Array, format: str | None = None, spec: str | None = None,
    ready: Callable[[Path], None] | None = None, jpeg_quality: str = "keep",
) -> tuple[str, ...]:  # fmt: skip
    """Write pixels the way a picture's file was written; an error leaves no partial file.

    Parameters
    ----------
    path : path
        Where to; its suffix is not looked at.
    picture : Picture
        What the file is like: format, alpha, metadata.
    pixels : array, (N, H, W, C)
        In the dtype to write, upright, without alpha.
    format : str, optional
        Another format; None or ``"keep"`` is the picture's own.
    spec : str, optional
        Corruption spec to write into the file (PNG, TIFF, NPZ). That of the input is not carried over.
    ready : callable, optional
        Takes the finished temporary before it is put at `path`; what it raises leaves `path` as it was.
    jpeg_quality : str
        Of JPEG and lossy WebP. ``"keep"``: that of the picture's file; ``"auto"``: so high that the file holds the
        pixels up to 0.6 grey levels (root mean square), WebP without loss; or a number from 1 to 100.

    Returns
    -------
    tuple of str
        A sentence for each property of the file that differs from the picture's.

    Raises
    ------
    ImageError
        The format cannot hold these pixels, or the file cannot be written.
    """
    path, kind = Path(path), target_format(picture, format)
    picture, pixels, lost = with_infrared(picture, pixels, kind)
    if picture.shapes is not None and kind != "tiff":
        raise ImageError(f"{kind} cannot hold pages of several sizes or kinds for {path}; use --format tiff")
    nodata = picture.nodata
    if nodata is not None and nodata.where.shape == pixels.shape and pixels.dtype == picture.pixels.dtype:
        pixels = nodata.restore(pixels)
    alpha = _opacity(picture, pixels)
    check_limits(path, kind, pixels, alpha)
    samples = pixels if alpha is None else np.concatenate([pixels, alpha], axis=3)
    with atomic(path) as temporary:
        notes = _encode(kind, path, temporary, picture, samples, spec, jpeg_quality)
        if ready is not None:
            ready(temporary)
    return (*lost, *notes)


def write_float(path: str | Path, array: Array, spec: str | None = None) -> None:
    """Write a float32 TIFF, one page per frame.

    Parameters
    ----------
    path : path
        Where to.
    array : array, (N, H, W, C)
        A spread, the ends of an interval, or draws.
    spec : str, optional
        Corruption spec to write into the file.
    """
    samples = np.asarray(array, np.float32)
    write(path, Picture(samples, format="tiff", metadata=Metadata()), samples, spec=spec)


def target_format(picture: Picture, format: str | None) -> str:
    """Return the format that `write` will use.

    Raises
    ------
    ImageError
        There is no such format.
    """
    kind = picture.format if format in (None, "keep") else str(format)
    if kind not in SUFFIXES:
        raise ImageError(unknown("image format", kind, ("keep", *SUFFIXES)))
    return kind


def is_lossy(format: str) -> bool:
    """Return whether a format may change pixels; `Picture.lossy` also distinguishes lossless WebP."""
    return format in ("jpeg", "webp")


class _Codec:
    """The three functions of a format's module."""

    probe: Callable[..., Header]
    decode: Callable[..., Picture]


def _codec(kind: str) -> _Codec:
    name = "arrays" if kind in _ARRAYS else kind
    return import_module(f"restorekit.images.formats.{name}")  # type: ignore[return-value]  # a module as an object


def _encode(
    kind: str, path: Path, temporary: Path, picture: Picture, samples: Array, spec: str | None, quality: str
) -> tuple[str, ...]:
    home = "arrays" if kind in _ARRAYS else {"tiff": "tiff_write"}.get(kind, kind)
    module = import_module(f"restorekit.images.formats.{home}")
    encode = getattr(module, f"encode_{kind}" if home == "arrays" else "encode")
    try:
        if is_lossy(kind):
            notes: tuple[str, ...] = encode(temporary, picture, samples, spec, quality)
            return notes
        encode(temporary, picture, samples, spec)
        return ()
    except OSError as error:
        if error.errno is not None:  # the disk's doing, which `atomic` explains; Pillow raises others without a number
            raise
        raise ImageError(f"cannot write {path} as {kind} ({_reason(error)}); try another --format") from error
    except Exception as error:  # odd metadata make encoders raise as many classes as decoders do
        raise ImageError(f"cannot write {path} as {kind} ({_reason(error)}); try another --format") from error


def _format(path: Path) -> str:
    file = Path(split_array(path)[0])
    if file.exists() and not (file.is_file() or file.is_dir()):  # to open a FIFO waits for its writer
        kind = next(name for test, name in _SPECIAL if test(file.stat().st_mode))
        raise ImageError(f"{path} is {kind}; expected a regular file, so save its content to one first")
    with file.open("rb") as stream:
        head = stream.read(256)
    if not head:
        raise ImageError(f"{path} is empty (0 bytes); get a complete copy of the file")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is None:
        known = next((name for magic, name in _UNSUPPORTED if head.startswith(magic)), None)
        known = known or next((name for brand, name in _BRANDS if head[4:12] == b"ftyp" + brand), None)
        remedy = "convert it first" if known else "get the image itself"
        raise ImageError(
            f"{path} is {known or _name_of(head)}; expected PNG, JPEG, TIFF, WebP, BMP, NPY, NPZ or IDX, so {remedy}"
        )
    return found


def _name_of(head: bytes) -> str:
    """Return what a file is whose first bytes are of no format of images."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"\x89PNG") or head.startswith(b"\xc2\x89PNG"):
        return "a PNG whose bytes were changed as those of a text on the way"
    if not any(head):
        return "filled with zeros"
    named = next((name for start, name in _TEXTS if text.lower().startswith(start)), None)
    controls = any(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)
    return named or ("something else" if controls or head[:1] > b"\x7f" else "a text")


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence that names the file."""
    try:
        yield
    except ImageError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path} is a folder; expected an image file") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; change its permissions") from error
    except MemoryError as error:
        raise ImageError(f"{path} needs more memory than there is; cut it into parts or use another machine") from error
    except Exception as error:  # decoders raise nearly every class there is on a damaged file
        if isinstance(error, OSError) and error.errno in _DISK:
            raise ImageError(f"{path} cannot be read ({error.strerror}); check the path and the disk") from error
        if _OTHER_KIND.search(str(error)):
            reason = _reason(error)
            raise ImageError(f"{path} is of a kind that is not supported ({reason}); convert it first") from error
        raise ImageError(
            f"{path} is truncated or damaged ({_reason(error)}); get a complete copy of the file"
        ) from error


def _reason(error: Exception) -> str:
    return textwrap.shorten(str(error) or type(error).__name__, 120)


def _opacity(picture: Picture, pixels: Array) -> Array | None:
    """Return the picture's alpha in the dtype and size of the pixels."""
    alpha = picture.alpha
    if alpha is None or (alpha.dtype == pixels.dtype and alpha.shape[:3] == pixels.shape[:3]):
        return alpha
    import cv2

    unit = alpha.astype(np.float32) / _top(alpha.dtype)
    if unit.shape[1:3] != pixels.shape[1:3]:
        size = (pixels.shape[2], pixels.shape[1])
        unit = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)[..., np.newaxis] for frame in unit])
    scaled = unit * _top(pixels.dtype)
    return (scaled if pixels.dtype.kind == "f" else np.rint(scaled)).astype(pixels.dtype)


def _top(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
