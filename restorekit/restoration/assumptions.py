"""What is known of the noise in an image, and so of the truth of its values."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.restoration.folder.planes import Plane, PlaneSource
from restorekit.uncertainty.noise_level import estimate_sigma

WINDOW = 2048  # side of the central part of a large image that its noise level is estimated from


class Level(NamedTuple):
    """What a corruption always does.

    Attributes
    ----------
    sigma : float or None
        Noise level on [0, 1]; 0 = none; None = it varies or is not Gaussian.
    faithful : bool
        Whether values that are observed without noise are those of the clean image: neither blurred nor rounded.
    """

    sigma: float | None
    faithful: bool


@lru_cache(256)
def level_of(corruption: Corruption) -> Level:
    """Return the noise level of a corruption, asked by trying: two images are damaged, and the results compared."""
    x = torch.rand((2, 3, 32, 32), generator=Rng(0).generator("probe"))
    observation = corruption(x, Rng(0, ("a", "b")))
    levels = [None] if observation.sigma is None else observation.sigma.flatten().tolist()
    sigma = levels[0] if levels[0] is not None and len(set(levels)) == 1 else None
    if observation.y.shape != x.shape or corruption.operator(observation) is not None:
        return Level(sigma, False)
    return Level(sigma, sigma != 0 or bool((observation.y == x * observation.observed).all()))


def estimated(plane: Plane, corruption: Corruption) -> Plane:
    """Return a plane with the noise level that scikit-image finds in it."""
    return replace(plane, sigma=float(estimate_sigma(middle(plane, corruption), corruption)))


def middle(plane: Plane, corruption: Corruption) -> Observation:
    """Return what noise is estimated from: a plane, or the middle of a large one."""
    height, width = plane.pixels.shape[:2]
    top, left = max(0, (height - WINDOW) // 2), max(0, (width - WINDOW) // 2)
    bottom, right = min(height, top + WINDOW), min(width, left + WINDOW)
    return PlaneSource([plane], corruption).observed(top, bottom, left, right)
