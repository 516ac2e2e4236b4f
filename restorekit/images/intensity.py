"""Map a file's own numbers to intensities on [0, 1] and back, within bounds.

The rule: integers of 8 bits span 0..255, those of 16 bits 0..65535, or 8 to 14 bits if the tags say so or if all values
but single strays fit; floats within [0, 1] stand as they are, others span their percentiles; --range overrules. Values
farther outside of the range than its margin are saturated there, and `far_outside` marks them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from restorekit.core.errors import UsageError
from restorekit.images.picture import Array, Picture
from restorekit.images.validity import no_data, stated_white

RangeOption = Literal["auto"] | tuple[float, float] | None
PERCENTILES = (0.1, 99.9)
MIN_BITS, MAX_BITS = 8, 14  # depths that are found in files of 16 bits
MARGIN = 0.5  # share of the range by which values may lie outside of it: noise, and percentiles
NOISY_MARGIN = 10.0  # the same behind a corruption whose noise has no known level
MARGIN_SIGMAS = 5  # noise levels that a margin has room for at least
MIN_STRAYS, STRAY_SHARE, MIN_VALUES = 16, 1000, 1000  # strays: 16 or 1 in 1000 values, of at least 1000
MAX_STRAYS, MAX_SATURATED = 0.02, 0.5  # shares of the values that strays may be behind a gap; of the largest number
_INNER, _WIDER, _MAX_SPANS = (1.0, 2.0), (98.0, 99.0), 4.0  # percentiles, and by how many spans a float may exceed them
MIN_PART, _BULK = 1 / 64, (5.0, 95.0)  # of a range, below which noise and detail are finer than models resolve
_SAMPLE = 2**20  # values of which percentiles are taken where they only lead to a warning
_CHUNK = 2**24  # values whose histogram is made at once


@dataclass(frozen=True)
class IntensityRange:
    """The file's numbers that stand at 0 and at 1.

    Attributes
    ----------
    low, high : float
        The two numbers.
    margin : float
        Share of the range by which values may lie outside of it; `to_unit` saturates values beyond. Two ranges are
        equal if their numbers are.
    """

    low: float
    high: float
    margin: float = field(default=math.inf, compare=False)

    @property
    def depth(self) -> int | None:
        """Bits of integers that span the range, or None if it does not start at 0 or end at a power of two."""
        bits = int(self.high + 1).bit_length() - 1
        return bits if self.low == 0 and self.high == 2**bits - 1 and bits >= MIN_BITS else None

    def with_margin(self, margin: float) -> IntensityRange:
        """Return the same range with another margin."""
        return replace(self, margin=margin)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


def parse_range(option: object) -> RangeOption:
    """Parse ``auto``, ``LOW..HIGH`` or a pair of numbers.

    Parameters
    ----------
    option : str, (low, high) or None
        The option as typed or passed.

    Returns
    -------
    "auto", (low, high) or None
        None if there is no option.

    Raises
    ------
    UsageError
        It is none of these, or LOW is not below HIGH.
    """
    if option is None:
        return None
    if isinstance(option, str) and option == "auto":
        return "auto"
    try:
        low, high = (float(end) for end in (option.split("..") if isinstance(option, str) else option))  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"a range is 'auto' or LOW..HIGH such as 0..4095, in Python (0, 4095), got {option!r}"
        ) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"a range LOW..HIGH needs two finite numbers with LOW below HIGH, got {option!r}")
    return low, high


def resolve_range(picture: Picture, option: RangeOption = None) -> tuple[IntensityRange, str | None]:
    """Find the range of a picture.

    Integers span 0 to the largest value of their dtype. Those of 16 bits span fewer bits, 8 to 14, if the tags of the
    file say so, or if all values but single strays fit. Floats within [0, 1], and files that `restorekit corrupt`
    wrote (noise leaves [0, 1]), stand as they are. Other floats span their percentiles 0.1 and 99.9. Neither missing
    values nor those without data count. An explicit (low, high) wins over all of this.

    Parameters
    ----------
    picture : Picture
        What was read from the file.
    option : "auto", (low, high) or None
        The value of --range.

    Returns
    -------
    IntensityRange, and a warning sentence or None
        The warning states that a range was guessed though none was requested.
    """
    values = picture.pixels
    if isinstance(option, tuple):
        option = option[0] * picture.scale, option[1] * picture.scale  # stated in the numbers of the file
    elif picture.spec is not None:
        full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        return IntensityRange(0.0, full, NOISY_MARGIN), None
    unknown, empty = picture.missing, no_data(picture)
    if empty is not None:
        unknown = empty if unknown is None else unknown | empty
    return range_of(values, unknown, option, stated_white(picture))


def range_of(
    values: Array, missing: npt.NDArray[np.bool_] | None, option: RangeOption, white: float | None = None
) -> tuple[IntensityRange, str | None]:
    """Find the range of an array, as `resolve_range` does for a picture; `white` is what its tags state."""
    if isinstance(option, tuple):
        found = IntensityRange(float(option[0]), float(option[1]), MARGIN)
        return found, narrow(values, missing, found)
    if values.dtype.kind in "ui":
        found, source = _integer_range(values, missing, white)
    else:
        found, source = _float_range(values, missing), "their 0.1 and 99.9 percentiles"
        if (found.low, found.high) == (0.0, 1.0):
            source = ""
    if not source or option == "auto":
        return found, narrow(values, missing, found) if option is None and values.dtype.itemsize > 1 else None
    if values.dtype.kind == "f":
        return found, f"floating-point values outside [0, 1] have no --range; took {found}, {source}"
    return found, (
        f"its numbers fit {found.depth} of {values.dtype.itemsize * 8} bits by {source}; took the range {found},"
        f" set another one with --range"
    )


def narrow(values: Array, missing: npt.NDArray[np.bool_] | None, range: IntensityRange) -> str | None:
    """Return a warning if nine tenths of the values fill too small a part of a range for a model; None if not."""
    known = values if missing is None else values[~np.broadcast_to(missing, values.shape)]
    some = known.reshape(-1)[:: max(1, known.size // _SAMPLE)]
    if known.size < MIN_VALUES:
        return None
    low, high = (float(v) for v in np.percentile(some.astype(np.float64), _BULK))
    if not 0 < high - low < MIN_PART * (range.high - range.low):
        return None
    return (
        f"90% of its values lie within {low:.6g}..{high:.6g}, too small a part of the range {range} to be restored"
        " well; set a smaller one with --range"
    )


def far_outside(values: Array, range: IntensityRange) -> npt.NDArray[np.bool_] | None:
    """Return where values lie outside of a range by more than its margin; None if they lie nowhere there."""
    reach = range.margin * (range.high - range.low)
    low, high = range.low - reach, range.high + reach
    if values.dtype.kind in "ui" and low <= 0 and high >= np.iinfo(values.dtype).max:
        return None
    found = (values < low) | (values > high)
    return found if found.any() else None


def _integer_range(
    values: Array, missing: npt.NDArray[np.bool_] | None, white: float | None
) -> tuple[IntensityRange, str]:
    """Return the range of integers, and by what a smaller one than that of the dtype was found."""
    full = IntensityRange(0.0, float(np.iinfo(values.dtype).max), MARGIN)
    if values.dtype.itemsize != 2 or not values.size:
        return full, ""
    counts = np.zeros(2**16, np.int64)
    flat, known = values.reshape(-1), None
    if missing is not None:
        known = ~np.broadcast_to(missing, values.shape).reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        part = part if known is None else part[known[start : start + _CHUNK]]
        counts += np.bincount(part.astype(np.uint16), minlength=2**16)
    bits = fitting_bits(counts)
    most = int(np.flatnonzero(counts).max(initial=0))
    top = int(np.flatnonzero(counts[: 2**bits]).max(initial=0)) if bits else most
    if white is not None and top <= white < full.high:
        return IntensityRange(0.0, float(2 ** max(MIN_BITS, int(white).bit_length()) - 1), MARGIN), "its tags"
    if bits is None or bits > MAX_BITS:
        return full, ""
    return IntensityRange(0.0, float(2**bits - 1), MARGIN), "its values"


def fitting_bits(counts: npt.NDArray[np.int64]) -> int | None:
    """Return how many bits a histogram of 16-bit numbers fits but for strays; None if it fits no fewer than 16.

    Above the numbers that fit there is an octave without others. Strays are few, or all of them the largest number:
    hot columns, saturation, no data.
    """
    total, from_top = int(counts.sum()), np.cumsum(counts[::-1])[::-1]
    large = total >= MIN_VALUES
    single = max(MIN_STRAYS, total // STRAY_SHARE) if large else 0
    for bits in range(MIN_BITS, MAX_BITS + 1):
        above, beyond = int(from_top[2**bits]), int(from_top[2 ** (bits + 1)])
        saturated = above - int(counts[-1]) <= single and above <= MAX_SATURATED * total
        gap = above - beyond <= single and large and (saturated or above <= MAX_STRAYS * total)
        if (above <= single or gap) and counts[1 : 2**bits].any():
            return bits + (above > 0 and not beyond)  # rare, but not far outside
    return None


def _float_range(values: Array, missing: npt.NDArray[np.bool_] | None) -> IntensityRange:
    """Return the range of floats or Booleans."""
    unit = IntensityRange(0.0, 1.0, MARGIN)
    known = values if missing is None else values[~np.broadcast_to(missing, values.shape)]
    if values.dtype.kind == "b" or not known.size or (known.min() >= 0 and known.max() <= 1):
        return unit
    known = known if known.dtype.itemsize > 2 else known.astype(np.float32)  # percentiles lose digits in float16
    if known.size >= MIN_VALUES:
        single = max(MIN_STRAYS, known.size // STRAY_SHARE)
        if int(np.count_nonzero((known < 0) | (known > 1))) <= single:
            return unit
        low, first, last, high = (float(v) for v in np.percentile(known, (*_INNER, *_WIDER)))
        near, far = (_inside(known, first, last, spans) for spans in (1.0, _MAX_SPANS))
        if int(np.count_nonzero(far & ~near)) > single:  # no gap: the tail of a distribution
            far = _inside(known, low, high, _MAX_SPANS)
        known = known[far]
    low, high = (float(v) for v in np.percentile(known, PERCENTILES))
    return IntensityRange(low, high if high > low else low + 1.0, MARGIN)


def _inside(values: Array, low: float, high: float, spans: float) -> npt.NDArray[np.bool_]:
    """Return where values lie within an interval widened by so many of its spans at both ends."""
    reach = spans * (high - low)
    return np.asarray((values >= low - reach) & (values <= high + reach))


def to_unit(array: Array, range: IntensityRange) -> npt.NDArray[np.float32]:
    """Map a file's numbers, any shape, to float32 intensities; values beyond the margin are saturated there."""
    if (range.low, range.high) == (0.0, 1.0):
        plain: npt.NDArray[np.float32] = array.astype(np.float32)
        return plain if math.isinf(range.margin) else np.clip(plain, -range.margin, 1 + range.margin, out=plain)
    unit: Array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    np.subtract(unit, range.low, out=unit)
    np.divide(unit, range.high - range.low, out=unit)
    if not (math.isinf(range.margin) or array.dtype == np.uint8):
        np.clip(unit, -range.margin, 1 + range.margin, out=unit)
    return unit.astype(np.float32, copy=False)


def from_unit(array: Array, range: IntensityRange, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Map intensities, any shape, back to a file's numbers.

    Integers are rounded half to even and clipped to their dtype, or to the range if it is that of a smaller depth;
    floats are left unclipped.
    """
    dtype = np.dtype(dtype)
    values: Array = array.astype(np.float64 if dtype.itemsize > 2 else np.float32)
    np.multiply(values, range.high - range.low, out=values)
    np.add(values, range.low, out=values)
    if dtype.kind not in "ui":
        return values.astype(dtype, copy=False)
    np.rint(values, out=values)
    top = np.iinfo(dtype).max
    np.clip(values, 0, top if range.depth is None else min(top, range.high), out=values)
    return values.astype(dtype)
