"""Grain of film: clumps of silver that make middle tones rough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit import Observation, Ranged, Rng
from restorekit.corruptions import smeared
from restorekit_vintage.ageing import Ageing, fully_observed

FLOOR = 0.2  # share of the variance that is there in black and white, too


@dataclass(frozen=True)
class Grain(Ageing):
    """Grain of film, in clumps, strongest in middle tones.

    y = x + strength sqrt(FLOOR + (1 - FLOOR) 4 x (1 - x)) g, with a standard normal field g.
    Where each grain lets light through with probability x, the light through a few of them has a variance that goes as
    x (1 - x) (Dainty and Shaw, "Image Science", 1974); FLOOR is what scanner and fog add. The density of y is known for
    white grain: size 0.

    Parameters
    ----------
    strength : float or (float, float)
        Standard deviation at x = 0.5, on the [0, 1] scale.
    size : float or (float, float)
        Size of the clumps, pixels: g at a distance d has the correlation exp(-d^2 / (4 size^2)); 0 is white.
    colour : float or (float, float)
        Share of the variance that each channel has for itself; the rest is the same in all, as in black-and-white film.
    """

    name: ClassVar[str] = "grain"

    strength: Ranged = field(default=0.06, metadata={"low": 0.0, "high": 1.0, "of_255": True})
    size: Ranged = field(default=0.7, metadata={"low": 0.0, "high": 2.0, "unit": "pixels"})
    colour: Ranged = field(default=0.3, metadata={"low": 0.0, "high": 1.0, "share": True})

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether log_prob is known and differentiable for images of any channels: of white grain, never quite gray."""
        return self.size == 0 and self.colour != 0

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Add grain to x, (B, C, H, W)."""
        params = {key: self.draw(key, x, rng) for key in ("strength", "size", "colour")}
        params["strength"] = amount * params["strength"]
        own, shared = (
            smeared(rng.normal(f"grain.{name}", (len(x), c, *x.shape[2:]), x.device), params["size"])
            for name, c in (("own", x.shape[1]), ("shared", 1))
        )
        grains = params["colour"].sqrt() * own + (1 - params["colour"]).sqrt() * shared
        return replace(fully_observed(x + _level(x, params["strength"]) * grains), params=params)

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return the normal log-density of the observed values, (B,) nats.

        None where grains clump, or where there are none, or all channels of a colour image have the same.
        """
        strength, size, colour = (observation.params[key] for key in ("strength", "size", "colour"))
        colour = torch.ones_like(colour) if x.shape[1] == 1 else colour
        if bool((size > 0).any() | (strength <= 0).any() | (colour <= 0).any()):
            return None
        level, at = _level(x, strength), observation.observed
        error = torch.where(at, (observation.y - x) / level, 0.0)
        single = torch.where(at, level.log() + 0.5 * math.log(2 * math.pi), 0.0)
        joint = _alike(error, at.expand_as(x).sum(1, keepdim=True), colour)
        return -single.flatten(1).sum(1) - joint.flatten(1).sum(1)


def _alike(error: Tensor, count: Tensor, own: Tensor) -> Tensor:
    """Return half of e' K^-1 e + log det K for each pixel, (B, 1, H, W), of K = own I + (1 - own) 11'.

    Parameters
    ----------
    error : Tensor, (B, C, H, W)
        e, 0 where missing.
    count : Tensor of int64, (B, 1, H, W)
        Channels observed: the size of K.
    own : Tensor, (B, 1, 1, 1)
        Share of the variance that is not common to all channels, above 0.
    """
    all_together = own + (1 - own) * count
    common = (1 - own) / all_together * error.sum(1, keepdim=True).square()
    square = (error.square().sum(1, keepdim=True) - common) / own
    return 0.5 * (square + (count - 1) * own.log() + all_together.log())


def _level(x: Tensor, strength: Tensor) -> Tensor:
    """Return the standard deviation of grain in x."""
    middle = 4 * (x * (1 - x)).clamp_min(0)
    return strength * (FLOOR + (1 - FLOOR) * middle).sqrt()
