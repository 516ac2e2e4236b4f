"""WebP, lossy and lossless, by Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.picture import Array, Header, Metadata, Picture, assemble

_QUALITY = 90  # of a lossy file: WebP does not say with which quality it was made


def probe(path: Path) -> Header:
    """Read the header."""
    image = _open(path.read_bytes())
    width, height = image.size
    if exif.orientation(exif.strip_prefix(image.info.get("exif"))) >= 5:
        width, height = height, width
    return Header("webp", 1, height, width, 3, np.dtype(np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    data = path.read_bytes()
    image = _open(data)
    samples = np.asarray(image)[np.newaxis]
    blob = exif.strip_prefix(image.info.get("exif"))
    xmp = image.info.get("xmp")
    metadata = Metadata(
        exif=exif.reset_orientation(blob),
        icc=image.info.get("icc_profile"),
        xmp=exif.upright_xmp(xmp) if xmp else None,
        lossless=_lossless(data),
    )
    notes = () if metadata.lossless else (f"lossy WebP does not say its quality, and is written with {_QUALITY}",)
    alpha = samples.shape[3] == 4
    return assemble("webp", samples, metadata, alpha, exif.orientation(blob), notes=notes)


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write one uint8 frame, (1, H, W, 1 to 4), the last of 2 or 4 samples alpha; WebP has no place for a spec."""
    metadata = picture.metadata
    lossless = metadata.lossless or not picture.lossy
    samples = pixels[0]
    if samples.shape[2] < 3:  # WebP has no gray
        samples = np.concatenate([samples[..., [0, 0, 0]], samples[..., 1:]], axis=2)
    Image.fromarray(samples).save(
        path,
        "WEBP",
        lossless=lossless,
        exact=True,
        quality=_QUALITY,
        exif=exif.PREFIX + metadata.exif if metadata.exif else b"",
        icc_profile=metadata.icc or b"",
        xmp=metadata.xmp or b"",
    )


def _open(data: bytes) -> WebPImageFile:
    image = WebPImageFile(io.BytesIO(data))
    if image.n_frames > 1:
        raise ImageError("an animated WebP is not supported; save its frames as separate files")
    return image


def _lossless(data: bytes) -> bool:
    """Look for the chunk of the lossless coder among the file's chunks."""
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        at += 8 + size + size % 2
    return False
