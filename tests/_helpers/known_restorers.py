"""Restorers whose error, and whose Jacobian, are known in closed form."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from restorekit.core.contracts import Restorer
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation, Restoration


class Shrinking(Restorer):
    """x = share y."""

    name, geometry = "shrinking", Geometry(channels=(1, 3))

    def __init__(self, share):
        self.share = share

    def __call__(self, observation, corruption, n, rng):
        return Restoration(self.share * observation.y)


class Filtering(Shrinking):
    """Mixes a value with its four neighbours, around the borders: `share` stands on the diagonal of its Jacobian."""

    name = "filtering"

    def __call__(self, observation, corruption, n, rng):
        around = sum(observation.y.roll(step, axis) for step in (-1, 1) for axis in (2, 3))
        return Restoration(self.share * observation.y + (1 - self.share) / 4 * around)


class Knowing(Shrinking):
    """Knows the truth, and gives it with an error of so many times the standard deviation that it tells."""

    name = "knowing"

    def __init__(self, x, off=0.0, std=None):
        self.x, self.off, self.std = x, off, std

    def __call__(self, observation, corruption, n, rng):
        error = 0 if self.std is None else self.off * self.std
        return Restoration((self.x + error).expand_as(observation.y), self.std)


class Interpolating(Shrinking):
    """Fills gaps, and leaves what was observed."""

    name = "interpolating"

    def __init__(self):
        super().__init__(1.0)

    def __call__(self, observation, corruption, n, rng):
        return Restoration(observation.initial_estimate(corruption))


def picture(channels=1, side=64, seed=0):
    """A smooth picture with a textured half, (1, C, side, side), on [0.2, 0.8]."""
    coarse = Rng(seed).uniform("coarse", (1, channels, 5, 5), "cpu")
    fine = 0.2 * Rng(seed).uniform("fine", (1, channels, side, side), "cpu")
    fine[..., : side // 2] = 0.1
    return 0.2 + 0.4 * F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True).clamp(0, 1) + fine


def noisy(x, sigma, observed=None, seed=0):
    """An observation of x with white noise, and gaps."""
    seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed.expand_as(x)
    y = x + sigma * Rng(seed, ("a",) * len(x)).normal("noise", tuple(x.shape), "cpu")
    level = torch.full((len(x), 1, 1, 1), float(sigma))
    return Observation(y * seen, seen, tuple(x.shape[1:]), level)
