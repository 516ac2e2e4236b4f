"""Probabilistic PCA as a `LatentModel`: p(x | y) is known in closed form for any sigma and any `observed`.

Reference: Tipping, Bishop, "Probabilistic Principal Component Analysis", JRSS B 1999, equations 2 to 7.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from restorekit import LatentModel
from restorekit.core.distributions import LOG_2PI, DiagonalGaussian, per_image
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Terms


@dataclass(frozen=True)
class PCAConfig:
    size: tuple[int, ...] = (2, 3)
    latent: int = 2
    tau: float = 0.6


@dataclass(frozen=True, eq=False)
class FullGaussian:
    """N(mu, L L') over a vector of latents."""

    mu: torch.Tensor
    scale: torch.Tensor

    @property
    def mean(self):
        return self.mu

    def sample(self, rng, temperature=1.0):
        return self.mu + temperature * rng.normal("z", tuple(self.mu.shape), self.mu.device) @ self.scale.T

    def log_prob(self, z):
        white = torch.linalg.solve_triangular(self.scale, (z - self.mu).T, upper=False)
        return -per_image(0.5 * (white.T**2 + LOG_2PI)) - self.scale.diagonal().log().sum()


@dataclass(frozen=True)
class StandardNormal:
    latent: int
    device: torch.device | str = "cpu"

    def sample(self, n, shape, rng, temperature=1.0):
        return temperature * rng.normal("z", (n, self.latent), self.device)

    def log_prob(self, z):
        return per_image(-0.5 * (z**2 + LOG_2PI))


class LinearGaussian(LatentModel):
    """A model whose x is Gaussian, of the mean `centre`, (D,): p(x | y) follows from its covariance."""

    def covariance(self):
        """Covariance of x, (D, D)."""
        raise NotImplementedError

    def off_centre(self, x, observed):
        """x less the mean, (B, D), and 0 where nothing was observed."""
        apart = x.flatten(1) - self.centre
        return apart if observed is None else torch.where(observed.flatten(1), apart, 0.0)

    def terms(self, batch, rng, group="model"):
        q = self.infer(batch.x)
        z = q.sample(rng)
        distortion = -self.decode(z).log_prob(batch.x).mean()
        rate = (q.log_prob(z) - self.prior().log_prob(z)).mean()
        loss = distortion + rate
        return Terms(loss, {"nelbo": loss.detach(), "distortion": distortion.detach(), "rate": rate.detach()})

    @torch.no_grad()
    def posterior(self, observation, operator=None):
        """Exact mean, (B, D), and covariance, (B, D, D), of p(x | y), y = A x + noise behind a linear operator A."""
        prior, means, covariances = self.covariance(), [], []
        unit = torch.eye(len(prior)).view(-1, 1, *self.config.size)
        for i in range(len(observation)):
            seen = observation.observed[i].flatten()
            a = (unit if operator is None else operator.apply(unit)).flatten(1).T[seen]
            noisy = a @ prior @ a.T + float(observation.sigma[i]) ** 2 * torch.eye(int(seen.sum()))
            gain = prior @ a.T @ torch.linalg.inv(noisy)
            residual = observation.y[i].flatten()[seen] - a @ self.centre
            means.append(self.centre + gain @ residual)
            covariances.append(prior - gain @ a @ prior)
        return torch.stack(means), torch.stack(covariances)


def updated(mean, covariance, weight, rng, seen):
    """p(z | seen) where z ~ N(mean, covariance) and seen = weight z + N(0, noise)."""
    back, before = weight.T @ torch.linalg.inv(rng), torch.linalg.inv(covariance)
    spread = torch.linalg.inv(before + back @ weight)
    return FullGaussian((mean @ before + seen @ back.T) @ spread, torch.linalg.cholesky(spread))


class PCA(LinearGaussian):
    """x = W z + mu + tau e, with the exact posterior of z as its inference network."""

    name = "pca"
    Config = PCAConfig

    def __init__(self, config):
        super().__init__(config)
        values = config.size[0] * config.size[1]
        self.weight = nn.Parameter(0.6 * Rng(3).normal("weight", (values, config.latent), "cpu"))
        self.centre = nn.Parameter(0.5 + 0.1 * Rng(3).normal("centre", (values,), "cpu"))
        self.logvar = nn.Parameter(torch.tensor(2 * math.log(config.tau)))
        self.geometry = Geometry(tuple(config.size), 1, 0, (1,))

    def infer(self, x, observed=None, label=None):
        device = self.centre.device
        prior, values = (torch.eye(n, device=device) for n in (self.config.latent, len(self.centre)))
        noise = self.logvar.exp() * values
        return updated(prior.new_zeros(len(prior)), prior, self.weight, noise, self.off_centre(x, observed))

    def prior(self, label=None):
        return StandardNormal(self.config.latent, self.centre.device)

    def decode(self, z, label=None):
        mu = (z @ self.weight.T + self.centre).view(-1, 1, *self.config.size)
        return DiagonalGaussian(mu, self.logvar, "x")

    def covariance(self):
        return (self.weight @ self.weight.T + self.logvar.exp() * torch.eye(len(self.centre))).detach()
