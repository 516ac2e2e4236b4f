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

from restorekit.types import Estimate, Observation

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
        observation, y=observation.y * ~hidden, observed=observation.observed & ~hidden, guess=None
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


def weighed_in(prior: Estimate, observation: Observation, sigma: Tensor) -> Estimate:
    """Return the posterior of values with this prior, observed with noise of `sigma`, (B, 1, 1, 1)."""
    assert prior.std is not None
    variance = prior.std**2
    gain = torch.where(observation.observed, variance / (variance + sigma**2).clamp_min(1e-12), 0.0)
    return Estimate(prior.mean + gain * (observation.y - prior.mean), ((1 - gain) * variance).sqrt())
