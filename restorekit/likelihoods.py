"""Decoder likelihoods p(x | z) and the diagonal Gaussians of latents, in nats per image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.noise import Noise

LOG_2PI = math.log(2 * math.pi)


def per_image(values: Tensor, observed: Tensor | None = None) -> Tensor:
    """Sum values, (B, ...), over everything but the batch, counting only the observed ones."""
    if observed is not None:
        values = torch.where(observed, values, 0.0)
    return values.flatten(1).sum(1)


@dataclass(frozen=True, eq=False)
class DiagonalGaussian:
    """N(mu, exp(logvar)) over a latent or an image.

    Parameters
    ----------
    mu, logvar : Tensor, (B, ...)
        Mean and log-variance of each value.
    name : str
        Name under which `sample` draws its noise.
    stride : int
        Pixels per cell of a spatial latent, (B, C, h, w).
    """

    mu: Tensor
    logvar: Tensor
    name: str = "z"
    stride: int = 1

    @property
    def mean(self) -> Tensor:
        """Mean, in the shape of `mu`."""
        return self.mu

    @cached_property
    def variance(self) -> Tensor:
        """Variance, in the shape of `mu`."""
        return self.logvar.exp().expand_as(self.mu)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw a value; `temperature` multiplies the standard deviation."""
        eps = noise.normal(self.name, tuple(self.mu.shape), self.mu.device, self.stride)
        return self.mu + temperature * (0.5 * self.logvar).exp() * eps

    def expand(self, n: int) -> DiagonalGaussian:
        """Repeat it for n draws of every image, draws outermost: (n * B, ...)."""
        mu, logvar = (t.repeat(n, *[1] * (t.dim() - 1)) for t in (self.mu, self.logvar.expand_as(self.mu)))
        return DiagonalGaussian(mu, logvar, self.name, self.stride)

    def rates(self) -> Tensor:
        """Return the KL divergence from N(0, I) of each value, in the shape of `mu`, nats."""
        return 0.5 * (self.mu**2 + self.logvar.exp() - self.logvar - 1)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the log-density of x, (B,) nats."""
        values = -0.5 * ((x - self.mu) ** 2 * (-self.logvar).exp() + self.logvar + LOG_2PI)
        return per_image(values, observed)


@dataclass(frozen=True, eq=False)
class Bernoulli:
    """Independent Bernoulli values; gray values in [0, 1] count as probabilities of 1.

    Parameters
    ----------
    logits : Tensor, (B, C, H, W)
        Log-odds of 1.
    """

    logits: Tensor

    @cached_property
    def mean(self) -> Tensor:
        """Probability of 1."""
        return self.logits.sigmoid()

    @cached_property
    def variance(self) -> Tensor:
        """Variance p (1 - p)."""
        return self.mean * (1 - self.mean)

    def sample(self, noise: Noise) -> Tensor:
        """Draw zeros and ones."""
        u = noise.uniform("bernoulli", tuple(self.logits.shape), self.logits.device)
        return (u < self.mean).to(self.logits.dtype)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return x log p + (1 - x) log(1 - p), (B,) nats."""
        return per_image(-F.binary_cross_entropy_with_logits(self.logits, x, reduction="none"), observed)


@dataclass(frozen=True, eq=False)
class DiscretisedLogistic:
    """Logistic distribution integrated over the bins of an 8-bit image.

    Reference: Salimans, Karpathy, Chen, Kingma, "PixelCNN++", ICLR 2017, equation 2, one component.

    Parameters
    ----------
    mu : Tensor, (B, C, H, W)
        Centre on [0, 1].
    logscale : Tensor
        Log of the scale on [0, 1], broadcast over `mu`.
    levels : int
        Number of bins; 256 for 8-bit images.
    """

    mu: Tensor
    logscale: Tensor
    levels: int = 256

    @property
    def mean(self) -> Tensor:
        """Centre, clipped to [0, 1]."""
        return self.mu.clamp(0, 1)

    @property
    def variance(self) -> Tensor:
        """Variance of the logistic before it is cut into bins: (pi s)^2 / 3."""
        return ((2 * self.logscale).exp() * (math.pi**2 / 3)).expand_as(self.mu)

    def sample(self, noise: Noise) -> Tensor:
        """Draw values on the grid of `levels`."""
        u = noise.uniform("logistic", tuple(self.mu.shape), self.mu.device).clamp(1e-6, 1 - 1e-6)
        x = self.mu + self.logscale.exp() * torch.logit(u)
        return (x.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the log-probability of the bins that x falls into, (B,) nats."""
        return per_image(logistic_bins(x, self.mu, self.logscale, self.levels), observed)


def logistic_bins(x: Tensor, mu: Tensor, logscale: Tensor, levels: int) -> Tensor:
    """Return the log-probability of each value's bin under a logistic law; the outer bins reach to infinity."""
    half, scale = 0.5 / (levels - 1), (-logscale).exp()
    upper, lower = (x + half - mu) * scale, (x - half - mu) * scale
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)), which does not cancel in the tails
    inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
    return torch.where(x <= half, F.logsigmoid(upper), torch.where(x >= 1 - half, F.logsigmoid(-lower), inside))


def floored(raw: Tensor, floor: float) -> Tensor:
    """Turn a free number into a log-variance that never falls under log(floor^2), smoothly."""
    low = 2 * math.log(floor)
    return low + F.softplus(raw - low)


def capped(logvar: Tensor, most: float) -> Tensor:
    """Keep a log-variance under log(most^2), smoothly."""
    high = 2 * math.log(most)
    return high - F.softplus(high - logvar)


LEVEL = 0.9  # share that the intervals measured here are to enclose
HALF = NormalDist().inv_cdf(0.5 + LEVEL / 2)  # of a normal distribution's, in standard deviations
