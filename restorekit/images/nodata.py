"""Numbers in place of values that were never observed: declared by the file, or by custom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGEST = tuple(float(np.finfo(kind).max) for kind in (np.float32, np.float64))
# By custom of geographic information systems (the first five, and the ends of the floats), oceanography and netCDF.
SENTINELS = (-9999.0, -99999.0, -999999.0, -32768.0, -32767.0, 1e20, -1e20, 9.969209968386869e36, *_LARGEST)
_GAP = 0.25  # least distance of a sentinel from all other values, in spans of those


@dataclass(frozen=True, eq=False)
class NoData:
    """Values of a file that stand for no data; they are written back as they are.

    Attributes
    ----------
    value : float
        The number that stands for no data; NaN is one.
    where : array of bool, (N, H, W, C)
        True where the file holds it.
    """

    value: float
    where: npt.NDArray[np.bool_]

    def restore(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Put the number back into pixels, (N, H, W, C); others that equal it by chance become the next number."""
        kind = pixels.dtype
        value = kind.type(self.value)
        neighbour = np.nextafter(value, kind.type(value == 0)) if kind.kind == "f" else abs(int(value) - 1)
        return np.where(self.where, value, np.where(pixels == value, kind.type(neighbour), pixels))


def find_nodata(pixels: npt.NDArray[Any], declared: float | None) -> NoData | None:
    """Find the values that stand for no data.

    Parameters
    ----------
    pixels : array, (N, H, W, C)
        The numbers of a file, without alpha. Of a colour (C = 3), all channels must hold the number.
    declared : float or None
        The number that the file declares; None: by `find_sentinel`.

    Returns
    -------
    NoData or None
        None if there are none, or if the number is none of this dtype.
    """
    kind = pixels.dtype
    value = find_sentinel(pixels) if declared is None else declared
    if value is None or (kind.kind in "ui" and not (value.is_integer() and 0 <= value <= np.iinfo(kind).max)):
        return None
    with np.errstate(over="ignore"):
        where = np.isnan(pixels) if math.isnan(value) else pixels == kind.type(value)
    if pixels.shape[3] == 3:  # of a colour, one channel may be that number by chance
        where = np.broadcast_to(where.all(axis=3, keepdims=True), pixels.shape)
    return NoData(value, where) if where.any() else None


def find_sentinel(values: npt.NDArray[Any]) -> float | None:
    """Return which of `SENTINELS`, or of their negatives, floats of any shape hold as no data.

    It is the least or the largest of them, and further from the others than a quarter of their span.
    """
    if values.dtype.kind != "f":
        return None
    finite = np.isfinite(values)
    with np.errstate(over="ignore"):
        known = np.array((*SENTINELS, *(-value for value in _LARGEST))).astype(values.dtype)
    for end in (np.min(values, where=finite, initial=np.inf), np.max(values, where=finite, initial=-np.inf)):
        others = finite & (values != end)
        if not (np.isfinite(end) and end in known and others.any()):
            continue
        low = float(np.min(values, where=others, initial=np.inf))
        high = float(np.max(values, where=others, initial=-np.inf))
        if max(low - float(end), float(end) - high) > _GAP * (high - low):
            return float(end)
    return None
