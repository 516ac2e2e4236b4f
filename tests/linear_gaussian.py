"""Probabilistic PCA as a `LatentModel`: p(x | y) is known in closed form for any sigma and any `observed`.

Reference: Tipping, Bishop, "Probabilistic Principal Component Analysis", JRSS B 1999, equations 2 to 7.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from restorekit import LatentModel
from restorekit.likelihoods import LOG_2PI, DiagonalGaussian, per_image
from restorekit.noise import Noise
from restorekit.types import Geometry, Terms


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

    def sample(self, noise, temperature=1.0):
        return self.mu + temperature * noise.normal("z", tuple(self.mu.shape), "cpu") @ self.scale.T

    def log_prob(self, z):
        return torch.distributions.MultivariateNormal(self.mu, scale_tril=self.scale, validate_args=False).log_prob(z)


@dataclass(frozen=True)
class StandardNormal:
    latent: int

    def sample(self, n, shape, noise, temperature=1.0):
        return temperature * noise.normal("z", (n, self.latent), "cpu")

    def log_prob(self, z):
        return per_image(-0.5 * (z**2 + LOG_2PI))


class PCA(LatentModel):
    """x = W z + mu + tau e, with the exact posterior of z as its inference network."""

    name = "pca"
    Config = PCAConfig

    def __init__(self, config):
        super().__init__(config)
        values = config.size[0] * config.size[1]
        self.weight = nn.Parameter(0.6 * Noise(3).normal("weight", (values, config.latent), "cpu"))
        self.centre = nn.Parameter(0.5 + 0.1 * Noise(3).normal("centre", (values,), "cpu"))
        self.logvar = nn.Parameter(torch.tensor(2 * math.log(config.tau)))
        self.geometry = Geometry(tuple(config.size), 1, 0, (1,))

    def infer(self, x, observed=None, label=None):
        x = (
            x.flatten(1)
            if observed is None
            else torch.where(observed, x, self.centre.view(1, 1, *self.config.size)).flatten(1)
        )
        precision = torch.eye(self.config.latent) + self.weight.T @ self.weight * (-self.logvar).exp()
        covariance = torch.linalg.inv(precision)
        mu = (x - self.centre) @ self.weight @ covariance * (-self.logvar).exp()
        return FullGaussian(mu, torch.linalg.cholesky(covariance))

    def prior(self, label=None):
        return StandardNormal(self.config.latent)

    def decode(self, z, label=None):
        mu = (z @ self.weight.T + self.centre).view(-1, 1, *self.config.size)
        return DiagonalGaussian(mu, self.logvar, "x")

    def terms(self, batch, noise, group="model"):
        q = self.infer(batch.x)
        z = q.sample(noise)
        distortion = -self.decode(z).log_prob(batch.x).mean()
        rate = (q.log_prob(z) - self.prior().log_prob(z)).mean()
        loss = distortion + rate
        return Terms(loss, {"nelbo": loss.detach(), "distortion": distortion.detach(), "rate": rate.detach()})

    def covariance(self):
        """Covariance of x, (D, D)."""
        return (self.weight @ self.weight.T + self.logvar.exp() * torch.eye(len(self.centre))).detach()

    def posterior(self, observation, operator=None):
        """Exact mean, (B, D), and covariance, (B, D, D), of p(x | y), y = A x + noise behind a linear operator A."""
        prior, means, covariances = self.covariance(), [], []
        unit = torch.eye(len(prior)).view(-1, 1, *self.config.size)
        for i in range(len(observation)):
            seen = observation.observed[i].flatten()
            a = (unit if operator is None else operator.apply(unit)).flatten(1).T[seen]
            noisy = a @ prior @ a.T + float(observation.sigma[i]) ** 2 * torch.eye(int(seen.sum()))
            gain = prior @ a.T @ torch.linalg.inv(noisy)
            residual = observation.y[i].flatten()[seen] - a @ self.centre.detach()
            means.append(self.centre.detach() + gain @ residual)
            covariances.append(prior - gain @ a @ prior)
        return torch.stack(means), torch.stack(covariances)
