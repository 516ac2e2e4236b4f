"""Samples of a TIFF page as gray or RGB with black as 0, in 8 or 16 bits or as floats.

Tag numbers are those of the TIFF 6.0 specification (Adobe, 1992).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from tifffile import TIFF, TiffPage

from restorekit.core.errors import ImageError
from restorekit.images.picture import Array

MIN_IS_WHITE, RGB, PALETTE, YCBCR = 0, 2, 3, 6  # PhotometricInterpretation
ALPHA = (1, 2)  # ExtraSamples: premultiplied, straight
_COLOURS = {0: 1, 1: 1, RGB: 3, PALETTE: 3, 6: 3}  # photometric -> colours; 3 and 6 become RGB
_JPEGS = (6, 7, 34892, 33007)  # compressions that decode YCbCr to RGB
_LUMA = (299, 1000, 587, 1000, 114, 1000)  # default of YCbCrCoefficients
_ENDS = (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1)  # default of ReferenceBlackWhite
_UNSUPPORTED = {
    4: "a transparency mask",
    5: "inks (CMYK)",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "the colour filter array of a camera (raw, DNG)",
    32844: "LogL",
    32845: "LogLuv",
    34892: "the linear raw of a camera (DNG)",
}


class SampleMeaning(NamedTuple):
    """Colours, whether the last sample is alpha, and what each sample beyond the colours is."""

    colours: int
    alpha: bool
    extra: tuple[int, ...]


def meaning_of(page: TiffPage) -> SampleMeaning:
    """Return the meaning of the samples of a page."""
    colours = _COLOURS.get(int(page.photometric))
    if colours is None:
        name = _UNSUPPORTED.get(int(page.photometric), f"number {int(page.photometric)}")
        raise ImageError(f"a TIFF with colours as {name} is not supported; convert it to gray or RGB first")
    if page.photometric == PALETTE:
        colours = 1
    extra = tuple(int(e) if e in ALPHA else 0 for e in page.extrasamples) or (0,) * (page.samplesperpixel - colours)
    return SampleMeaning(_COLOURS[int(page.photometric)], bool(extra) and extra[-1] in ALPHA, extra)


def dtype_of(page: TiffPage) -> np.dtype[Any]:
    """Return the dtype that `samples_of` gives, up to its byte order.

    Raises
    ------
    ImageError
        The samples have a number of bits, or a compression, that cannot be decoded.
    """
    if int(page.compression) != 1 and int(page.compression) not in TIFF.DECOMPRESSORS:
        name = getattr(page.compression, "name", f"number {int(page.compression)}")
        raise ImageError(f"a TIFF with the compression {name} is not supported; convert it to another one first")
    if page.is_subsampled and int(page.compression) not in _JPEGS:
        raise ImageError("a TIFF with subsampled colours outside of JPEG is not supported; convert it to RGB first")
    if page.photometric == YCBCR and page.dtype != np.uint8:
        raise ImageError("a TIFF with YCbCr of another depth than 8 bits is not supported; convert it to RGB first")
    if page.dtype is None:
        bits = page.bitspersample
        text = f"{bits}" if isinstance(bits, int) else " and ".join(str(b) for b in bits)
        raise ImageError(f"samples of {text} bits are not supported; convert the TIFF to 8, 16 or 32 bits")
    return np.dtype(np.uint8) if page.photometric == PALETTE or page.dtype.kind == "b" else page.dtype


def scaled_bits(page: TiffPage) -> int | None:
    """Return the bits of samples that are scaled to the range of their dtype; None if they fill it."""
    bits, dtype = page.bitspersample, page.dtype
    if dtype is None or dtype.kind != "u" or not isinstance(bits, int) or page.photometric == PALETTE:
        return None
    return bits if bits < 8 * dtype.itemsize else None


def samples_of(page: TiffPage, stored: Array) -> Array:
    """Turn samples in the layout of tifffile, (planes, D, H, W, interleaved), into (D, H, W, S)."""
    samples = np.moveaxis(stored, 0, -1)[..., 0, :] if stored.shape[0] > 1 else stored[0]
    if page.photometric == PALETTE:
        if page.colormap is None:
            raise ImageError("the palette TIFF has no palette; get a complete copy of the file")
        table = np.asarray(page.colormap).T
        table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
        index_bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
        opacity = np.rint(samples[..., 1:] * (255 / (2**index_bits - 1))).astype(np.uint8)
        return np.concatenate([table[samples[..., 0]], opacity], axis=-1)
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8) * np.uint8(255)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if (bits := scaled_bits(page)) is not None:
        top, full = 2**bits - 1, np.iinfo(samples.dtype).max
        table = np.rint(np.arange(top + 1) * (full / top)).astype(samples.dtype)
        samples = table[samples]
    if page.photometric == YCBCR and int(page.compression) not in _JPEGS:
        return _rgb_of_ycbcr(page, samples)
    return invert(samples, len(meaning_of(page).extra)) if page.photometric == MIN_IS_WHITE else samples


def _rgb_of_ycbcr(page: TiffPage, samples: Array) -> Array:
    """Return samples, (..., S), of which the first three are YCbCr of 8 bits, with RGB in their place."""
    luma, ends = (
        np.asarray(page.tags.valueof(code, default), float).reshape(-1, 2)
        for code, default in ((529, _LUMA), (532, _ENDS))
    )
    (red, green, blue), ends = luma[:, 0] / luma[:, 1], (ends[:, 0] / ends[:, 1]).reshape(3, 2)
    spans = np.array([255.0, 127.0, 127.0]) / (ends[:, 1] - ends[:, 0])
    y, cb, cr = np.moveaxis((samples[..., :3] - ends[:, 0]) * spans, -1, 0)
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    colours = np.stack([r, (y - red * r - blue * b) / green, b], axis=-1)
    if not np.isfinite(colours).all():
        raise ImageError("the TIFF is damaged: its colours are not defined; get a complete copy of the file")
    return np.concatenate([np.rint(colours).clip(0, 255).astype(np.uint8), samples[..., 3:]], axis=-1)


def invert(samples: Array, extra: int) -> Array:
    """Turn white-is-0 samples, (..., S), into black-is-0 ones or back, leaving `extra` last ones."""
    if samples.dtype.kind == "f":
        return samples  # no white to count from
    out = samples.copy()
    colours = slice(0, samples.shape[-1] - extra)
    out[..., colours] = np.iinfo(samples.dtype).max - samples[..., colours]
    return out
