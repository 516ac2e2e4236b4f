"""Numbers in place of values that were never observed: declared by the file, or by custom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# By custom of geographic information systems (up to 99999), oceanography and netCDF.
SENTINELS = (-9999.0, -99999.0, -999999.0, -999.0, -32768.0, -32767.0, 9999.0, 99999.0, 1e20, -1e20)
_HUGE = 1e30  # no measured value: the largest floats, fill values of netCDF
_GAP, _GAP_NEGATIVE, _GAP_KNOWN = 3.0, 0.5, 0.05  # distances to others, in spans of these, that mark a sentinel
_INNER = (1.0, 99.0)  # percentiles between which a span is measured
_MAX_SENTINELS = 4


@dataclass(frozen=True, eq=False)
class NoData:
    """Values of a file that stand for no data; they are written back as they are.

    Attributes
    ----------
    values : tuple of float
        The numbers that stand for no data, of which NaN may be one; none if a mask in the file marks the values.
    where : array of bool, (N, H, W, C)
        True where there is no data.
    held : array, (K,)
        What the file holds there, in the order of `where`.
    """

    values: tuple[float, ...]
    where: npt.NDArray[np.bool_]
    held: npt.NDArray[Any]

    def restore(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Put the numbers back into pixels, (N, H, W, C); others that equal one by chance become the next number."""
        out, kind = pixels.copy(), pixels.dtype
        for number in self.values:
            value = kind.type(number)
            neighbour = np.nextafter(value, kind.type(value == 0)) if kind.kind == "f" else abs(int(value) - 1)
            out[out == value] = kind.type(neighbour)
        out[self.where] = self.held
        return out


def find_nodata(
    pixels: npt.NDArray[Any], declared: float | None, missing: npt.NDArray[np.bool_] | None = None
) -> NoData | None:
    """Find the values that stand for no data.

    Parameters
    ----------
    pixels : array, (N, H, W, C)
        The numbers of a file, without alpha. Of a colour (C = 3), all channels must hold such a number.
    declared : float or None
        The number that the file declares; None: by `find_sentinels`.
    missing : array of bool, (N, H, W, C), optional
        True where values are missing for another reason.

    Returns
    -------
    NoData or None
        None if there are none, or if the number is none of this dtype.
    """
    kind = pixels.dtype
    if declared is None:
        numbers = find_sentinels(pixels, missing)
    elif kind.kind in "ui" and not (declared.is_integer() and 0 <= declared <= np.iinfo(kind).max):
        return None
    else:  # a file may hold others than the one that it declares
        further = () if math.isnan(declared) else find_sentinels(pixels, missing)
        numbers = (declared, *(number for number in further if number != declared))
    where = np.zeros(pixels.shape, bool)
    with np.errstate(over="ignore"):
        for value in numbers:
            where |= np.isnan(pixels) if math.isnan(value) else pixels == kind.type(value)
    if pixels.shape[3] == 3:  # of a colour, one channel may be that number by chance
        where = np.broadcast_to(where.all(axis=3, keepdims=True), pixels.shape)
    return NoData(numbers, where, pixels[where]) if where.any() else None


def find_sentinels(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None) -> tuple[float, ...]:
    """Return the numbers at the ends of floats, any shape, that stand for no data.

    These are numbers beyond 1e30 and those of `SENTINELS` at a distance from the other values, repeated numbers that
    lie far from these, and a single negative number. Floats on [0, 1] hold none.
    """
    if values.dtype.kind != "f" or not values.size or (values.min() >= 0 and values.max() <= 1):
        return ()
    known = values[np.isfinite(values) if missing is None else np.isfinite(values) & ~missing]
    found = list[float]()
    with np.errstate(over="ignore"):  # half floats have no such large numbers
        while known.size and len(found) < _MAX_SENTINELS and (number := _sentinel(known)) is not None:
            found.append(number)
            known = known[known != number]
    return tuple(found)


def _sentinel(known: npt.NDArray[Any]) -> float | None:
    """Return one number at either end of some finite values that lies far from all others, or None."""
    for number in (float(known.min()), float(known.max())):
        rest = known[known != known.dtype.type(number)].astype(np.float64)
        if not rest.size:
            continue
        first, last = (float(v) for v in np.percentile(rest, _INNER))
        span, gap, repeated = last - first, float(np.abs(rest - number).min()), known.size - rest.size > 1
        if number in SENTINELS or abs(number) > _HUGE:
            required = _GAP_KNOWN * span
        else:  # the only negative number, such as -1 among reflectances, is nearer
            required = (_GAP_NEGATIVE if number < 0 <= rest.min() else _GAP) * span if repeated and span else math.inf
        if gap > required:
            return number
    return None
