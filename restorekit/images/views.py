"""Pictures for people to look at in a browser: small enough, in 8 bits, and the colours of what has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from restorekit.images.atomic import atomic
from restorekit.images.picture import Array
from restorekit.images.scale import IntensityRange, to_unit

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 1600  # pixels a side of a picture, at most
THUMB = 160  # and of the small one in a list
LOSSLESS = 2**19  # pixels up to which a picture is a PNG; larger ones are JPEGs of QUALITY
QUALITY = 92
_RESIZABLE = (np.uint8, np.uint16, np.float32)  # what OpenCV averages over areas


def step(height: int, width: int) -> int:
    """Return how many pixels of an image become one of its picture, along each side."""
    return max(1, -(-max(height, width) // SIDE))


def small(height: int, width: int) -> tuple[int, int]:
    """Return height and width of an image's picture."""
    by = step(height, width)
    return -(-height // by), -(-width // by)


def pictured(pixels: Array, span: IntensityRange, missing: npt.NDArray[np.bool_] | None = None) -> Bytes:
    """Return what a person sees of one frame.

    Parameters
    ----------
    pixels : array, (H, W, C)
        In the file's own numbers.
    span : IntensityRange
        What they mean.
    missing : array of bool, (H, W, 1 or C), or None
        Where nothing is; there the picture is transparent, as far as nothing is.

    Returns
    -------
    array of uint8, (h, w, 3), or (h, w, 4) where some are missing
    """
    shape = small(*pixels.shape[:2])
    colours = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, :1]
    if missing is None or not missing.any():
        return eight_bits(to_unit(_averaged(colours, shape), span))
    seen = np.asarray(~missing.all(2, keepdims=True), np.float32)
    weight = _averaged(seen, shape)
    values = np.where(np.broadcast_to(missing, pixels.shape)[:, :, : colours.shape[2]], 0, colours).astype(np.float32)
    mean = _averaged(values, shape) / np.maximum(weight, 1e-6)
    return np.dstack([eight_bits(to_unit(mean, span)), np.rint(255 * weight[:, :, 0]).astype(np.uint8)])


def eight_bits(values: Floats) -> Bytes:
    """Return values on [0, 1], (..., 1 or 3), as RGB, (..., 3)."""
    levels = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels, (*levels.shape[:-1], 3)).copy()


def coloured(values: npt.NDArray[Any], low: float, high: float) -> Bytes:
    """Return values, (H, W), in the colours of cividis from low to high, as RGB, (H, W, 3).

    Nunez, Anderton, Renslow, "Optimizing colormaps with consideration for color vision deficiency", PLoS ONE 2018.
    """
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    coded = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    return np.asarray(coded[:, :, ::-1], np.uint8)


def marked(where: npt.NDArray[np.bool_], colour: tuple[int, int, int] = (255, 234, 70)) -> Bytes:
    """Return a colour where something is, and nothing elsewhere: (H, W, 4)."""
    return np.dstack([np.broadcast_to(np.array(colour, np.uint8), (*where.shape, 3)), 255 * where.astype(np.uint8)])


def write_view(stem: Path, picture: Bytes) -> Path:
    """Write a picture, (h, w, 3 or 4), beside others and return its file: a PNG, or a JPEG where it is large."""
    if picture.shape[0] * picture.shape[1] <= LOSSLESS:
        path = stem.with_name(f"{stem.name}.png")
        with atomic(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG", compress_level=4)
        return path
    path = stem.with_name(f"{stem.name}.jpg")
    with atomic(path) as temporary:
        Image.fromarray(_flat(picture)).save(temporary, "JPEG", quality=QUALITY, subsampling=0)
    return path


def write_thumb(path: Path, picture: Bytes) -> Path:
    """Write a picture as a JPEG of at most THUMB pixels a side, and return its file."""
    with atomic(path) as temporary:
        image = Image.fromarray(_flat(picture))
        image.thumbnail((THUMB, THUMB))
        image.save(temporary, "JPEG", quality=85)
    return path


def _averaged(pixels: Array, shape: tuple[int, int]) -> Array:
    """Return means over areas, (h, w, C)."""
    if pixels.shape[:2] == shape:
        return pixels
    values = pixels if pixels.dtype in _RESIZABLE else pixels.astype(np.float32)
    means: Array = cv2.resize(np.ascontiguousarray(values), shape[::-1], interpolation=cv2.INTER_AREA)
    return means.reshape(*shape, pixels.shape[2])


def _flat(picture: Bytes) -> Bytes:
    """Lay a picture over a chequered ground where it is transparent."""
    if picture.shape[2] == 3:
        return picture
    rows, columns = np.indices(picture.shape[:2]) // 8
    ground = np.where((rows + columns) % 2, 150, 105)[:, :, None]
    share = picture[:, :, 3:] / 255
    return np.rint(share * picture[:, :, :3] + (1 - share) * ground).astype(np.uint8)
