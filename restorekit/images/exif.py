"""Orientation, sizes and thumbnails in EXIF and XMP, changed in place so that every other byte stays."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_DIRECTORY = 0x8769  # of EXIF's own tags
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_STATED = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']""")
_THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails>", re.DOTALL)


def strip_prefix(exif: bytes | None) -> bytes | None:
    """Return EXIF as a bare TIFF structure; None where there is none."""
    return exif.removeprefix(PREFIX) if exif else None


def orientation(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Return the orientation, 1 to 8, of a picture.

    Parameters
    ----------
    exif : bytes or None
        A bare TIFF structure. What it states holds.
    xmp : bytes or None
        Read if EXIF states no orientation.

    Returns
    -------
    int
        1 where neither states one.
    """
    found = _find(exif) if exif else None
    if exif is not None and found is not None:
        order, offset = found
        value = struct.unpack_from(order + "H", exif, offset)[0]
        return value if 1 <= value <= 8 else 1
    stated = _orientation_in(plain).search(plain) if (plain := _utf8(xmp or b"")) else None
    return int(stated[2]) if stated else 1


def reset_orientation(exif: bytes | None) -> bytes | None:
    """Return the EXIF block with its orientation, where it has one, set to 1."""
    found = _find(exif) if exif else None
    if exif is None or found is None:
        return exif
    order, offset = found
    return exif[:offset] + struct.pack(order + "H", 1) + exif[offset + 2 :]


def of_pixels(exif: bytes | None, width: int, height: int) -> bytes | None:
    """Return the EXIF block of an upright picture of this size, without the thumbnail of the picture before.

    Parameters
    ----------
    exif : bytes or None
        A bare TIFF structure.
    width, height : int
        Upright size in pixels.

    Returns
    -------
    bytes or None
        Where it states nothing of these, the block as it is.
    """
    exif = reset_orientation(exif)
    return exif and resized(_without_thumbnail(exif), width, height)


def xmp_of_pixels(xmp: bytes, width: int, height: int) -> bytes:
    """Return the XMP of an upright picture of this size, without the thumbnail of the picture before."""
    return resized_xmp(upright_xmp(_in_utf8(xmp, lambda plain: _THUMBNAILS.sub(b"", plain))), width, height)


def _without_thumbnail(exif: bytes) -> bytes:
    """Unlink the second directory, and cut or blank the picture that it points to."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    block = bytearray(exif)
    try:
        first = struct.unpack_from(f"{order}I", exif, 4)[0] if order else 0
        link = first + 2 + 12 * struct.unpack_from(f"{order}H", exif, first)[0] if first else 0
        second = struct.unpack_from(f"{order}I", exif, link)[0] if link else 0
        if not second:
            return exif
        values = {tag: struct.unpack_from(f"{order}I", exif, at + 8)[0] for _, tag, _, at in _entries(exif, link)}
    except struct.error:  # a block that ends before its directory has no thumbnail
        return exif
    struct.pack_into(f"{order}I", block, link, 0)
    start = values.get(_THUMBNAIL, 0)
    stop = start + values.get(_THUMBNAIL_BYTES, 0)
    if max(link + 4, second) <= start < stop <= len(block):
        if stop >= len(block) - 3:  # nothing but padding stands behind it
            del block[start:]
        else:
            block[start:stop] = bytes(stop - start)
    return bytes(block)


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
            side = width if tag in _WIDTHS else height
            if struct.unpack_from(order + ("H" if kind == _SHORT else "I"), exif, entry + 8)[0] != side:
                struct.pack_into(order + "HII", block, entry + 2, _LONG, 1, side)
    return bytes(block)


def resized_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Return XMP with the sizes that it states of the picture, in pixels, set to these."""

    def change(plain: bytes) -> bytes:
        for names, side in (
            (b"tiff:ImageWidth|exif:PixelXDimension", width),
            (b"tiff:ImageLength|exif:PixelYDimension", height),
        ):
            plain = re.sub(rb"""((?:%b)(?:\s*=\s*["']|>))\d+""" % names, rb"\g<1>%d" % side, plain)
        return plain

    return _in_utf8(xmp, change)


def upright_xmp(xmp: bytes) -> bytes:
    """Set an orientation inside XMP, which would turn the picture once more, to 1; the length stays."""
    return _in_utf8(xmp, lambda plain: _orientation_in(plain).sub(rb"\g<1>1", plain))


def _orientation_in(xmp: bytes) -> re.Pattern[bytes]:
    """Return the pattern of an orientation from 2 to 8, as attribute or element, by the prefix that XMP declares."""
    prefixes = b"|".join(re.escape(prefix) for prefix in {b"tiff", *_STATED.findall(xmp)})
    return re.compile(rb"""((?:%b):Orientation(?:\s*=\s*["']\s*|\s*>\s*))([2-8])(?=\s*["'<])""" % prefixes)


def _utf8(xmp: bytes) -> bytes:
    codec = _codec(xmp)
    return xmp.decode(codec, "replace").encode() if codec else xmp


def _in_utf8(xmp: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change XMP that may be stored in UTF-16, as its first bytes say."""
    codec = _codec(xmp)
    if codec is None:
        return change(xmp)
    changed = change(xmp.decode(codec, "surrogatepass").encode("utf-8", "surrogatepass"))
    return changed.decode("utf-8", "surrogatepass").encode(codec, "surrogatepass")


def _codec(xmp: bytes) -> str | None:
    starts = {b"\xff\xfe": "utf-16-le", b"<\0": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\0<": "utf-16-be"}
    return starts.get(xmp[:2]) if len(xmp) % 2 == 0 else None
