"""Operations of the classical restorers on images as numpy arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator, NearestNDInterpolator
from scipy.spatial import ConvexHull, QhullError

Image = NDArray[np.float64]  # (H, W, C) on the [0, 1] scale
Plane = NDArray[np.float64]  # (H, W)
Mask = NDArray[np.bool_]  # (H, W, C)
Interpolator = type[LinearNDInterpolator] | type[CloughTocher2DInterpolator]
COLOURS = 3
EDGE = 1e-6  # pixels beyond a hull's edge that rounding may put a position on it
GRAY = 0.5  # where nothing at all was observed


def channelwise(fill: Callable[[Image, NDArray[np.bool_]], Image], image: Image, missing: Mask) -> Image:
    """Fill pixels where all channels share their gaps, and each channel on its own where they do not.

    A channel without any observed value takes the gray level 0.5.
    """
    if (missing == missing[..., :1]).all():
        return fill(image, missing[..., 0]) if missing.any() else image
    planes = []
    for plane, gaps in zip(np.moveaxis(image, -1, 0), np.moveaxis(missing, -1, 0), strict=True):
        if gaps.all():
            planes.append(np.full_like(plane, GRAY))
        else:
            planes.append(fill(plane[..., None], gaps)[..., 0] if gaps.any() else plane)
    return np.stack(planes, -1)


def triangulate(image: Image, missing: NDArray[np.bool_], kind: Interpolator = LinearNDInterpolator) -> Image:
    """Interpolate missing pixels over the Delaunay triangles of the observed ones; outside them the nearest counts.

    Parameters
    ----------
    image : ndarray, (H, W, C)
        Values.
    missing : ndarray of bool, (H, W)
        Where to interpolate; not everywhere.
    kind : scipy interpolator class
        What to do within a triangle.

    Returns
    -------
    ndarray, (H, W, C)
    """
    points, wanted = np.argwhere(~missing), np.argwhere(missing)
    values = image[~missing]
    found = NearestNDInterpolator(points, values)(wanted)
    try:
        # Only pixels in the convex hull: SciPy searches every triangle for each pixel that is in none.
        within = np.ones(len(wanted), np.bool_)
        for *normal, offset in ConvexHull(points).equations:
            within &= wanted @ np.asarray(normal) + offset <= EDGE
        inside = kind(points, values)(wanted[within])
        found[within] = np.where(np.isfinite(inside), inside, found[within])
    except QhullError:
        pass  # fewer than three points, or all on a line: there are no triangles
    result = image.copy()
    result[missing] = found
    return result


def padded(method: Callable[[Image], Image], image: Image, least: int) -> Image:
    """Apply a method that needs at least `least` pixels a side, mirroring smaller images, (H, W, ...), outwards."""
    height, width = image.shape[:2]
    extra = [(0, max(0, least - height)), (0, max(0, least - width)), (0, 0)]
    return method(np.pad(image, extra[: image.ndim], mode="symmetric"))[:height, :width]


def opponent(image: Image) -> Image:
    """Turn RGB into luminance and two colour differences; orthonormal, so that white noise stays as it is.

    Luminance lies in [0, sqrt(3)], the differences in [-1, 1]. Other channel counts come back as they are.
    """
    if image.shape[-1] != COLOURS:
        return image
    result: Image = dct(image, axis=-1, norm="ortho")
    return result


def from_opponent(image: Image) -> Image:
    """Undo `opponent`."""
    if image.shape[-1] != COLOURS:
        return image
    result: Image = idct(image, axis=-1, norm="ortho")
    return result
