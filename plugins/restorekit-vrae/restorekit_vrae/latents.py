"""Distributions of z = (image, lines): latents of an image, (B, latent), and of its lines, (B, count, local)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit import Rng
from restorekit.models import LOG_2PI, DiagonalGaussian, Temperature, each, per_image

LEGACY_IMAGE_KEY = "whole"  # seeds the latents of images: another key would change every draw
Latent = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Inferred:
    """Approximate posterior q(image | x) q(lines | image, x).

    Parameters
    ----------
    image : DiagonalGaussian
        Distribution of the image's latents.
    below : callable
        Maps the image's latents to the distribution of the lines' latents.
    """

    image: DiagonalGaussian
    below: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Latent:
        """Means of both levels; that of the lines is conditional on the mean of the image."""
        return self.image.mean, self.below(self.image.mean).mean

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Latent:
        """Draw both levels; `temperature`, for both or for each, multiplies the standard deviations."""
        above, below = each(temperature, 2)
        image = self.image.sample(rng, above)
        return image, self.below(image).sample(rng, below)

    def log_probs(self, z: Latent) -> tuple[Tensor, Tensor]:
        """Return the log-density of each level conditional on the one before, (B,) nats each."""
        return self.image.log_prob(z[0]), self.below(z[0]).log_prob(z[1])

    def log_prob(self, z: Latent) -> Tensor:
        """Return log q(z | x), (B,) nats."""
        image, lines = self.log_probs(z)
        return image + lines


@dataclass(frozen=True)
class Standard:
    """Prior p(z) = N(0, I); the decoder turns it into correlated lines.

    Parameters
    ----------
    latent, count, local : int
        Latents of an image, number of lines, latents of each line.
    device : torch.device
        Device of the latents.
    """

    latent: int
    count: int
    local: int
    device: torch.device

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: Temperature = 1.0) -> Latent:
        """Draw latents of n images; `temperature`, for both levels or for each, multiplies the standard deviation."""
        above, below = each(temperature, 2)
        image = rng.normal(LEGACY_IMAGE_KEY, (n, self.latent), self.device)
        return above * image, below * rng.normal("lines", (n, self.count, self.local), self.device)

    def log_probs(self, z: Latent) -> tuple[Tensor, Tensor]:
        """Return the log-density of each level, (B,) nats each."""
        image, lines = (per_image(-0.5 * (t**2 + LOG_2PI)) for t in z)
        return image, lines

    def log_prob(self, z: Latent) -> Tensor:
        """Return log p(z), (B,) nats."""
        image, lines = self.log_probs(z)
        return image + lines
