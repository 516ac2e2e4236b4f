"""Limits of the formats, and of the number of pixels in a file that is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from restorekit.core.errors import ImageError
from restorekit.images.discovery import split_array
from restorekit.images.picture import Array, Header


class _Limits(NamedTuple):
    """Pixels that a format can hold."""

    kinds: tuple[str, ...] = ("uint8",)
    frames: bool = False
    channels: tuple[int, ...] | None = (1, 3)
    alpha: tuple[int, ...] = ()  # channel counts with which it can also hold alpha
    side: int = 2**31 - 1  # pixels


MAX_PIXELS = 10**9  # of a file, unless --max-pixels allows more
MAX_MEMORY = 4 * 2**30  # bytes, unless --max-memory says otherwise
_COPIES = 5  # of the decoded samples: the file, the picture, its restoration, and what decoders and encoders hold
EVERY = ("uint8", "uint16", "float16", "float32", "float64")
_LIMITS = {
    "png": _Limits(("uint8", "uint16"), alpha=(1, 3)),
    "jpeg": _Limits(side=65535),
    "tiff": _Limits(EVERY, True, None, alpha=tuple(range(1, 2**16))),
    "webp": _Limits(alpha=(1, 3), side=16383),
    "bmp": _Limits(alpha=(3,)),
    "npy": _Limits(EVERY, True, None, alpha=tuple(range(1, 2**16))),
    "npz": _Limits(EVERY, True, None, alpha=tuple(range(1, 2**16))),
    "idx": _Limits(("uint8", "float32", "float64"), True, None),
}


def check_size(path: Path, header: Header, most: int | None, memory: int | None = None) -> None:
    """Raise an ImageError if a file, by its header, holds no pixel or too many.

    Parameters
    ----------
    path : path
        The file.
    header : Header
        Its header.
    most : int or None
        Frames x height x width allowed; None: a thousand million.
    memory : int or None
        Bytes that reading, restoring and writing may take. None: 4 GB, except for files that are at least a quarter as
        large as their samples, and so no larger than they look.
    """
    pixels, allowed = header.frames * header.height * header.width, MAX_PIXELS if most is None else most
    if pixels > allowed:
        remedy = "cut it into smaller files" if most is None else "raise --max-pixels if you trust it"
        raise ImageError(f"{path} holds {pixels:,} pixels, more than the {allowed:,} allowed; {remedy}")
    if pixels * header.channels == 0:
        raise ImageError(f"{path} holds no pixel; expected at least 1 x 1")
    samples = pixels * header.channels * header.dtype.itemsize
    if samples * _COPIES <= (MAX_MEMORY if memory is None else memory):
        return
    if memory is None and 4 * Path(split_array(path)[0]).stat().st_size >= samples:
        return
    needed = math.ceil(samples * _COPIES / 2**30)
    remedy = "cut it into smaller files" if memory is None else f"give --max-memory {needed}GB if you trust it"
    raise ImageError(f"{path} holds {pixels:,} pixels and needs about {needed} GB of memory; {remedy}")


def check_limits(path: Path, kind: str, pixels: Array, alpha: Array | None) -> None:
    """Raise an ImageError that names a better format if `kind` cannot hold pixels, (N, H, W, C), and alpha."""
    fault = _fault(kind, pixels, alpha)
    if fault is not None:
        fits = " or ".join(other for other in ("png", "tiff") if _fault(other, pixels, alpha) is None)
        remedy = f"use --format {fits}" if fits else "convert the pixels first"
        raise ImageError(f"{kind} cannot hold {fault} for {path}; {remedy}")


def _fault(kind: str, pixels: Array, alpha: Array | None) -> str | None:
    """Return the property of the pixels that the format cannot hold, or None."""
    limits, (frames, height, width, channels) = _LIMITS[kind], pixels.shape
    faults = {
        f"{pixels.dtype.name} numbers": pixels.dtype.name not in limits.kinds,
        f"{frames} frames": frames > 1 and not limits.frames,
        f"{channels} channels": limits.channels is not None and channels not in limits.channels,
        f"alpha with {channels} channels": alpha is not None and channels not in limits.alpha,
        f"{height} x {width} pixels": max(height, width) > limits.side,
    }
    return next((what for what, holds in faults.items() if holds), None)
