"""Likelihoods p(x | z) from the outputs of a decoder network."""

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
    """Conversion of network outputs to a likelihood.

    Parameters
    ----------
    kind : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" and "mixture" are discretised.
    channels : int
        Channels of the image.
    floor : float
        Smallest standard deviation of a Gaussian, on the [0, 1] scale.
    """

    kind: str
    channels: int
    floor: float = 1 / 255

    @property
    def numbers(self) -> int:
        """Network outputs per pixel."""
        per_pixel = {"gaussian-pixel": 2 * self.channels, "mixture": COMPONENTS * (1 + 2 * self.channels)}
        return per_pixel.get(self.kind, self.channels)

    def spread(self) -> nn.Parameter | None:
        """Return a new parameter for the log of a spread shared by all values; None if the kind has none."""
        return nn.Parameter(torch.tensor(-2.0)) if self.kind in ("gaussian", "logistic") else None

    def __call__(self, raw: Tensor, spread: Tensor | None) -> Likelihood:
        """Return the likelihood of outputs, (B, `numbers`, H, W) float32; without `spread` sigma is the floor."""
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
