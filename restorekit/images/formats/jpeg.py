"""JPEG: decoded by libjpeg-turbo straight into an array, written with the tables it came with."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import imagecodecs
import numpy as np
from PIL import Image, JpegImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.picture import Array, Header, JpegCoding, Metadata, Picture, assemble

_CHANNELS = {"L": 1, "RGB": 3}
_DROPPED_APP2 = b"MPF\0"  # offsets to further pictures in the same file
_INCH = 2.54  # centimetres
_QUALITY = 95  # where the input was no JPEG


def probe(path: Path) -> Header:
    """Read the header."""
    with path.open("rb") as file:
        image = _open(file)
        width, height = image.size
        if exif.orientation(exif.strip_prefix(image.info.get("exif"))) >= 5:
            width, height = height, width
        return Header("jpeg", 1, height, width, _CHANNELS[image.mode], np.dtype(np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    data = path.read_bytes()
    # Decoders fill up what a truncated file lacks with gray: no end marker after the last scan means truncated.
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise ImageError(f"{path} is truncated (it has no end marker); get a complete copy of the file")
    image = _open(io.BytesIO(data))
    samples = imagecodecs.jpeg8_decode(data)
    blob = exif.strip_prefix(image.info.get("exif"))
    xmp = image.info.get("xmp")
    # The density that the JFIF segment states; what EXIF states stays in the EXIF.
    density, scale = image.info.get("jfif_density"), {1: 1.0, 2: _INCH}.get(image.info.get("jfif_unit", 0))
    dpi = None if density is None or scale is None else (density[0] * scale, density[1] * scale)
    metadata = Metadata(
        exif=exif.reset_orientation(blob),
        icc=image.info.get("icc_profile"),
        xmp=exif.upright_xmp(xmp) if xmp else None,
        dpi=dpi,
        text=(("Comment", image.info["comment"].decode("latin-1")),) if "comment" in image.info else (),
        jpeg=_coding(image),
    )
    notes = ("only the first of several pictures in the file is kept",) if "mpoffset" in image.info else ()
    samples = samples.reshape(1, *samples.shape[:2], -1)
    return assemble("jpeg", samples, metadata, orientation=exif.orientation(blob), notes=notes)


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write one uint8 frame, (1, H, W, 1 or 3); JPEG has no place for a spec."""
    metadata, coding = picture.metadata, picture.metadata.jpeg
    image = Image.fromarray(pixels[0, ..., 0] if pixels.shape[3] == 1 else pixels[0])
    options: dict[str, Any] = {
        "exif": exif.PREFIX + metadata.exif if metadata.exif else b"",
        "dpi": metadata.dpi or (0, 0),
    }
    if coding is None:
        options |= {"quality": _QUALITY, "subsampling": 0, "icc_profile": metadata.icc, "xmp": metadata.xmp}
    else:
        options |= {"qtables": coding.tables, "subsampling": coding.subsampling}
        options |= {"progressive": coding.progressive, "extra": coding.segments}
    buffer = io.BytesIO()  # straight into a file, Pillow would not notice that the disk is full
    image.save(buffer, "JPEG", **options)
    path.write_bytes(buffer.getbuffer())


def _open(file: IO[bytes]) -> JpegImageFile:
    # The class itself, not Image.open: Pillow's own limit on pixels would warn before ours applies.
    image = JpegImageFile(file)
    if image.mode not in _CHANNELS:
        raise ImageError(
            "CMYK JPEG is made for printing and has no RGB without its colour profile;"
            " convert it first, for example with: magick IN.jpg -colorspace sRGB OUT.jpg"
        )
    return image


def _coding(image: JpegImageFile) -> JpegCoding:
    used = dict.fromkeys(layer[3] for layer in image.layer)  # each component names its table: luma's first
    sampling = JpegImagePlugin.get_sampling(image)  # -1 is a layout that Pillow cannot write
    return JpegCoding(
        tables=tuple(tuple(image.quantization[k]) for k in list(used)[:2]),
        subsampling=max(sampling, 0),  # 0 is none, which loses nothing
        progressive=bool(image.info.get("progressive")),
        segments=_carried(image.applist),
    )


def _carried(segments: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the segments that are carried over; EXIF, JFIF and the like are written anew."""
    carried = b""
    for name, data in segments:
        if name in ("APP0", "APP14"):  # JFIF and Adobe describe the compression
            continue
        if (name == "APP1" and data.startswith(exif.PREFIX)) or (name == "APP2" and data.startswith(_DROPPED_APP2)):
            continue
        marker = 0xFE if name == "COM" else 0xE0 + int(name.removeprefix("APP"))
        if name == "APP1":
            data = exif.upright_xmp(data)
        carried += struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
    return carried
