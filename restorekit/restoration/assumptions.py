"""What is known of the noise in an image, and so of the truth of its values."""

from __future__ import annotations

from dataclasses import replace

from restorekit.core.contracts import Corruption
from restorekit.core.types import Observation
from restorekit.restoration.folder.planes import Plane, PlaneSource
from restorekit.uncertainty.noise_level import estimate_sigma

WINDOW = 2048  # side of the central part of a large image that its noise level is estimated from


def estimated(plane: Plane, corruption: Corruption) -> Plane:
    """Return a plane with the noise level that scikit-image finds in it."""
    return replace(plane, sigma=float(estimate_sigma(middle(plane, corruption), corruption)))


def middle(plane: Plane, corruption: Corruption) -> Observation:
    """Return what noise is estimated from: a plane, or the middle of a large one."""
    height, width = plane.pixels.shape[:2]
    top, left = max(0, (height - WINDOW) // 2), max(0, (width - WINDOW) // 2)
    bottom, right = min(height, top + WINDOW), min(width, left + WINDOW)
    return PlaneSource([plane], corruption).observed(top, bottom, left, right)
