"""BMP of 8, 24 and 32 bits."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from restorekit.images.picture import Array, Header, Metadata, Picture, assemble

_NOTES = {"P": ("palette image is written as RGB",), "1": ("1-bit image is written as 8-bit gray",)}
_DEEP = ("colours of 5 and 6 bits are scaled to 8 bits, in which they are written",)
_INCH = 0.0254  # metres
_RESOLUTION = 38  # offset in the file of pixels per metre


def probe(path: Path) -> Header:
    """Read the header."""
    with path.open("rb") as file:
        image = _open(file)
        channels = 1 if image.mode in ("1", "L") else 3
        return Header("bmp", 1, image.height, image.width, channels, np.dtype(np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    with path.open("rb") as file:
        image = _open(file)
        mode, dpi, raw = image.mode, image.info.get("dpi"), str(image.tile[0].args)
        plain = image.convert({"1": "L", "P": "RGB"}.get(mode, mode))
    samples = np.asarray(plain)
    samples = samples.reshape(1, *samples.shape[:2], -1)
    known = dpi is not None and min(dpi) > 0
    notes = _DEEP if "BGR;15" in raw or "BGR;16" in raw else _NOTES.get(mode, ())
    metadata = Metadata(dpi=(float(dpi[0]), float(dpi[1])) if known and dpi else None)
    return assemble("bmp", samples, metadata, alpha=samples.shape[3] == 4, notes=notes)


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write one uint8 frame, (1, H, W, 1, 3 or 4), the fourth sample alpha; BMP has no place for a spec."""
    samples = pixels[0]
    if samples.shape[2] != 4:
        image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
        buffer = io.BytesIO()  # straight into a file, Pillow would not notice that the disk is full
        image.save(buffer, "BMP", dpi=picture.metadata.dpi or (96, 96))
        path.write_bytes(buffer.getbuffer())
        return
    # Pillow writes four samples without saying that one is alpha, and reads them back as three.
    data = bytearray(cv2.imencode(".bmp", cv2.cvtColor(samples, cv2.COLOR_RGBA2BGRA))[1])
    if picture.metadata.dpi is not None:
        struct.pack_into("<ii", data, _RESOLUTION, *(round(value / _INCH) for value in picture.metadata.dpi))
    path.write_bytes(data)


def _open(file: IO[bytes]) -> BmpImageFile:
    return BmpImageFile(file)
