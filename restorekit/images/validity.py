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
    layout = picture.metadata.tiff
    if layout is None or not layout.pages:
        return None
    tags = {code: (kind, data) for code, kind, _, data in reversed(layout.pages[0])}  # of a code, the first counts
    for code, letters in _WHITES.items():
        kind, data = tags.get(code, (0, b""))
        letter = next((c for c in letters if _SIZES[c] == kind), None)
        if letter is not None:
            numbers = struct.unpack(f"{layout.byteorder}{len(data) // struct.calcsize(f'={letter}')}{letter}", data)
            return float(max(numbers, default=0)) or None
    bits = _SIGNIFICANT.search(tags[_DESCRIPTION][1]) if _DESCRIPTION in tags else None
    return float(2 ** int(bits[1]) - 1) if bits else None
