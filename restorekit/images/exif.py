"""The orientation inside an EXIF block, read and reset in place so that every other byte stays."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_DIRECTORY = 0x8769  # of EXIF's own tags
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)


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
    for order, tag, kind, entry in _entries(exif, 4):
        if tag == _ORIENTATION and kind == _SHORT:
            return order, entry + 8
    return None


def _entries(exif: bytes, pointer: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield byte order, tag, type and place of what stands in the directory that is pointed to."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return
    try:
        first = struct.unpack_from(order + "I", exif, pointer)[0]
        for entry in range(first + 2, first + 2 + 12 * struct.unpack_from(order + "H", exif, first)[0], 12):
            if entry + 12 <= len(exif):
                yield order, *struct.unpack_from(order + "HH", exif, entry), entry
    except struct.error:  # a directory that runs past its block names nothing
        return


def resized(exif: bytes, width: int, height: int) -> bytes:
    """Return the EXIF block with the sizes that it states of the picture, in pixels, set to these."""
    block, found = bytearray(exif), list(_entries(exif, 4))
    for _, tag, _, entry in tuple(found):
        found += _entries(exif, entry + 8) if tag == _DIRECTORY else ()
    for order, tag, kind, entry in found:
        if tag in (*_WIDTHS, *_HEIGHTS) and kind in (_SHORT, _LONG):
            struct.pack_into(order + "HII", block, entry + 2, _LONG, 1, width if tag in _WIDTHS else height)
    return bytes(block)


def resized_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Return XMP with the sizes that it states of the picture, in pixels, set to these."""
    for names, side in (
        (b"tiff:ImageWidth|exif:PixelXDimension", width),
        (b"tiff:ImageLength|exif:PixelYDimension", height),
    ):
        xmp = re.sub(rb"""((?:%b)(?:\s*=\s*["']|>))\d+""" % names, rb"\g<1>%d" % side, xmp)
    return xmp


def upright_xmp(xmp: bytes) -> bytes:
    """Set a ``tiff:Orientation`` inside XMP, which would turn the picture once more, to 1; the length stays."""
    return re.sub(rb"""(tiff:Orientation(?:\s*=\s*["']|>))[2-8]""", rb"\g<1>1", xmp)


def xmp_orientation(xmp: bytes | None) -> int:
    """Return the orientation, 1 to 8, that XMP states as ``tiff:Orientation``; 1 where it states none."""
    found = re.search(rb"""tiff:Orientation(?:\s*=\s*["']|\s*>)\s*([1-8])\b""", xmp) if xmp else None
    return int(found[1]) if found else 1
