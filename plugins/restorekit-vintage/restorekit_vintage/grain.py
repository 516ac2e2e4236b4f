"""Grain of film: clumps of silver that make middle tones rough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Ranged
from restorekit.corruptions.sensor import smeared
from restorekit.noise import Noise
from restorekit.types import Observation
from restorekit_vintage.ageing import Ageing, seen

FLOOR = 0.2  # share of the variance that is there in black and white, too


@dataclass(frozen=True)
class Grain(Ageing):
    """y = x + strength sqrt(FLOOR + (1 - FLOOR) 4 x (1 - x)) g, with a standard normal field g of clumps.

    Density fluctuates most where about half of the grains are developed (Nutting's random-dot model; Dainty and Shaw,
    "Image Science", 1974, chapter 3). The density of y is known for white grain: size 0.

    Parameters
    ----------
    strength : float or (float, float)
        Standard deviation at x = 0.5, on the [0, 1] scale.
    size : float or (float, float)
        Size of the clumps, pixels: g at a distance d has the correlation exp(-d^2 / (4 size^2)); 0 is white.
    colour : bool
        Whether each channel has grain of its own, as in colour film, or all have the same.
    """

    name: ClassVar[str] = "grain"

    strength: Ranged = field(default=0.06, metadata={"low": 0.0, "high": 1.0, "of_255": True})
    size: Ranged = field(default=0.7, metadata={"low": 0.0, "high": 2.0, "unit": "pixels"})
    colour: bool = True

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether log_prob is known and differentiable for images of any channels: white grain in each by itself."""
        return self.size == 0 and self.colour

    def age(self, x: Tensor, noise: Noise, amount: Tensor) -> Observation:
        """Add grain to x, (B, C, H, W)."""
        strength, size = amount * self.draw("strength", x, noise), self.draw("size", x, noise)
        channels = x.shape[1] if self.colour else 1
        grains = smeared(noise.normal(self.name, (len(x), channels, *x.shape[2:]), x.device), size)
        params = {"strength": strength, "size": size}
        return replace(seen(x + _level(x, strength) * grains), params=params)

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the normal log-density of the observed values, (B,) nats; None where grains clump or are shared."""
        strength, size = observation.params["strength"], observation.params["size"]
        if bool((size > 0).any()) or not bool((strength > 0).all()) or not (self.colour or x.shape[1] == 1):
            return None
        level = _level(x, strength)
        values = -0.5 * ((observation.y - x) / level) ** 2 - level.log() - 0.5 * math.log(2 * math.pi)
        return torch.where(observation.observed, values, 0.0).flatten(1).sum(1)


def _level(x: Tensor, strength: Tensor) -> Tensor:
    """Return the standard deviation of grain in x."""
    middle = 4 * (x * (1 - x)).clamp_min(0)
    return strength * (FLOOR + (1 - FLOOR) * middle).sqrt()
