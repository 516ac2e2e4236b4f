"""What the samples of a TIFF page mean, and how they become gray or RGB with black as 0."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from tifffile import TiffPage

from restorekit.errors import ImageError
from restorekit.images.picture import Array

MIN_IS_WHITE, PALETTE = 0, 3  # PhotometricInterpretation
ALPHA = (1, 2)  # ExtraSamples: premultiplied, straight
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 3, 6: 3}  # photometric -> colours; 3 and 6 become RGB


class Meaning(NamedTuple):
    """Colours, whether the last sample is alpha, and what each sample beyond the colours is."""

    colours: int
    alpha: bool
    extra: tuple[int, ...]


def samples_of(page: TiffPage, stored: Array) -> Array:
    """Turn what tifffile read, (planes, 1, H, W, interleaved), into (H, W, S)."""
    if stored.shape[1] != 1:
        raise ImageError("a TIFF page with depth (a volume in one page) is not supported; save one page per slice")
    samples = np.moveaxis(stored[:, 0], 0, -1)[..., 0, :] if stored.shape[0] > 1 else stored[0, 0]
    if page.photometric == PALETTE:
        return _coloured(page, samples[..., 0])
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8) * np.uint8(255)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    return invert(samples, len(meaning_of(page).extra)) if page.photometric == MIN_IS_WHITE else samples


def invert(samples: Array, extra: int) -> Array:
    """Turn white-is-0 samples, (..., S), into black-is-0 ones or back, leaving `extra` last ones."""
    if samples.dtype.kind == "f":
        return samples  # no white to count from
    out = samples.copy()
    colours = slice(0, samples.shape[-1] - extra)
    out[..., colours] = np.iinfo(samples.dtype).max - samples[..., colours]
    return out


def _coloured(page: TiffPage, index: Array) -> Array:
    if page.colormap is None:
        raise ImageError("the palette TIFF has no palette; get a whole copy of the file")
    table = np.asarray(page.colormap).T
    table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
    return table[index]


def meaning_of(page: TiffPage) -> Meaning:
    """Tell the samples of a page apart."""
    colours = _COLOURS.get(int(page.photometric))
    if colours is None:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageError(f"a TIFF with colours as {name} is not supported; convert it to gray or RGB first")
    if page.photometric == PALETTE:
        return Meaning(3, False, ())
    extra = tuple(int(e) if e in ALPHA else 0 for e in page.extrasamples) or (0,) * (page.samplesperpixel - colours)
    return Meaning(colours, bool(extra) and extra[-1] in ALPHA, extra)


def dtype_of(page: TiffPage) -> np.dtype[Any]:
    """Return the dtype that `samples_of` gives, up to its byte order."""
    if page.dtype is None:
        raise ImageError(
            f"samples of {page.bitspersample} bits are not supported; convert the TIFF to 8, 16 or 32 bits"
        )
    return np.dtype(np.uint8) if page.photometric == PALETTE or page.dtype.kind == "b" else page.dtype
