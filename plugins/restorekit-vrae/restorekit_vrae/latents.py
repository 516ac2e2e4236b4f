"""q(z | x) and p(z) of z = (whole, lines): latents of an image, (B, latent), and of each line, (B, count, local)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit import Rng
from restorekit.models import LOG_2PI, DiagonalGaussian, Temperature, each, per_image

Latent = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Inferred:
    """q(whole | x) q(lines | whole, x).

    Parameters
    ----------
    whole : DiagonalGaussian
        Of the image's latents.
    below : callable
        Returns the distribution of the lines' latents, given the image's.
    """

    whole: DiagonalGaussian
    below: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Latent:
        """Means of both levels, of the lines given the mean of the image's."""
        return self.whole.mean, self.below(self.whole.mean).mean

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Latent:
        """Draw both levels; `temperature`, of both or of each, multiplies the standard deviations."""
        above, below = each(temperature, 2)
        whole = self.whole.sample(rng, above)
        return whole, self.below(whole).sample(rng, below)

    def log_probs(self, z: Latent) -> tuple[Tensor, Tensor]:
        """Return the log-density of each level given the one before, (B,) nats each."""
        return self.whole.log_prob(z[0]), self.below(z[0]).log_prob(z[1])

    def log_prob(self, z: Latent) -> Tensor:
        """Return log q(z | x), (B,) nats."""
        whole, lines = self.log_probs(z)
        return whole + lines


@dataclass(frozen=True)
class Standard:
    """p(z) = N(0, I); what lines have in common, and with which neighbours, the decoder makes of it.

    Parameters
    ----------
    latent, count, local : int
        Latents of an image, lines, latents of each line.
    device : torch.device
        Where latents live.
    """

    latent: int
    count: int
    local: int
    device: torch.device

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: Temperature = 1.0) -> Latent:
        """Draw the latents of n images; `temperature`, of both levels or of each, multiplies the standard deviation."""
        above, below = each(temperature, 2)
        whole = rng.normal("whole", (n, self.latent), self.device)
        return above * whole, below * rng.normal("lines", (n, self.count, self.local), self.device)

    def log_probs(self, z: Latent) -> tuple[Tensor, Tensor]:
        """Return the log-density of each level, (B,) nats each."""
        whole, lines = (per_image(-0.5 * (t**2 + LOG_2PI)) for t in z)
        return whole, lines

    def log_prob(self, z: Latent) -> Tensor:
        """Return log p(z), (B,) nats."""
        whole, lines = self.log_probs(z)
        return whole + lines
