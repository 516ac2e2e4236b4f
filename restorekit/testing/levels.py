"""A hierarchical model as small as can be, that samplers are tried with: z is a tuple, the level of the pixels last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from restorekit.contracts import LatentModel
from restorekit.likelihoods import DiagonalGaussian
from restorekit.noise import Noise
from restorekit.types import Batch, Geometry, Terms

Pair = tuple[Tensor, Tensor]
BELOW = -2.0  # log-variance of the lower level of p(z), given the upper one


@dataclass(frozen=True)
class TwoLevelsConfig:
    """Settings.

    Parameters
    ----------
    width : int
        Channels of each level of z.
    """

    width: int = 2


@dataclass(frozen=True, eq=False)
class Ladder:
    """A distribution of z from the top down: of the upper level, and of the lower one given it."""

    top: DiagonalGaussian
    below: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Pair:
        """Mean of each level, given that of the one before."""
        return self.top.mean, self.below(self.top.mean).mean

    def sample(self, noise: Noise, temperature: float = 1.0) -> Pair:
        """Draw z, from the top down."""
        top = self.top.sample(noise, temperature)
        return top, self.below(top).sample(noise, temperature)

    def log_prob(self, z: Pair) -> Tensor:
        """Return log q(z), (B,) nats."""
        return self.top.log_prob(z[0]) + self.below(z[0]).log_prob(z[1])


@dataclass(frozen=True, eq=False)
class LadderPrior:
    """p(z): the upper level is standard normal, the lower one lies about a map of it."""

    like: Tensor  # of the model's device
    width: int
    below: Callable[[Tensor], DiagonalGaussian]

    def sample(self, n: int, shape: tuple[int, ...], noise: Noise, temperature: float = 1.0) -> Pair:
        """Draw n latents for images of the given (C, H, W)."""
        zeros = self.like.new_zeros(n, self.width, shape[1] // 4, shape[2] // 4)
        return Ladder(_upper(zeros, zeros), self.below).sample(noise, temperature)

    def log_prob(self, z: Pair) -> Tensor:
        """Return log p(z), (B,) nats."""
        zeros = torch.zeros_like(z[0])
        return _upper(zeros, zeros).log_prob(z[0]) + self.below(z[0]).log_prob(z[1])


class TwoLevels(LatentModel):
    """Two levels of spatial latents, linear between them."""

    name: ClassVar[str] = "two-levels"
    Config: ClassVar[type] = TwoLevelsConfig

    def __init__(self, config: TwoLevelsConfig) -> None:
        super().__init__(config)
        width = config.width
        self.geometry = Geometry(None, 4, 8, (1,))
        self.up = nn.Conv2d(1, 2 * width, 2, 2)
        self.upper = nn.Conv2d(2 * width, 2 * width, 2, 2)
        self.down = nn.ConvTranspose2d(width, width, 2, 2)
        self.out = nn.ConvTranspose2d(width, 2, 2, 2)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Ladder:
        """Return q(z | x); values that were not observed count as 0."""
        h = self.up(x if observed is None else x * observed)
        mean, logvar = h.chunk(2, 1)
        top = _upper(*self.upper(h.tanh()).chunk(2, 1))
        return Ladder(top, lambda z: _lower(mean + self.down(z), logvar))

    def prior(self, label: Tensor | None = None) -> LadderPrior:
        """Return p(z)."""

        def below(z: Tensor) -> DiagonalGaussian:
            mean = self.down(z)
            return _lower(mean, torch.full_like(mean, BELOW))

        return LadderPrior(self.down.weight.detach(), self.config.width, below)

    def decode(self, z: Pair, label: Tensor | None = None) -> DiagonalGaussian:
        """Return p(x | z)."""
        mean, logvar = self.out(z[1] + self.down(z[0])).chunk(2, 1)
        return DiagonalGaussian(mean, logvar + BELOW, "x")

    def terms(self, batch: Batch, noise: Noise, group: str = "model") -> Terms:
        """Return the negative ELBO."""
        assert batch.x is not None
        q = self.infer(batch.x)
        z = q.sample(noise)
        distortion = -self.decode(z).log_prob(batch.x).mean()
        rate = (q.log_prob(z) - self.prior().log_prob(z)).mean()
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
        return Terms(distortion + rate, {name: value.detach() for name, value in parts.items()})


def _upper(mu: Tensor, logvar: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(mu, logvar, "top", 4)


def _lower(mu: Tensor, logvar: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(mu, logvar, "below", 2)
