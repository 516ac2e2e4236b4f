"""From the numbers of a decoder network to p(x | z), for every kind of likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from restorekit.core.distributions import (
    Bernoulli,
    DiagonalGaussian,
    DiscretisedLogistic,
    Likelihood,
    LogisticMixture,
    floored,
)

KINDS = ("bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture")
COMPONENTS = 5  # of a mixture


@dataclass(frozen=True)
class Head:
    """How a network's numbers make a likelihood.

    Parameters
    ----------
    kind : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" and "mixture" are discretised.
    channels : int
        Channels of the image.
    floor : float
        Least standard deviation of a Gaussian, on the [0, 1] scale.
    """

    kind: str
    channels: int
    floor: float = 1 / 255

    @property
    def numbers(self) -> int:
        """Numbers that the network makes for each pixel."""
        per_pixel = {"gaussian-pixel": 2 * self.channels, "mixture": COMPONENTS * (1 + 2 * self.channels)}
        return per_pixel.get(self.kind, self.channels)

    def spread(self) -> nn.Parameter | None:
        """Return a fresh log of the spread that all values share; None where there is none."""
        return nn.Parameter(torch.tensor(-2.0)) if self.kind in ("gaussian", "logistic") else None

    def __call__(self, raw: Tensor, spread: Tensor | None) -> Likelihood:
        """Read numbers, (B, `numbers`, H, W) float32; without `spread` a Gaussian is as narrow as the floor."""
        if self.kind == "bernoulli":
            return Bernoulli(raw)
        if self.kind == "mixture":
            return LogisticMixture.read(raw, self.channels)
        if self.kind == "gaussian-pixel":
            mu, logvar = raw.chunk(2, 1)
            return DiagonalGaussian(mu, floored(logvar - 4, self.floor), "x")
        if spread is None:
            return DiagonalGaussian(raw, raw.new_tensor(2 * math.log(self.floor)), "x")
        if self.kind == "gaussian":
            return DiagonalGaussian(raw, floored(2 * spread, self.floor), "x")
        return DiscretisedLogistic(raw, spread.clamp(-7, 1))
