"""Values without meaning: numbers for no data, and colours under full transparency."""

from __future__ import annotations

import math
import re
import struct

import numpy as np
import numpy.typing as npt

from restorekit.images.picture import Array, Picture

Mask = npt.NDArray[np.bool_]

_DESCRIPTION = 270  # TIFF tag: ImageDescription
_WHITES = {281: "H", 50717: "HI"}  # MaxSampleValue; WhiteLevel of DNG
_SIZES = {"H": 3, "I": 4}  # type of a TIFF tag by the letter of `struct`
_SIGNIFICANT = re.compile(rb"""SignificantBits\s*=\s*["'](\d{1,2})["']""")
_SENTINELS = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0, 9999.0, 99999.0, 1e20)  # used without a tag
_HUGE = 1e30  # no measured value: the largest floats, fill values of netCDF
_GAP, _GAP_NEGATIVE, _GAP_KNOWN = (
    3.0,
    0.5,
    0.05,
)  # distances to the other values, in spans of these, that mark a sentinel
_INNER = (1.0, 99.0)  # percentiles between which a span is measured
_MAX_SENTINELS = 4


def no_data(picture: Picture) -> Mask | None:
    """Find the values of a picture that stand for no data.

    These are what decoding found (`restorekit.images.nodata`), and in floats further repeated numbers at one end that
    lie far from all others: -9999, -32768, the largest negative float, a single negative number.

    Parameters
    ----------
    picture : Picture
        As decoded.

    Returns
    -------
    array of bool, (N, H, W, C), or None
        None if there are none.
    """
    declared = None if picture.nodata is None else np.asarray(picture.nodata.where)
    searched = picture.pixels.dtype.kind == "f" and picture.spec is None
    found = sentinels(picture.pixels, picture.missing) if searched else None
    return declared if found is None else found if declared is None else declared | found


def sentinels(values: Array, missing: Mask | None = None) -> Mask | None:
    """Find numbers in floats, any shape, that stand for no data by their distance to the others; None if none do."""
    if not values.size or (values.min() >= 0 and values.max() <= 1):
        return None
    lost = np.zeros(values.shape, bool) if missing is None else np.broadcast_to(missing, values.shape).copy()
    lost |= ~np.isfinite(values)
    found = np.zeros(values.shape, bool)
    for _ in range(_MAX_SENTINELS):
        known = values[~(lost | found)]
        number = _sentinel(known) if known.size else None
        if number is None:
            break
        found |= values == number
    return found if found.any() else None


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


def _sentinel(known: Array) -> float | None:
    """Return one number at either end of some finite values that lies far from all others, or None."""
    for number in (float(known.min()), float(known.max())):
        rest = known[known != known.dtype.type(number)].astype(np.float64)
        if not rest.size:
            continue
        first, last = (float(v) for v in np.percentile(rest, _INNER))
        span, gap, repeated = last - first, float(np.abs(rest - number).min()), known.size - rest.size > 1
        if number in _SENTINELS or abs(number) > _HUGE:
            required = _GAP_KNOWN * span
        else:  # the only negative number, such as -1 among reflectances, is nearer
            required = (_GAP_NEGATIVE if number < 0 <= rest.min() else _GAP) * span if repeated and span else math.inf
        if gap > required:
            return number
    return None
