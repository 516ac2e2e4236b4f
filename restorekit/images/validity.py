"""Values without meaning: numbers for no data, and colours under full transparency."""

from __future__ import annotations

import re
import struct

import numpy as np
import numpy.typing as npt

from restorekit.images.picture import Picture

Mask = npt.NDArray[np.bool_]

_DESCRIPTION = 270  # TIFF tag: ImageDescription
_WHITES = {281: "H", 50717: "HI"}  # MaxSampleValue; WhiteLevel of DNG
_SIZES = {"H": 3, "I": 4}  # type of a TIFF tag by the letter of `struct`
_SIGNIFICANT = re.compile(rb"""SignificantBits\s*=\s*["'](\d{1,2})["']""")


def no_data(picture: Picture) -> Mask | None:
    """Return where a picture has no data, (N, H, W, C), as `restorekit.images.nodata` found; None if nowhere."""
    return None if picture.nodata is None else np.asarray(picture.nodata.where)


def transparent(picture: Picture) -> Mask | None:
    """Return where a picture is fully transparent, (N, H, W, 1); None if it is so nowhere, or everywhere by neglect."""
    if picture.alpha is None:
        return None
    found = picture.alpha == 0
    return found if found.any() and not found.all() else None


def stated_white(picture: Picture) -> float | None:
    """Return the largest number of a sensor by the tags of its file: MaxSampleValue, WhiteLevel, OME's bits."""
    for code, letters in _WHITES.items():
        tag = _tag(picture, code)
        letter = next((c for c in letters if tag is not None and _SIZES[c] == tag[0]), None)
        if tag is not None and letter is not None and picture.metadata.tiff is not None:
            size = struct.calcsize(f"={letter}")
            numbers = struct.unpack(f"{picture.metadata.tiff.byteorder}{len(tag[2]) // size}{letter}", tag[2])
            return float(max(numbers, default=0)) or None
    described = _tag(picture, _DESCRIPTION)
    bits = None if described is None else _SIGNIFICANT.search(described[2])
    return float(2 ** int(bits[1]) - 1) if bits else None


def _tag(picture: Picture, code: int) -> tuple[int, int, bytes] | None:
    """Return type, count and bytes of a tag of the first page of a TIFF."""
    layout = picture.metadata.tiff
    if layout is None or not layout.pages:
        return None
    return next((tag[1:] for tag in layout.pages[0] if tag[0] == code), None)
