"""A picture that gets pixels of another size or of other channels: what its file said of either goes along."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from restorekit.images.exif import resized, resized_xmp
from restorekit.images.picture import Array, Metadata, Picture

_XMP, _ICC = 700, 34675
_PER_CHANNEL = {280, 281, 301, 340, 341, _ICC}  # TIFF tags with a value for each channel, or of one kind of colour
_APP1, _APP2, _PROFILE = 0xE1, 0xE2, b"ICC_PROFILE\0"

Change = Callable[[bytes], bytes]


def repainted(picture: Picture, pixels: Array) -> Picture:
    """Return a picture with other pixels.

    Parameters
    ----------
    picture : Picture
        What a file held.
    pixels : array, (N, H, W, C)
        What is to be written in its place.

    Returns
    -------
    Picture
        EXIF and XMP state the new size; a colour profile is left out where it was one of other channels.
    """
    metadata, notes = picture.metadata, picture.notes
    if pixels.shape[1:3] != picture.pixels.shape[1:3]:
        height, width = pixels.shape[1:3]
        metadata = _resized(
            metadata, partial(resized, width=width, height=height), partial(resized_xmp, width=width, height=height)
        )
        told = "its dots per inch are carried over, so that it is larger in print"
        notes = (*notes, told) if metadata.dpi else notes
    if pixels.shape[3] != picture.pixels.shape[3]:
        notes = (*notes, "its colour profile is dropped, as it is of other channels") if metadata.icc else notes
        metadata = _recoloured(metadata)
    return replace(picture, pixels=pixels, missing=None, metadata=metadata, notes=notes)


def _resized(m: Metadata, exif: Change, xmp: Change) -> Metadata:
    """Change EXIF and XMP wherever a format keeps them."""
    within = {b"eXIf": exif, b"iTXt": xmp}
    chunks = tuple((kind, within[kind](data) if kind in within else data) for kind, data in m.chunks)
    coding, layout = m.jpeg, m.tiff
    if coding is not None:
        parts = ((mark, xmp(data) if mark == _APP1 else data) for mark, data in _segments(coding.segments))
        coding = replace(coding, segments=_joined(parts))
    if layout is not None:
        pages = tuple(tuple(_tag(tag, xmp) for tag in page) for page in layout.pages)
        layout = replace(layout, pages=pages)
    return replace(m, exif=m.exif and exif(m.exif), xmp=m.xmp and xmp(m.xmp), chunks=chunks, jpeg=coding, tiff=layout)


def _tag(tag: tuple[int, int, int, bytes], xmp: Change) -> tuple[int, int, int, bytes]:
    code, kind, _, data = tag
    return (code, kind, len(changed := xmp(data)), changed) if code == _XMP else tag


def _recoloured(m: Metadata) -> Metadata:
    """Leave out what holds for the channels that were."""
    coding, layout = m.jpeg, m.tiff
    if coding is not None:
        parts = (p for p in _segments(coding.segments) if not (p[0] == _APP2 and p[1].startswith(_PROFILE)))
        coding = replace(coding, segments=_joined(parts))
    if layout is not None:
        pages = tuple(tuple(tag for tag in page if tag[0] not in _PER_CHANNEL) for page in layout.pages)
        layout = replace(layout, pages=pages)
    chunks = tuple(chunk for chunk in m.chunks if chunk[0] != b"iCCP")
    return replace(m, icc=None, chunks=chunks, jpeg=coding, tiff=layout)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield mark and content of a JPEG's segments."""
    at = 0
    while at < len(data):
        mark, size = struct.unpack_from(">BH", data, at + 1)
        yield mark, data[at + 4 : at + 2 + size]
        at += 2 + size


def _joined(segments: Iterator[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in segments)
