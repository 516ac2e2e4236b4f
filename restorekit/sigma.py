"""What is known of an image's noise: what that makes of its damage, and the level estimated from the image itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import estimate_sigma as estimate_by_wavelets
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.fill import fill
from restorekit.noise import Noise
from restorekit.types import Observation

ERROR = 0.05  # relative standard error of `estimate_sigma` on photographs
IMAGE = Chain((Gaussian(), Missing()))  # what an image is taken for where nothing else is said


def expected(known: Corruption | None, noisy: bool | None) -> Corruption:
    """Return what an image is taken for.

    Parameters
    ----------
    known : Corruption or None
        What damaged it, where somebody says so.
    noisy : bool or None
        Whether it has noise, where somebody says so; that counts more.
    """
    if known is None:
        return Missing() if noisy is False else IMAGE
    return Chain((Gaussian(), known)) if noisy and known.hides else known


def stated(observation: Observation, corruption: Corruption) -> Observation:
    """Return an observation with what a corruption whose values are numbers says of any: noise level and parameters."""
    found, count = corruption(torch.zeros(1, *observation.shape), Noise(0)), len(observation)
    params = {name: value.expand(count, *value.shape[1:]) for name, value in found.params.items()}
    sigma = None if found.sigma is None else found.sigma.expand(count, 1, 1, 1)
    return replace(observation, sigma=sigma, params=params, direct=found.direct)


def estimate_sigma(observation: Observation, corruption: Corruption) -> Tensor:
    """Estimate the standard deviation of white Gaussian noise with scikit-image.

    Parameters
    ----------
    observation : Observation
        Values that are missing are interpolated first, which makes the estimate too low where many are.
    corruption : Corruption
        Knows how to interpolate.

    Returns
    -------
    Tensor, (B, 1, 1, 1), on [0, 1]
    """
    same = observation.y.shape[1:] == observation.shape  # an enlarged image has smoother noise than was seen
    seen = observation.first_guess(corruption) if same else fill(observation.y, observation.observed)
    images = seen.movedim(1, -1).cpu().numpy()
    levels = torch.tensor([noise_level(image) for image in images])
    return levels.to(observation.y).view(-1, 1, 1, 1)


def noise_level(image: NDArray[np.float64]) -> float:
    """Estimate the standard deviation of the white Gaussian noise in an image from its finest wavelets.

    Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994, section 4.3.
    """
    if min(image.shape[:2]) < 2:
        return 0.0
    # coefficients that are exactly 0 do not count there, so a flat channel would give NaN
    uneven = image[..., np.ptp(image, axis=(0, 1)) > 0]
    if not uneven.shape[-1]:
        return 0.0
    sigma = estimate_by_wavelets(uneven, average_sigmas=True, channel_axis=-1)  # type: ignore[no-untyped-call]  # no types there
    return float(np.nan_to_num(sigma))
