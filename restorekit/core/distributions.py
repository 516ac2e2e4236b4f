"""Distributions of latent models, p(x | z), q(z | x) and p(z): their contracts and implementations, in nats per image.

z is a tensor or, in a hierarchical model, a tuple with the level nearest the pixels last; each level is conditional on
those before it. Distributions of such a z may also implement `Levelled` and `Tempered`. A temperature, which multiplies
standard deviations, is then one number for all levels or one for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.rng import Rng

Temperature = float | tuple[float, ...]  # of all levels of z, or of each


def each(temperature: Temperature, levels: int) -> tuple[float, ...]:
    """Return one temperature for each level of z, from one for all or a tuple."""
    return temperature if isinstance(temperature, tuple) else (temperature,) * levels


class Likelihood(Protocol):
    """p(x | z) of a decoder."""

    @property
    def mean(self) -> Tensor:
        """Mean, (B, C, H, W)."""

    @property
    def variance(self) -> Tensor:
        """Variance, (B, C, H, W)."""

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x | z), (B,) nats, over the observed values (all where None), constants kept."""

    def sample(self, rng: Rng) -> Tensor:
        """Draw x, (B, C, H, W)."""


class Latents(Protocol):
    """q(z | x): a distribution over latents; z is a tensor, or a tuple with the level nearest the pixels last."""

    @property
    def mean(self) -> Any:
        """Mean of z; for a hierarchical z the mean of each level conditional on the means of those before it."""

    def sample(self, rng: Rng, temperature: float = 1.0) -> Any:
        """Draw z."""

    def log_prob(self, z: Any) -> Tensor:
        """Return log q(z), (B,) nats."""


class Prior(Protocol):
    """p(z)."""

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: float = 1.0) -> Any:
        """Draw n latents for images of shape (C, H, W)."""

    def log_prob(self, z: Any) -> Tensor:
        """Return log p(z), (B,) nats."""


@runtime_checkable
class Levelled(Protocol):
    """Hierarchical q(z | x) or p(z) with a log-density and a temperature for each level."""

    def log_probs(self, z: Any) -> tuple[Tensor, ...]:
        """Return the log-density of each level conditional on those before it, (B,) nats; their sum is `log_prob`."""


@runtime_checkable
class Tempered(Protocol):
    """Hierarchical q(z | x) that can be pulled towards the prior, at each level by its own temperature."""

    def tempered(self, temperatures: tuple[float, ...]) -> Any:
        """Return the mean of z if each level's prior had its standard deviation multiplied by a temperature.

        One temperature for each level, that nearest the pixels last; all 1 give `mean`. If the joint mean is not known,
        it may be found level by level from the top down, as in PnP-HVAE: for q and p Gaussian conditional on the levels
        before, their product has precision 1 / var_q + (1 / temperature^2 - 1) / var_p.
        """


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

    def sample(self, rng: Rng, temperature: float = 1.0) -> Tensor:
        """Draw a value; `temperature` multiplies the standard deviation."""
        eps = rng.normal(self.name, tuple(self.mu.shape), self.mu.device, self.stride)
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

    def sample(self, rng: Rng) -> Tensor:
        """Draw zeros and ones."""
        u = rng.uniform("bernoulli", tuple(self.logits.shape), self.logits.device)
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

    def sample(self, rng: Rng) -> Tensor:
        """Draw values on the grid of `levels`."""
        u = rng.uniform("logistic", tuple(self.mu.shape), self.mu.device).clamp(1e-6, 1 - 1e-6)
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
    """Map a real number smoothly to a log-variance above log(floor^2)."""
    low = 2 * math.log(floor)
    return low + F.softplus(raw - low)


def capped(logvar: Tensor, most: float) -> Tensor:
    """Limit a log-variance smoothly to log(most^2)."""
    high = 2 * math.log(most)
    return high - F.softplus(high - logvar)


LEVEL = 0.9  # nominal coverage of the intervals that evaluation and self-check measure
HALF = NormalDist().inv_cdf(0.5 + LEVEL / 2)  # half-width of that interval of a normal law, in standard deviations


MIN_LOG_SCALE, MAX_LOG_SCALE = -7.0, 1.0  # of a scale on [0, 1]


@dataclass(frozen=True, eq=False)
class LogisticMixture:
    """Mixture of logistic distributions, integrated over the bins of an 8-bit image.

    The channels of a pixel share their component and are independent conditional on it: colours stay together, and the
    law of some channels of a pixel is exact if others are missing. (PixelCNN++ makes channels depend on each other in
    turn, for which no such marginal is known.)

    Reference: Salimans, Karpathy, Chen, Kingma, "PixelCNN++", ICLR 2017, equations 1 and 2.

    Parameters
    ----------
    logits : Tensor, (B, K, 1, H, W)
        Log-weights of the components, up to a constant.
    mu, logscale : Tensor, (B, K, C, H, W)
        Centre on [0, 1] and log of the scale of each component.
    levels : int
        Number of bins; 256 for 8-bit images.
    """

    logits: Tensor
    mu: Tensor
    logscale: Tensor
    levels: int = 256

    @classmethod
    def read(cls, raw: Tensor, channels: int) -> LogisticMixture:
        """Build a mixture from a network's output, (B, K (1 + 2 C), H, W); components start spread over [0, 1]."""
        b, values, h, w = raw.shape
        k = values // (1 + 2 * channels)
        logits, rest = raw[:, :k].view(b, k, 1, h, w), raw[:, k:].view(b, k, 2 * channels, h, w)
        mu, logscale = rest.chunk(2, 2)
        centres = torch.linspace(0, 1, k, device=raw.device).view(1, k, 1, 1, 1) if k > 1 else 0.5
        return cls(logits, mu + centres, (logscale - 2).clamp(MIN_LOG_SCALE, MAX_LOG_SCALE))

    @cached_property
    def weights(self) -> Tensor:
        """Weights of the components, (B, K, 1, H, W), that add up to 1."""
        return self.logits.softmax(1)

    @cached_property
    def mean(self) -> Tensor:
        """Mean of the centres, clipped to [0, 1], (B, C, H, W)."""
        return (self.weights * self.mu.clamp(0, 1)).sum(1)

    @cached_property
    def variance(self) -> Tensor:
        """Variance between components and within, before values are cut into bins, (B, C, H, W)."""
        within = (2 * self.logscale).exp() * (math.pi**2 / 3)
        between = (self.mu.clamp(0, 1) - self.mean[:, None]) ** 2
        return (self.weights * (within + between)).sum(1)

    def sample(self, rng: Rng) -> Tensor:
        """Draw values on the grid of `levels`."""
        b, _, c, h, w = self.mu.shape
        which = rng.uniform("component", (b, 1, h, w), self.mu.device)[:, None]
        chosen = (self.weights.cumsum(1) < which).sum(1, keepdim=True).clamp_max(self.mu.shape[1] - 1)
        index = chosen.expand(-1, -1, c, -1, -1)
        mu, logscale = self.mu.gather(1, index)[:, 0], self.logscale.gather(1, index)[:, 0]
        u = rng.uniform("logistic", (b, c, h, w), mu.device).clamp(1e-6, 1 - 1e-6)
        x = mu + logscale.exp() * torch.logit(u)
        return (x.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the log-probability of the bins that x falls into, (B,) nats, of the observed values."""
        values = logistic_bins(x[:, None], self.mu, self.logscale, self.levels)
        if observed is not None:
            values = torch.where(observed[:, None], values, 0.0)
        of_pixel = (self.logits.log_softmax(1) + values.sum(2, keepdim=True)).logsumexp(1)
        return per_image(of_pixel)
