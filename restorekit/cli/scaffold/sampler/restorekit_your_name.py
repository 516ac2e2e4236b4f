"""Draws of p(x | y) by sampling importance resampling: propose, weigh, and draw again by weight.

Reference: Rubin, "Using the SIR Algorithm to Simulate Posterior Distributions", Bayesian Statistics 3, 1988.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit import Corruption, Draws, LatentModel, Model, Observation, Rng, Sampler, UsageError, hookimpl
from restorekit.samplers import evidence, other_than_gaussian, posterior


@dataclass(frozen=True)
class YourName(Sampler):
    """Propose z from q(z | y), weigh each by p(y, z) / q(z | y), and draw among them: exact in the limit of many.

    Parameters
    ----------
    proposals : int
        z tried for each image. All of their pictures are held at once.
    """

    name: ClassVar[str] = "your-name"
    needs_sigma: ClassVar[bool] = True
    shares: ClassVar[bool] = True  # all draws of an image choose among the same proposals

    proposals: int = field(default=200, metadata={"low": 1})

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Return the reason why this pair cannot be sampled; None if it can."""
        if not isinstance(model, LatentModel):
            return f"{self.name} samples unconditional models, {model.name!r} is conditional; remove --sampler"
        if other := other_than_gaussian(corruption):
            return f"{self.name} works with gaussian noise and missing values, not {other}; remove --sampler"
        return None

    def __call__(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Return n draws for each image: mean and variance of p(x | z, y) of the z chosen."""
        if reason := self.refuse(model, corruption):
            raise UsageError(reason)
        weight, mean, variance = self._proposed(model, corruption, observation, rng)
        chosen = _chosen(weight, n, rng)
        image = torch.arange(len(observation), device=weight.device)
        effective = weight.softmax(0).square().sum(0).reciprocal()
        return Draws(mean[chosen, image], variance[chosen, image], {"effective_proposals": effective})

    def _proposed(
        self, model: LatentModel, corruption: Corruption, o: Observation, rng: Rng
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-weights, (K, B), and means and variances of p(x | z, y), (K, B, C, H, W), of K proposals."""
        k, initial = self.proposals, o.initial_estimate(corruption)
        many = o.expand(k)
        q = model.infer(initial.repeat(k, 1, 1, 1), None, many.label)
        z = q.sample(rng.after(0).fork("proposals").expand(k))  # the same ones for draws made later
        likelihood = model.decode(z, many.label)
        weight = evidence(likelihood, many) + model.prior(many.label).log_prob(z) - q.log_prob(z)
        mean, variance = (t.view(k, *initial.shape) for t in posterior(likelihood, many))
        return weight.view(k, -1), mean, variance


def _chosen(weight: Tensor, n: int, rng: Rng) -> Tensor:
    """Draw by log-weight, (K, B): the number, (n, B), of the proposal that is largest once Gumbel noise is added."""
    proposals, images = weight.shape
    u = rng.expand(n).uniform("chosen", (n * images, proposals), weight.device).clamp(1e-9, 1 - 1e-7)
    gumbel = -(-u.log()).log()
    return (weight.T + gumbel.view(n, images, proposals)).argmax(2)


@hookimpl
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Return what this plugin provides."""
    return [YourName]
