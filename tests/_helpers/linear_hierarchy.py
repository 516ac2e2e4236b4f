"""A hierarchical `LatentModel` of which everything is known in closed form: two levels, linear and Gaussian.

z = (top, bottom); top ~ N(0, 1), bottom | top ~ N(A top + b, L L'), x | z ~ N(W bottom + V top + mu, tau^2).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from restorekit.core.distributions import DiagonalGaussian, each
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry
from tests._helpers.linear_gaussian import FullGaussian, LinearGaussian, StandardNormal, updated


@dataclass(frozen=True)
class LadderConfig:
    size: tuple[int, ...] = (2, 3)
    latent: tuple[int, ...] = (2, 3)
    tau: float = 0.6
    scales: tuple[float, ...] = (1.0, 1.0)  # what multiplies the standard deviation of each level's prior


@dataclass(frozen=True, eq=False)
class Bare:
    """p(top) p(bottom | top), which does not tell of its levels."""

    top: FullGaussian
    below: Callable[[torch.Tensor], FullGaussian]

    @property
    def mean(self):
        return self.top.mean, self.below(self.top.mean).mean

    def sample(self, rng, temperature=1.0):
        top = self.top.sample(rng.fork("top"), temperature)
        return top, self.below(top).sample(rng.fork("bottom"), temperature)

    def log_prob(self, z):
        return self.top.log_prob(z[0]) + self.below(z[0]).log_prob(z[1])


class Rungs(Bare):
    """The same, which tells of them."""

    def log_probs(self, z):
        return self.top.log_prob(z[0]), self.below(z[0]).log_prob(z[1])

    def sample(self, rng, temperature=1.0):
        above, below = each(temperature, 2)
        top = self.top.sample(rng.fork("top"), above)
        return top, self.below(top).sample(rng.fork("bottom"), below)


@dataclass(frozen=True, eq=False)
class Posterior(Rungs):
    again: Callable[[tuple[float, ...]], Rungs]  # q(z | x) had the prior other standard deviations

    def tempered(self, temperatures):
        return self.again(temperatures).mean


@dataclass(frozen=True, eq=False)
class LadderPrior(Rungs):
    def sample(self, n, shape, rng, temperature=1.0):
        scale, (above, below) = self.top.scale, each(temperature, 2)
        top = StandardNormal(len(scale), scale.device).sample(n, shape, rng.fork("top"), above) @ scale.T
        return top, self.below(top).sample(rng.fork("bottom"), below)


class Ladder(LinearGaussian):
    """The model, with the exact posterior of z, from the top down, as its inference network."""

    name = "ladder"
    Config = LadderConfig

    def __init__(self, config):
        super().__init__(config)
        values, (top, bottom) = math.prod(config.size), config.latent
        shapes = {"across": (bottom, top), "weight": (values, bottom), "skip": (values, top), "scale": (bottom, bottom)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(0.5 * Rng(3).normal(name, shape, "cpu")))
        self.shift = nn.Parameter(0.3 * Rng(3).normal("shift", (bottom,), "cpu"))
        self.offset = nn.Parameter(0.5 + 0.1 * Rng(3).normal("offset", (values,), "cpu"))
        self.logvar = nn.Parameter(torch.tensor(2 * math.log(config.tau)))
        self.geometry = Geometry(tuple(config.size), 1, 0, (1,))

    @property
    def centre(self):
        return self.weight @ self.shift + self.offset

    def spreads(self, scales=None):
        """Covariances of p(top), p(bottom | top) and p(x | z)."""
        over, under = scales or self.config.scales
        top, bottom = self.config.latent
        eye = functools.partial(torch.eye, device=self.scale.device)
        own = self.scale @ self.scale.T + 0.1 * eye(bottom)
        return over**2 * eye(top), under**2 * own, self.logvar.exp() * eye(len(self.offset))

    def prior(self, label=None):
        above, own, _ = self.spreads()
        scale = torch.linalg.cholesky(own)
        top = FullGaussian(above.new_zeros(len(above)), torch.linalg.cholesky(above))
        return LadderPrior(top, lambda z: FullGaussian(z @ self.across.T + self.shift, scale))

    def infer(self, x, observed=None, label=None):
        return self._inferred(self.off_centre(x, observed), self.config.scales)

    def _inferred(self, apart, scales):
        above, own, noise = self.spreads(scales)
        beneath, through = self.weight @ own @ self.weight.T + noise, self.weight @ self.across + self.skip
        top = updated(above.new_zeros(len(above)), above, through, beneath, apart)
        seen = apart + self.weight @ self.shift

        def below(z):
            return updated(z @ self.across.T + self.shift, own, self.weight, noise, seen - z @ self.skip.T)

        return Posterior(
            top, below, lambda t: self._inferred(apart, tuple(s * u for s, u in zip(scales, t, strict=True)))
        )

    def decode(self, z, label=None):
        mu = z[1] @ self.weight.T + z[0] @ self.skip.T + self.offset
        return DiagonalGaussian(mu.view(-1, 1, *self.config.size), self.logvar, "x")

    def joined(self):
        """Mean and covariance of (top, bottom) as one vector, and what takes it to x less `offset`."""
        above, own, _ = self.spreads()
        down = above @ self.across.T
        covariance = torch.cat([torch.cat([above, down], 1), torch.cat([down.T, self.across @ down + own], 1)])
        mean = torch.cat([above.new_zeros(len(above)), self.shift])
        return mean, covariance, torch.cat([self.skip, self.weight], 1)

    def covariance(self):
        _, latents, weight = self.joined()
        return (weight @ latents @ weight.T + self.spreads()[2]).detach()
