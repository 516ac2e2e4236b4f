"""The orientation inside an EXIF block, read and reset in place so that every other byte stays."""

from __future__ import annotations

import re
import struct

PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT = 3


def strip_prefix(exif: bytes | None) -> bytes | None:
    """Return EXIF as a bare TIFF structure; None where there is none."""
    return exif.removeprefix(PREFIX) if exif else None


def orientation(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8, that an EXIF block, a bare TIFF structure, names; 1 where it names none."""
    found = _find(exif) if exif else None
    if exif is None or found is None:
        return 1
    order, offset = found
    value = struct.unpack_from(order + "H", exif, offset)[0]
    return value if 1 <= value <= 8 else 1


def reset_orientation(exif: bytes | None) -> bytes | None:
    """Return the EXIF block with its orientation, where it has one, set to 1."""
    found = _find(exif) if exif else None
    if exif is None or found is None:
        return exif
    order, offset = found
    return exif[:offset] + struct.pack(order + "H", 1) + exif[offset + 2 :]


def _find(exif: bytes) -> tuple[str, int] | None:
    """Return byte order and place of the orientation's value in the first directory."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        first = struct.unpack_from(order + "I", exif, 4)[0]
        for entry in range(first + 2, first + 2 + 12 * struct.unpack_from(order + "H", exif, first)[0], 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == _ORIENTATION and kind == _SHORT and entry + 12 <= len(exif):
                return order, entry + 8
    except struct.error:  # a directory that runs past its block names nothing
        return None
    return None


def upright_xmp(xmp: bytes) -> bytes:
    """Set a ``tiff:Orientation`` inside XMP, which would turn the picture once more, to 1; the length stays."""
    return re.sub(rb"""(tiff:Orientation(?:\s*=\s*["']|>))[2-8]""", rb"\g<1>1", xmp)
