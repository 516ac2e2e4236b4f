"""What is seen of an image when it is restored, by which its calibrated intervals are looked up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.sigma import estimate_sigma
from restorekit.types import Observation

FAR = 64  # pixels; beyond, no distance is told from another


class Seen(NamedTuple):
    """What is seen of an image.

    channels : int, of those that were restored together;
    sigma : float, noise level on [0, 1], told or estimated;
    missing : float, share of the values;
    farthest : float, largest distance to a seen pixel, pixels.
    """

    channels: int
    sigma: float
    missing: float
    farthest: float


def see(observation: Observation, corruption: Corruption, channels: int, distance: Tensor) -> list[Seen]:
    """Look at each image of a batch, whose `distances` are given; unknown noise levels are estimated."""
    sigma = observation.y.new_zeros(len(observation), 1, 1, 1)
    if not corruption.hides:
        sigma = observation.sigma if observation.sigma is not None else sigma + torch.nan
        if bool(sigma.isnan().any()):
            sigma = torch.where(sigma.isnan(), estimate_sigma(observation, corruption), sigma)
    missing = 1 - observation.observed.float().flatten(1).mean(1)
    farthest = distance.flatten(1).amax(1)
    return [Seen(channels, *map(float, one)) for one in zip(sigma.flatten(), missing, farthest, strict=True)]


def distances(observed: Tensor) -> Tensor:
    """Return the distance of every value to the nearest that was seen, (B, C, H, W) pixels, at most FAR."""
    return torch.stack([torch.stack([_plane_distances(plane) for plane in image.cpu()]) for image in observed])


def _plane_distances(observed: Tensor) -> Tensor:
    if bool(observed.all()):
        return torch.zeros(1).expand(observed.shape)
    if not bool(observed.any()):
        return torch.full(observed.shape, float(FAR))
    return torch.from_numpy(np.asarray(distance_transform_edt(~observed.numpy()))).float().clamp_max(FAR)
