"""Learning to restore from damaged images alone: each value is predicted from those around it, and then weighed in.

What a network says of a value that it was not shown cannot follow that value's noise, so that its squared distance from
the noisy value itself is least at the mean of the clean one. Mean and spread of that prediction are a prior for the
value, and what was observed of it the likelihood.

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
from restorekit.models.noise_model import CHEAPER

Predict = Callable[[Observation], Estimate]


def spots(observation: Observation, side: int, which: Tensor) -> Tensor:
    """Return True, (B, 1, H, W), at one pixel of every square of `side` pixels, numbered `which`, (B,) from 0 on."""
    height, width = observation.y.shape[2:]
    device = observation.y.device
    rows = torch.arange(height, device=device)[None, :] % side == (which // side)[:, None].to(device)
    columns = torch.arange(width, device=device)[None, :] % side == (which % side)[:, None].to(device)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def without(observation: Observation, hidden: Tensor) -> Observation:
    """Return what is left of an observation where values are hidden, (B, 1, H, W)."""
    return replace(
        observation, y=observation.y * ~hidden, observed=observation.observed & ~hidden, initial=None
    )  # fmt: skip


def predicted(observation: Observation, side: int, predict: Predict) -> Estimate:
    """Predict every value from the others: one pass for each pixel of a square."""
    mean, std = torch.zeros_like(observation.y), torch.zeros_like(observation.y)
    for number in range(side**2):
        hidden = spots(observation, side, torch.full((len(observation),), number))
        found = predict(without(observation, hidden))
        assert found.std is not None
        mean, std = torch.where(hidden, found.mean, mean), torch.where(hidden, found.std, std)
    return Estimate(mean, std)


def weighed_in(prior: Estimate, observation: Observation, noise: Tensor) -> Estimate:
    """Return the posterior of values with this prior, observed with noise of that variance, (B, C, H, W)."""
    assert prior.std is not None
    variance = prior.std**2
    gain = torch.where(observation.observed, variance / (variance + noise).clamp_min(1e-12), 0.0)
    return Estimate(prior.mean + gain * (observation.y - prior.mean), ((1 - gain) * variance).sqrt())


def noise_loss(error: Tensor, logvar: Tensor, noise: Tensor, scored: Tensor) -> Tensor:
    """Return how badly noise of some variance explains errors, beside a spread that is given, per value.

    To call an error noise is a little cheaper than to call it doubt, as nothing else keeps the two apart where an image
    is as hard to predict everywhere (Laine et al., section 3).

    Parameters
    ----------
    error, logvar, noise : Tensor, (B, C, H, W)
        Observed less predicted values, log-variance of the prediction, and variance of the noise, which learns.
    scored : Tensor of bool, (B, C, H, W)
        Which values count.
    """
    total = logvar.exp() + noise
    values = 0.5 * (error**2 / total + total.log()) - CHEAPER * noise.sqrt()
    return torch.where(scored, values, 0.0).sum() / scored.sum().clamp_min(1)
