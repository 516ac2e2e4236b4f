"""Closed-form posterior of a decoder's distribution under Gaussian noise and missing values."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, parts_of
from restorekit.core.distributions import LOG_2PI, DiagonalGaussian, Likelihood, per_image
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation


def has_closed_form(part: Corruption) -> bool:
    """Return whether a part of a chain is Gaussian noise or hides values."""
    return part.hides or part.noise_law in ("gaussian", "none")


def other_than_gaussian(corruption: Corruption) -> str | None:
    """Return the name of a part that is neither Gaussian noise nor hides values; None if there is none."""
    return next((part.name for part in parts_of(corruption) if not has_closed_form(part)), None)


def level(observation: Observation) -> Tensor:
    """Return the standard deviation of the noise, (B, 1, 1, 1); raise UsageError if it is unknown."""
    if observation.sigma is None or bool(observation.sigma.isnan().any()):
        raise UsageError(
            "a sampler needs the noise level, which is unknown; give --sigma auto, or a number such as 25/255"
        )
    return observation.sigma


def posterior(likelihood: Likelihood, observation: Observation) -> tuple[Tensor, Tensor]:
    """Return mean and variance, (B, C, H, W), of p(x | z, y): the decoder's Gaussian times the noise's.

    Precisions add for values observed with noise; values with sigma 0 are exact; missing values keep the decoder's
    distribution, of which the first two moments are used.
    """
    noise = level(observation) ** 2
    gain = torch.where(observation.observed, likelihood.variance / (likelihood.variance + noise).clamp_min(1e-12), 0.0)
    mean = likelihood.mean + gain * (observation.y - likelihood.mean)
    return mean, (1 - gain) * likelihood.variance


def evidence(likelihood: Likelihood, observation: Observation) -> Tensor:
    """Return log p(y | z) = log of the integral of p(y | x) p(x | z) over x, (B,) nats, of the observed values.

    Exact for a Gaussian decoder, and for every decoder if the observed values are exact; under noise, the first two
    moments of another decoder are used.
    """
    sigma = level(observation)
    exact = sigma.flatten() == 0
    if isinstance(likelihood, DiagonalGaussian) or not bool(exact.any()):
        return noisy(likelihood, observation, sigma**2)
    found = likelihood.log_prob(observation.y, observation.observed)
    return found if bool(exact.all()) else torch.where(exact, found, noisy(likelihood, observation, sigma**2))


def noisy(likelihood: Likelihood, observation: Observation, noise: Tensor) -> Tensor:
    """Return log p(y | z), (B,) nats, by the decoder's first two moments under noise of some variance, (B, ...)."""
    return per_image(_log_normal(observation.y, likelihood.mean, likelihood.variance + noise), observation.observed)


def density(likelihood: Likelihood, observation: Observation, x: Tensor) -> Tensor:
    """Return log p(x | z), (B,) nats, of the distribution that `redraw` draws from; by two moments for noisy values."""
    if isinstance(likelihood, DiagonalGaussian):
        return likelihood.log_prob(x)
    moments = observation.observed & (level(observation) > 0)
    return likelihood.log_prob(x, ~moments) + per_image(_log_normal(x, likelihood.mean, likelihood.variance), moments)


def _log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return log N(x; mean, variance) of each value, (B, C, H, W)."""
    variance = variance.clamp_min(1e-12)
    return -0.5 * ((x - mean) ** 2 / variance + variance.log() + LOG_2PI)


def redraw(likelihood: Likelihood, observation: Observation, rng: Rng) -> Tensor:
    """Draw x ~ p(x | z, y), (B, C, H, W): missing values from the decoder itself, noisy ones from `posterior`."""
    mean, variance = posterior(likelihood, observation)
    x = mean + variance.sqrt() * rng.normal("x", tuple(mean.shape), mean.device)
    if isinstance(likelihood, DiagonalGaussian) or bool(observation.observed.all()):
        return x
    return torch.where(observation.observed, x, likelihood.sample(rng.fork("missing")))
