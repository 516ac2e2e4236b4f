"""Rules for the axes of an array: images, rows, columns and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from restorekit.core.errors import ImageError, UsageError
from restorekit.images.picture import Array

Shape = tuple[int, ...]

IMAGES = "NTZ"  # axes that count images: numbers, times, slices
MAX_CHANNELS = 4  # an axis at most this long, last or second of four, holds channels
SIDE = 28  # of MNIST, which is often kept as rows of 28 * 28 values
_MAX_ASPECT = 8  # ratio of sides above which an array is not one image
_MAX_FRAME_ASPECT = 4  # ratio of sides above which three axes are not images, rows and columns
_MAX_SPECTRAL = 16  # most channels of a multispectral image that are distinguished from columns
_MAX_AXES = 8  # of a shape that a message shows
_SYNONYMS = str.maketrans("YX", "HW")
_CHOICES = {2: ("HW", "NP"), 3: ("HWC", "NHW"), 4: ("NHWC", "NCHW", "TZHW")}


class UnclearAxesError(ImageError):
    """An array whose shape fits several orders of axes, or none."""


def parse_axes(text: str | None) -> str | None:
    """Validate the axes of arrays.

    Parameters
    ----------
    text : str or None
        A letter for each axis, such as ``"NCHW"`` or ``"YXC"``; commas separate the axes of arrays that have
        different numbers of axes. N, T and Z count images; H or Y are rows, W or X columns, C channels; P is all
        pixels of a square image, row by row.

    Returns
    -------
    str or None
        With H and W for Y and X; None if there is no text.

    Raises
    ------
    UsageError
        A letter is unknown or repeated, or there are not rows and columns, or P, or two have the same length.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise UsageError(f"expected axes as letters, such as 'NCHW', got {text!r}; give a letter for each axis")
    found = [part.strip().upper().translate(_SYNONYMS) for part in text.split(",")]
    for axes in found:
        known, pixels = set(axes) <= {*IMAGES, *"HWCP"}, sorted(set(axes) & {*"HWP"})
        if not known or len(set(axes)) < len(axes) or pixels not in (["H", "W"], ["P"]):
            raise UsageError(
                "expected axes such as NCHW, YXC or NP, with each of the letters N, T, Z (images), H or Y, W or X, C"
                f" (channels), P (a flattened square) at most once, got {text!r}; give a letter for each axis"
            )
    if len({len(axes) for axes in found}) < len(found):
        raise UsageError(f"--axes takes one order for each number of axes, got {text!r}; remove all but one")
    return ",".join(found)


def axes_of(shape: Shape, requested: str | None = None, labelled: bool = False) -> str:
    """Return the axes of an array.

    Parameters
    ----------
    shape : tuple of int
        The array's shape.
    requested : str, optional
        What `parse_axes` returned, which overrules the shape.
    labelled : bool
        Whether there are as many labels as the first axis is long, so that it counts images.

    Returns
    -------
    str
        One letter for each axis.

    Raises
    ------
    UnclearAxesError
        No rule decides for this shape.
    ImageError
        The array has another number of axes than requested, or P is not a square number of pixels.
    """
    if requested is None:
        return _axes_by_rule(shape, labelled)
    axes = next((axes for axes in requested.split(",") if len(axes) == len(shape)), None)
    if axes is None:
        raise ImageError(f"--axes {requested} does not fit the shape {shape}; expected one letter for each axis")
    pixels = shape[axes.index("P")] if "P" in axes else 0
    if math.isqrt(pixels) ** 2 != pixels:
        raise ImageError(f"axis P of --axes {requested} holds a square image, got {pixels} pixels in the shape {shape}")
    return axes


