"""JPEG: decoded by libjpeg-turbo straight into an array, written with the tables it came with."""

from __future__ import annotations

import io
import mmap
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import imagecodecs
import numpy as np
from PIL import Image, JpegImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.formats.jpeg_scan import Markers, check_scans, read_markers
from restorekit.images.picture import Array, Header, JpegCoding, Metadata, Picture, assemble

warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)  # of Pillow; the bytes are carried over

_CHANNELS = {"L": 1, "RGB": 3}
_DROPPED_APP2 = b"MPF\0"  # offsets to further pictures in the same file
_XMP, _PHOTOSHOP = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_PREVIEWS = (0x0409, 0x040C)  # Photoshop's pictures of the picture
_INCH = 2.54  # centimetres
_QUALITY = 95  # where the input was no JPEG
_SMALLER = ((96, 0.36), (97, 0.33))  # qualities tried before 100; largest mean square error, in grey levels squared
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128


def probe(path: Path) -> Header:
    """Read the header."""
    with path.open("rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _refuse_other_kinds(read_markers(data, scans=False))
        image = _open(file)
        width, height = image.size
        if exif.orientation(exif.strip_prefix(image.info.get("exif")), image.info.get("xmp")) >= 5:
            width, height = height, width
        return Header("jpeg", 1, height, width, _CHANNELS[image.mode], np.dtype(np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    data = path.read_bytes()
    markers = read_markers(data)
    _refuse_other_kinds(markers)
    image = _open(io.BytesIO(data))
    # Decoders fill what is missing or cannot be decoded with gray, and say nothing.
    if not markers.end or not markers.scans:
        raise ImageError("the file is truncated: it has no end marker; get a complete copy of the file")
    notes = check_scans(data, markers)
    samples = imagecodecs.jpeg8_decode(data)
    blob = exif.strip_prefix(image.info.get("exif"))
    xmp = image.info.get("xmp")
    turned = exif.orientation(blob, xmp)
    width, height = image.size if turned < 5 else image.size[::-1]
    # The density that the JFIF segment states; what EXIF states stays in the EXIF.
    density, scale = image.info.get("jfif_density"), {1: 1.0, 2: _INCH}.get(image.info.get("jfif_unit", 0))
    dpi = None if density is None or scale is None else (density[0] * scale, density[1] * scale)
    metadata = Metadata(
        exif=exif.of_pixels(blob, width, height),
        icc=image.info.get("icc_profile"),
        xmp=exif.xmp_of_pixels(xmp, width, height) if xmp else None,
        dpi=dpi,
        text=(("Comment", image.info["comment"].decode("latin-1")),) if "comment" in image.info else (),
        jpeg=_coding(image, width, height),
    )
    if "mpoffset" in image.info:
        notes = (*notes, "only the first of several pictures in the file is kept")
    samples = samples.reshape(1, *samples.shape[:2], -1)
    return assemble("jpeg", samples, metadata, orientation=turned, notes=notes)


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None, quality: str = "keep") -> tuple[str, ...]:
    """Write one uint8 frame, (1, H, W, 1 or 3); JPEG has no place for a spec."""
    metadata, coding = picture.metadata, picture.metadata.jpeg
    image = Image.fromarray(pixels[0, ..., 0] if pixels.shape[3] == 1 else pixels[0])
    options: dict[str, Any] = {
        "exif": exif.PREFIX + metadata.exif if metadata.exif else b"",
        "dpi": metadata.dpi or (0, 0),
    }
    if coding is None:
        options |= {"icc_profile": metadata.icc, "xmp": metadata.xmp}
    else:
        options |= {"progressive": coding.progressive, "extra": coding.segments}
    notes: tuple[str, ...] = ()
    if quality == "auto":
        data, notes = _precise(image, metadata, options)
    elif quality == "keep" and coding is not None:
        data = _saved(image, options | {"qtables": coding.tables, "subsampling": coding.subsampling})
    else:
        level = _QUALITY if quality == "keep" else int(quality)
        data = _saved(image, options | {"quality": level, "subsampling": 0})
    path.write_bytes(data)
    return notes


def _precise(image: Image.Image, metadata: Metadata, options: dict[str, Any]) -> tuple[bytes, tuple[str, ...]]:
    """Encode with a quality of 96 or 97 where little is lost with it, else with 100.

    Where so little changes, quantisation leaves out what is faint everywhere, which is mostly noise that was left: on
    52 PolyU pictures that costs 0.02 dB. Quality 100 costs 0.04 dB, as the rounding of its coefficients adds noise, and
    98 and 99 do both. In RGB, because rounding to YCbCr changes pixels by 0.6 grey levels and costs 0.11 dB.
    """
    colour, notes = image.mode == "RGB", list[str]()
    if colour and metadata.dpi is not None:  # of JFIF: decoders take a file with such a segment for YCbCr
        options = options | {"dpi": (0, 0)}
        block = Image.Exif()
        if metadata.exif is None:
            block[_X_RESOLUTION], block[_Y_RESOLUTION], block[_RESOLUTION_UNIT] = *metadata.dpi, 2
            options = options | {"exif": block}
        else:
            block.load(metadata.exif)
            stated = "that of its EXIF block" if _X_RESOLUTION in block else "dropped, as its EXIF block states none"
            notes.append(f"its resolution is {stated}; RGB JPEG has no JFIF segment, see --jpeg-quality keep")
    pixels = np.asarray(image).astype(np.int16)
    for quality, limit in (*_SMALLER, (100, np.inf)):
        data = _saved(image, options | {"quality": quality, "subsampling": 0, "keep_rgb": colour})
        error = imagecodecs.jpeg8_decode(data) - pixels
        if np.square(error).mean() <= limit:
            break
    way = "RGB without chroma subsampling" if colour else "gray"
    notes.append(f"written as JPEG of quality {quality}, {way}, to hold the restoration; see --jpeg-quality")
    return data, tuple(notes)


def _saved(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Encode in memory: straight into a file, Pillow would not notice that the disk is full."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _refuse_other_kinds(markers: Markers) -> None:
    """Raise an ImageError that names the kind of a JPEG that is not decoded."""
    if markers.unsupported is not None:
        raise ImageError(f"{markers.unsupported} is not supported; convert it to PNG or TIFF first")


def _open(file: IO[bytes]) -> JpegImageFile:
    # The class itself, not Image.open: Pillow's own limit on pixels would warn before ours applies.
    image = JpegImageFile(file)
    if image.mode not in _CHANNELS:
        raise ImageError(
            "CMYK JPEG is made for printing and has no RGB without its colour profile;"
            " convert it first, for example with: magick IN.jpg -colorspace sRGB OUT.jpg"
        )
    return image


def _coding(image: JpegImageFile, width: int, height: int) -> JpegCoding:
    used = dict.fromkeys(layer[3] for layer in image.layer)  # each component names its table: luma's first
    sampling = JpegImagePlugin.get_sampling(image)  # -1 is a layout that Pillow cannot write
    return JpegCoding(
        tables=tuple(tuple(image.quantization[k]) for k in list(used)[:2]),
        subsampling=max(sampling, 0),  # 0 is none, which loses nothing
        progressive=bool(image.info.get("progressive")),
        segments=_carried(image.applist, width, height),
    )


def _carried(segments: Iterable[tuple[str, bytes]], width: int, height: int) -> bytes:
    """Return the segments that are carried over; EXIF, JFIF and the like are written anew."""
    carried = b""
    for name, data in segments:
        if name in ("APP0", "APP14"):  # JFIF and Adobe describe the compression
            continue
        if (name == "APP1" and data.startswith(exif.PREFIX)) or (name == "APP2" and data.startswith(_DROPPED_APP2)):
            continue
        marker = 0xFE if name == "COM" else 0xE0 + int(name.removeprefix("APP"))
        if name == "APP1" and data.startswith(_XMP):
            data = _XMP + exif.xmp_of_pixels(data.removeprefix(_XMP), width, height)
        if name == "APP13" and data.startswith(_PHOTOSHOP):
            data = _without_previews(data)
        carried += struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
    return carried


def _without_previews(data: bytes) -> bytes:
    """Remove the thumbnails from a segment of Photoshop's resources."""
    kept, at = _PHOTOSHOP, len(_PHOTOSHOP)
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        name = at + 6  # its length and its bytes, even together
        content = name + (data[name] + 2 & ~1)
        size = int.from_bytes(data[content : content + 4], "big")
        stop = content + 4 + size + size % 2
        if int.from_bytes(data[at + 4 : at + 6], "big") not in _PREVIEWS:
            kept += data[at:stop]
        at = stop
    return kept + data[at:]
