"""Blind-spot denoising without clean images: each value is predicted from its neighbours, then combined with itself.

A prediction of a hidden value cannot follow its noise, so that the squared distance from the noisy value is smallest at
the mean of the clean one. Mean and spread of the prediction are a prior of the value, and the observation is its
likelihood.

References
----------
Batson, Royer, "Noise2Self: Blind Denoising by Self-Supervision", ICML 2019, section 3: values hidden on a grid.
Laine, Karras, Lehtinen, Aila, "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019, section 3: posterior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from restorekit.core.types import Estimate, Observation
from restorekit.models.noise_model import NOISE_DISCOUNT

Predict = Callable[[Observation], Estimate]


def spots(observation: Observation, side: int, which: Tensor) -> Tensor:
    """Return a mask, (B, 1, H, W), of pixel number `which`, (B,) from 0, in every square of `side` x `side` pixels."""
    height, width = observation.y.shape[2:]
    device = observation.y.device
    rows = torch.arange(height, device=device)[None, :] % side == (which // side)[:, None].to(device)
    columns = torch.arange(width, device=device)[None, :] % side == (which % side)[:, None].to(device)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def without(observation: Observation, hidden: Tensor) -> Observation:
    """Return an observation without hidden values, a mask (B, 1, H, W)."""
    return replace(observation, y=observation.y * ~hidden, observed=observation.observed & ~hidden, initial=None)


def predicted(observation: Observation, side: int, predict: Predict) -> Estimate:
    """Predict every value from the others, with one pass for each pixel of a square."""
    mean, std = torch.zeros_like(observation.y), torch.zeros_like(observation.y)
    for number in range(side**2):
        hidden = spots(observation, side, torch.full((len(observation),), number))
        found = predict(without(observation, hidden))
        assert found.std is not None
        mean, std = torch.where(hidden, found.mean, mean), torch.where(hidden, found.std, std)
    return Estimate(mean, std)


def combine(prior: Estimate, observation: Observation, noise: Tensor) -> Estimate:
    """Return the posterior of values with a Gaussian prior, observed with noise of some variance, (B, C, H, W)."""
    assert prior.std is not None
    variance = prior.std**2
    gain = torch.where(observation.observed, variance / (variance + noise).clamp_min(1e-12), 0.0)
    return Estimate(prior.mean + gain * (observation.y - prior.mean), ((1 - gain) * variance).sqrt())


def noise_loss(error: Tensor, logvar: Tensor, noise: Tensor, scored: Tensor) -> Tensor:
    """Return the Gaussian score per value of errors under the sum of a fixed spread and a learnt noise variance.

    Noise costs a little less than spread, because nothing else distinguishes them in an image that is equally hard to
    predict everywhere (Laine et al., section 3).

    Parameters
    ----------
    error, logvar, noise : Tensor, (B, C, H, W)
        Observed minus predicted values, log-variance of the prediction, and variance of the noise, which is learnt.
    scored : Tensor of bool, (B, C, H, W)
        Values that count.
    """
    total = logvar.exp() + noise
    values = 0.5 * (error**2 / total + total.log()) - NOISE_DISCOUNT * noise.sqrt()
    return torch.where(scored, values, 0.0).sum() / scored.sum().clamp_min(1)
