"""The noise level of an observation, estimated from itself."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.restorers.arrays import noise_level
from restorekit.types import Observation


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
    images = observation.first_guess(corruption).movedim(1, -1).cpu().numpy()
    levels = torch.tensor([noise_level(image) for image in images])
    return levels.to(observation.y).view(-1, 1, 1, 1)
