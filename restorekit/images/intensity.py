"""Map a file's own numbers to intensities on [0, 1] and back; integers are never clipped or guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from restorekit.core.errors import UsageError
from restorekit.images.picture import Array, Picture

RangeOption = Literal["auto"] | tuple[float, float] | None
PERCENTILES = (0.1, 99.9)
DARK = 4  # integers of 16 bits and more that stay below 1 / DARK of their range are reported: sensors of 14 bits


@dataclass(frozen=True)
class IntensityRange:
    """The file's numbers that stand at 0 and at 1."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


def parse_range(text: str | None) -> RangeOption:
    """Parse ``auto`` or ``LOW..HIGH``.

    Parameters
    ----------
    text : str or None
        The option as typed.

    Returns
    -------
    "auto", (low, high) or None
        None if there is no text.

    Raises
    ------
    UsageError
        The text is neither, or LOW is not below HIGH.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        low, high = (float(end) for end in text.split(".."))
    except ValueError as error:
        raise UsageError(f"a range is 'auto' or LOW..HIGH such as 0..4095, got {text!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"a range LOW..HIGH needs two finite numbers with LOW below HIGH, got {text!r}")
    return low, high


def resolve_range(picture: Picture, option: RangeOption = None) -> tuple[IntensityRange, str | None]:
    """Find the range of a picture.

    Integers span 0 to the largest value of their dtype, so that a dark file stays dark. Floats
    within [0, 1], and floats that `restorekit corrupt` wrote (noise leaves [0, 1]), stand as they are.
    Other floats span their percentiles 0.1 and 99.9. An explicit (low, high) wins over all of this.

    Parameters
    ----------
    picture : Picture
        What was read from the file.
    option : "auto", (low, high) or None
        The value of --range.

    Returns
    -------
    IntensityRange, and a warning sentence or None
        The warning states that a range was guessed though none was requested, or that a file is very dark.
    """
    if isinstance(option, tuple):
        low, high = (end * picture.scale for end in option)  # stated in the numbers of the file
        return IntensityRange(low, high), None
    if picture.spec is not None and picture.pixels.dtype.kind == "f":
        return IntensityRange(0.0, 1.0), None
    return range_of(picture.pixels, picture.missing, option)


def range_of(
    values: Array, missing: npt.NDArray[np.bool_] | None, option: RangeOption
) -> tuple[IntensityRange, str | None]:
    """Find the range of an array, as `resolve_range` does for a picture."""
    if isinstance(option, tuple):
        return IntensityRange(*map(float, option)), None
    if values.dtype.kind in "ui":
        return IntensityRange(0.0, float(np.iinfo(values.dtype).max)), _dark(values)
    if values.dtype.kind == "b" or not values.size or (values.min() >= 0 and values.max() <= 1):
        return IntensityRange(0.0, 1.0), None
    known = values if missing is None else values[~missing]
    known = known if known.dtype.itemsize > 2 else known.astype(np.float32)  # percentiles lose digits in float16
    low, high = (float(v) for v in np.percentile(known, PERCENTILES))
    found = IntensityRange(low, high if high > low else low + 1.0)
    warning = f"floating-point values outside [0, 1] have no --range; took {found}, their 0.1 and 99.9 percentiles"
    return found, None if option == "auto" else warning


def _dark(values: Array) -> str | None:
    """Return a warning if integers use so small a part of their range that a model treats them as black."""
    top = np.iinfo(values.dtype).max
    most = int(values.max()) if values.size else top
    if values.dtype.itemsize < 2 or most * DARK >= top or most == 0:
        return None
    full = 2 ** most.bit_length() - 1
    return (
        f"its numbers reach {most} of {top}, which is dark to a model and restores worse;"
        f" where {full} is white, as of {most.bit_length()} bits, give --range 0..{full}"
    )


def to_unit(array: Array, range: IntensityRange) -> npt.NDArray[np.float32]:
    """Map a file's numbers, any shape, to float32 intensities; nothing is clipped."""
    if (range.low, range.high) == (0.0, 1.0):
        return array.astype(np.float32)
    unit: Array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    np.subtract(unit, range.low, out=unit)
    np.divide(unit, range.high - range.low, out=unit)
    return unit.astype(np.float32, copy=False)


def from_unit(array: Array, range: IntensityRange, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Map intensities, any shape, back to a file's numbers.

    Integers are rounded half to even and clipped to their dtype; floats are left unclipped.
    """
    dtype = np.dtype(dtype)
    values: Array = array.astype(np.float64 if dtype.itemsize > 2 else np.float32)
    np.multiply(values, range.high - range.low, out=values)
    np.add(values, range.low, out=values)
    if dtype.kind not in "ui":
        return values.astype(dtype, copy=False)
    np.rint(values, out=values)
    np.clip(values, 0, np.iinfo(dtype).max, out=values)
    return values.astype(dtype)