def _axes_by_rule(shape: Shape, labelled: bool) -> str:
    """Return the axes by the rules that docs/reference/file_formats.md lists."""
    match shape:
        case (_, pixels) if labelled and math.isqrt(pixels) ** 2 == pixels:
            return "NP"
        case (n, pixels) if pixels == SIDE**2:
            if not pixels / _MAX_ASPECT <= n <= pixels * _MAX_ASPECT:
                return "NP"
        case (_, _):
            return "HW"
        case (_, _, c) if c <= MAX_CHANNELS:
            return "HWC"
        case (n, h, c) if labelled or not (n in (3, 4) or _is_cube(n, h, c)):
            return "NHW"
        case (3 | 4, _, _):
            raise _unclear(shape, ("CHW", "NHW"))
        case (_, h, w) if max(h, w) > _MAX_FRAME_ASPECT * min(h, w) and h < w:
            raise _unclear(shape, ("HCW", "NHW"))
        case (_, _, _, c) if c <= MAX_CHANNELS:
            return "NHWC"
        case (_, c, _, _) if c <= MAX_CHANNELS:
            return "NCHW"
        case (_, h, w, c) if c <= _MAX_SPECTRAL and 4 * c <= min(h, w):  # too short for columns
            return "NHWC"
    raise _unclear(shape, _CHOICES.get(len(shape), ()))


def _is_cube(first: int, second: int, third: int) -> bool:
    """Return whether three axes may be rows, columns and channels, in any order, as well as images, rows, columns."""
    channels_last = 2 * third <= min(first, second) or first == second != third
    return channels_last or max(second, third) > _MAX_FRAME_ASPECT * min(second, third)


def _unclear(shape: Shape, choices: Sequence[str]) -> UnclearAxesError:
    may = f", which may be {' or '.join(choices)}" if choices else ""
    remedy = " or ".join(f"--axes {axes}" for axes in choices) or "--axes with a letter for each axis, such as TZCYX"
    text = str(shape) if len(shape) <= _MAX_AXES else f"one of {len(shape)} axes"
    return UnclearAxesError(f"expected a shape with unambiguous axes, got {text}{may}; give {remedy}")


def frames_shape(shape: Shape, axes: str) -> tuple[int, int, int, int]:
    """Return images, height, width and channels of an array."""
    sizes = dict(zip(axes, shape, strict=True))
    images = math.prod(sizes.get(letter, 1) for letter in IMAGES)
    side = math.isqrt(sizes.get("P", 1))
    return images, sizes.get("H", side), sizes.get("W", side), sizes.get("C", 1)


def frames_order(axes: str) -> tuple[int, ...]:
    """Return the permutation that puts images first, then rows, columns and channels."""
    return tuple(sorted(range(len(axes)), key=lambda i: "HWPC".find(axes[i])))


def to_frames(array: Array, axes: str) -> Array:
    """Return an array as (N, H, W, C)."""
    return array.transpose(frames_order(axes)).reshape(frames_shape(array.shape, axes))


def stored_layout(frames: Shape, shape: Shape, axes: str) -> tuple[Shape, tuple[int, ...]]:
    """Return the shape and the permutation that bring frames into the axes of an array.

    Parameters
    ----------
    frames : (int, int, int, int)
        Images, height, width and channels; all but the number of images may differ from those of the array.
    shape : tuple of int
        Shape of the array that the frames come from.
    axes : str
        Its axes. Several channels of an array without C become a last axis.

    Returns
    -------
    (tuple of int, tuple of int)
        Reshape the frames to the first, then transpose by the second.
    """
    _, height, width, channels = frames
    if "C" not in axes and channels > 1:
        axes, shape = axes + "C", (*shape, channels)
    sizes = {**dict(zip(axes, shape, strict=True)), "H": height, "W": width, "P": height * width, "C": channels}
    order = frames_order(axes)
    return tuple(sizes[axes[i]] for i in order), tuple(order.index(i) for i in range(len(axes)))


def from_frames(frames: Array, shape: Shape, axes: str) -> Array:
    """Return frames, (N, H, W, C), in the axes of the array that they come from."""
    sizes, order = stored_layout(frames.shape, shape, axes)
    return frames.reshape(sizes).transpose(order)


def shortest_shape(frames: tuple[int, int, int, int]) -> Shape:
    """Return the shape with the fewest axes that is read back as these frames, (N, H, W, C)."""
    images, height, width, channels = frames
    candidates: list[tuple[str, Shape]] = [("HWC", frames[1:]), ("NHW", frames[:3]), ("NHWC", frames)]
    if images == channels == 1:
        candidates.insert(0, ("HW", (height, width)))
    same = [(axes, shape) for axes, shape in candidates if math.prod(shape) == math.prod(frames)]
    for axes, shape in same:
        try:
            if axes_of(shape) == axes:
                return shape
        except UnclearAxesError:
            continue
    return same[0][1]
