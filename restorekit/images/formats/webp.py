"""WebP, lossy and lossless, by Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import imagecodecs
import numpy as np
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.picture import Array, Header, Metadata, Picture, assemble

_ANIMATED = 2  # flag of the container
_QUALITY = 90  # of a lossy file: WebP does not say with which quality it was made


def probe(path: Path) -> Header:
    """Read the header."""
    with path.open("rb") as file:
        chunks = _chunks(file)
    width, height = _size(chunks)
    if exif.orientation(exif.strip_prefix(chunks.get(b"EXIF")), chunks.get(b"XMP ")) >= 5:
        width, height = height, width
    return Header("webp", 1, height, width, 3, np.dtype(np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    data = path.read_bytes()
    chunks = _chunks(io.BytesIO(data))
    width, height = _size(chunks)
    samples = imagecodecs.webp_decode(data).reshape(1, height, width, -1)
    blob, xmp = exif.strip_prefix(chunks.get(b"EXIF")), chunks.get(b"XMP ")
    turned = exif.orientation(blob, xmp)
    width, height = (width, height) if turned < 5 else (height, width)
    metadata = Metadata(
        exif=exif.of_pixels(blob, width, height),
        icc=chunks.get(b"ICCP"),
        xmp=exif.xmp_of_pixels(xmp, width, height) if xmp else None,
        lossless=b"VP8L" in chunks,
    )
    alpha = samples.shape[3] == 4
    return assemble("webp", samples, metadata, alpha, turned)


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None, quality: str = "keep") -> tuple[str, ...]:
    """Write one uint8 frame, (1, H, W, 1 to 4), the last of 2 or 4 samples alpha; WebP has no place for a spec."""
    metadata = picture.metadata
    was_lossy = picture.format == "webp" and picture.lossy
    lossless = quality == "auto" or (quality == "keep" and (metadata.lossless or not picture.lossy))
    samples = pixels[0]
    if samples.shape[2] < 3:  # WebP has no gray
        samples = np.concatenate([samples[..., [0, 0, 0]], samples[..., 1:]], axis=2)
    Image.fromarray(samples).save(
        path,
        "WEBP",
        lossless=lossless,
        exact=True,
        quality=_QUALITY if quality in ("auto", "keep") else int(quality),
        exif=exif.PREFIX + metadata.exif if metadata.exif else b"",
        icc_profile=metadata.icc or b"",
        xmp=metadata.xmp or b"",
    )
    if was_lossy and lossless:
        return ("lossy WebP is written without loss, which takes more space; --jpeg-quality keep writes it with loss",)
    if was_lossy and quality == "keep":
        return (f"lossy WebP does not say its quality, and is written with {_QUALITY}",)
    return ()


def _chunks(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the chunks by name, of those with pixels no more than the header."""
    file.seek(12)
    chunks = dict[bytes, bytes]()
    while len(head := file.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        content = file.read(size if kind in (b"EXIF", b"XMP ", b"ICCP") else min(size, 10))
        chunks.setdefault(kind, content)
        file.seek(size + size % 2 - len(content), io.SEEK_CUR)
    return chunks


def _size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    """Return width and height as the container states them, without decoding a pixel."""
    if len(canvas := chunks.get(b"VP8X", b"")) == 10:
        if canvas[0] & _ANIMATED:
            raise ImageError("an animated WebP is not supported; save its frames as separate files")
        return int.from_bytes(canvas[4:7], "little") + 1, int.from_bytes(canvas[7:10], "little") + 1
    if len(lossless := chunks.get(b"VP8L", b"")) == 10:
        bits = int.from_bytes(lossless[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if len(lossy := chunks.get(b"VP8 ", b"")) == 10:
        return int.from_bytes(lossy[6:8], "little") & 0x3FFF, int.from_bytes(lossy[8:10], "little") & 0x3FFF
    raise ImageError("truncated or damaged: it holds no picture; get a complete copy of the file")
