"""Marked pixels of one decoded picture: non-zero ones of a mask, or those of a colour."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from restorekit.images.picture import Array, Picture

Marks = npt.NDArray[np.bool_]

SOFTWARE = ("Software", "restorekit detect")  # keyword and text in the masks that `restorekit detect` writes
LOSSY_BLACK = 32  # of 255: what JPEG and WebP make of black, next to white too
NEAR_BLACK = 8  # of 255: values that may be noise of a black that was compressed once
_NOISE_SHARE, _MIN_NOISE = 0.05, 64  # of the pixels, and pixels; rarer near-black values are marks
_FLAT_SHARE = 0.5  # of near-black values with an equal neighbour, above which they are numbers of regions
LOSSY_COLOUR = 64  # of 255: distance to a colour after JPEG, in the inner of a marked area
_EDGE_COLOUR, _EDGE_PX = 150, 2  # the same at its edges, where colours are subsampled, and how wide these are
_LOSSY_GRAY, _EDGE_GRAY = 16, 48  # the same of grays, which are not subsampled
_FLOAT_TOLERANCE = 1e-4  # a float image's 8-bit colour after some rounding


def marks_of(picture: Picture) -> tuple[Marks, list[str]]:
    """Find the pixels that a mask marks.

    Parameters
    ----------
    picture : Picture
        The decoded mask file.

    Returns
    -------
    array of bool, (N, H, W, 1 or C), and list of str
        True where the mask is non-zero, up to what black became by compression; notes on how the mask was read. Where
        the mask is transparent, nothing is marked; all that is opaque is marked unless it is black and white itself.
    """
    values, notes = picture.pixels, list[str]()
    if _is_stored_inverted(picture):
        values = np.iinfo(values.dtype).max - values
        notes.append("holds Booleans with white as 0; they were read as stored, 1 is missing")
    found, note = _non_zero(values, picture.lossy)
    notes += [note] if note else []
    alpha = picture.alpha
    if alpha is None or bool((alpha == alpha.flat[0]).all()):
        return found, notes
    opaque, _ = _non_zero(alpha, picture.lossy)
    painted = values[np.broadcast_to(opaque, values.shape)]
    full = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    if set(np.unique(painted).tolist()) == {0, full}:
        return found & opaque, notes
    return np.asarray(opaque), ["is painted on a transparent layer; what is not transparent is missing"]


def colour_marks(picture: Picture, colour: tuple[int, int, int], tolerance: int | None = None) -> Marks:
    """Find the pixels of one colour.

    Parameters
    ----------
    picture : Picture
        RGB, or any channels if the colour is a gray.
    colour : (int, int, int)
        8-bit red, green, blue; scaled to deeper pictures.
    tolerance : int, optional
        Largest difference of a channel, of 255. None: 0; but after lossy compression 64 (grays: 16), and more at
        the edges of marked areas.

    Returns
    -------
    array of bool, (N, H, W, 1)
    """
    pixels, gray = picture.pixels, len(set(colour)) == 1
    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    wanted = np.array(colour if pixels.shape[3] == 3 else colour[:1], np.float64) * (full / 255)
    distance = np.abs(pixels - wanted).max(axis=3, keepdims=True) * (255 / full)
    if tolerance is not None or not picture.lossy:
        return np.asarray(distance <= max(tolerance or 0, 255 * _FLOAT_TOLERANCE if full == 1 else 0.5 / full))
    core = distance <= (_LOSSY_GRAY if gray else LOSSY_COLOUR)
    side = 3 if gray else 2 * _EDGE_PX + 1
    near = [cv2.dilate(frame.astype(np.uint8), np.ones((side, side), np.uint8)) > 0 for frame in core[..., 0]]
    return np.asarray(core | (np.stack(near)[..., np.newaxis] & (distance <= (_EDGE_GRAY if gray else _EDGE_COLOUR))))


def _non_zero(values: Array, lossy: bool) -> tuple[Marks, str | None]:
    """Return where values are non-zero, up to compressed black, and a note if they are not black and white."""
    unit = 1 / 255 if values.dtype.kind == "f" else np.iinfo(values.dtype).max / 255
    if lossy:
        found = values > LOSSY_BLACK * unit
        return found, f"is compressed with loss; values up to {LOSSY_BLACK} of 255 count as black"
    found, near = values != 0, (values > 0) & (values <= NEAR_BLACK * unit)
    if near.sum() >= _MIN_NOISE and near.mean() > _NOISE_SHARE and _is_noise(values, near):
        return found & ~near, f"has noise in its black; values up to {NEAR_BLACK} of 255 count as black"
    levels = found & (values != values.max(initial=0))
    return found, "has more than two values; all but 0 count as missing" if levels.any() else None


def _is_noise(values: Array, near: Marks) -> bool:
    """Return whether near-black values lie scattered, unlike numbers of regions and masks of 0 and 1."""
    known = values[near]
    if (known == known[0]).all():
        return False
    equal = near.copy()
    equal[:, :-1] &= values[:, 1:] == values[:, :-1]
    equal[:, -1:] = False
    return float(equal.sum()) < _FLAT_SHARE * float(near.sum())


def _is_stored_inverted(picture: Picture) -> bool:
    """Return whether a mask is an array of bool as tifffile writes it, 1-bit with white as 0."""
    layout, values = picture.metadata.tiff, picture.pixels
    if layout is None or layout.photometric != 0 or values.dtype != np.uint8:
        return False
    text = dict(picture.metadata.text)
    by_tifffile = text.get("Software", "").startswith("tifffile") or text.get("Description", "").startswith('{"shape"')
    return by_tifffile and bool(((values == 0) | (values == values.dtype.type(255))).all())
