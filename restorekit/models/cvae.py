"""Conditional variational autoencoder for restoration: p(x, z | y, observed, sigma, label).

A U-Net (the trunk) sees the observation and gives the posterior mean m and standard deviation s in one
pass. A ladder of spatial latents on the trunk's features gives draws: with u = (x - m) / s,

    p(u, z | y) = prod_l N(z_l; prior_l(z_<l, y)) N(u; mean(z, y), tau(z, y)^2),

so z only has to explain how the truth differs from the mean, at every noise level on the same scale.
Nothing that the ladder learns flows back into the trunk: the variational part costs the mean nothing.

Filling gaps between exact values and removing noise want different features, and one small trunk for both
is worse at both. So there are two of each, chosen by whether the corruption `hides` values and nothing else;
the one for gaps starts from a guess that is bent through the exact values like a thin plate.

References
----------
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models",
NeurIPS 2015, equation 4. The trunk's and the ladder's own references stand in their files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Corruption, Model
from restorekit.fill import bend
from restorekit.likelihoods import LOG_2PI, DiagonalGaussian, per_image
from restorekit.models.ladder import Ladder
from restorekit.models.trunk import CVAEConfig, Outlook, Trunk
from restorekit.noise import Noise
from restorekit.types import Batch, Draws, Estimate, Geometry, Observation, Terms

TINY = (1 / 255) ** 2  # errors under an 8-bit step weigh no more than one; keeps a root's gradient finite


class CVAE(Model):
    """Conditional variational autoencoder: learns to undo given damage, restores in one pass, and makes draws."""

    name: ClassVar[str] = "cvae"
    Config: ClassVar[type] = CVAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "small": {
            "widths": (16, 32), "encoder": (1, 1), "decoder": (1,), "latents": (4, 4), "ladder": 16, "filling": False,
            "filling_widths": (16, 32), "filling_encoder": (1, 1), "filling_decoder": (1,),
        },
    }  # fmt: skip

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__(config)
        self.trunk = Trunk(config)
        self.ladder = Ladder(config)
        halo = config.halo
        if config.filling:
            second = config.for_filling()
            self.filling_trunk, self.filling_ladder = Trunk(second), Ladder(second)
            halo = max(halo, second.halo)
        self.geometry = Geometry(None, 2 ** len(config.widths), halo, (1, 3))

    def terms(self, batch: Batch, noise: Noise, group: str = "model") -> Terms:
        """Return the trunk's error and Gaussian score, and the ladder's negative ELBO, over unknown values."""
        x, observation = _truth(batch), batch.observation
        if not self._fills(batch.corruption):
            observation = self._hide_sigma(observation, noise)
        scored = observation.unknown().expand_as(x)
        count = scored.flatten(1).sum(1).clamp_min(1).to(x.dtype)
        outlook, ladder = self._look(observation, batch.corruption)
        mse = per_image((x - outlook.mean) ** 2, scored) / count
        score = -_gaussian(outlook).log_prob(x, scored)
        share = max(1, round(self.config.ladder_share * len(x))) if self.training else len(x)
        distortion, rates = _ladder_terms(ladder, x[:share], scored[:share], _first(outlook, share), noise)
        rate = self._rate(rates)
        nelbo = distortion.mean() + rate
        # spread and ladder have weights of their own: small factors only keep them out of the clipping norm
        side = _spread_loss(outlook, x, scored).mean() + nelbo / count[:share].mean()
        loss = (mse + TINY).sqrt().mean() + 0.01 * side
        regression = 0.5 * count * (torch.log(mse.clamp_min(1e-10)) + LOG_2PI + 1)
        parts = {
            "regression": regression,
            "spread": score,
            "distortion": distortion,
            "rate": torch.stack(_total(rates)).sum(0),
        }
        return Terms(loss, {k: v.detach().mean() for k, v in parts.items()})

    def _hide_sigma(self, observation: Observation, noise: Noise) -> Observation:
        """Make a share of the images blind."""
        if observation.sigma is None or not self.training:
            return observation
        coin = noise.uniform("blind", (len(observation), 1, 1, 1), observation.y.device)
        return replace(observation, sigma=torch.where(coin < self.config.blind, torch.nan, observation.sigma))

    def _look(self, observation: Observation, corruption: Corruption) -> tuple[Outlook, Ladder]:
        """Return what the trunk for this corruption says, and the ladder that goes with it."""
        guess = observation.first_guess(corruption)
        if not self._fills(corruption):
            return self.trunk(guess, observation), self.ladder
        guess = bend(guess, observation.observed)
        exact = replace(observation, sigma=guess.new_zeros(len(guess), 1, 1, 1))
        return self.filling_trunk(guess, exact), self.filling_ladder

    def _fills(self, corruption: Corruption) -> bool:
        return self.config.filling and corruption.hides

    def _rate(self, rates: list[Tensor]) -> Tensor:
        """Return the weighted rate with free bits, scalar nats per image (Kingma et al. 2016, eq. 15)."""
        free = [self.config.free_bits * kl[0, 0].numel() for kl in rates]
        total = [kl.mean().clamp_min(least) for kl, least in zip(_total(rates), free, strict=True)]
        return torch.stack(total).sum() * float(self.config.beta)

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return the trunk's mean and standard deviation."""
        outlook, _ = self._look(observation, corruption)
        return Estimate(outlook.mean, (0.5 * outlook.logvar).exp())

    def sample(self, observation: Observation, corruption: Corruption, n: int, noise: Noise) -> Draws:
        """Return n draws: the trunk runs once, the ladder n times."""
        b, (channels, h, w) = len(observation), observation.shape
        outlook, ladder = self._look(observation, corruption)
        features = tuple(f.repeat(n, 1, 1, 1) for f in outlook.features)
        likelihood, _ = ladder(features, None, noise.expand(n), channels)
        s = (0.5 * outlook.logvar).exp()
        shape = (n, b, channels, h, w)
        return Draws(outlook.mean + s * likelihood.mean.view(shape), s**2 * likelihood.variance.view(shape))

    def diagnose(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Return KL per level in nats per image, coarsest first, and the dead levels' count."""
        x, observation = _truth(batch), batch.observation
        outlook, ladder = self._look(observation, batch.corruption)
        _, rates = _ladder_terms(ladder, x, observation.unknown().expand_as(x), outlook, noise)
        levels = len(rates)
        found = {f"kl_{2 ** (levels - i)}": kl.mean() for i, kl in enumerate(_total(rates))}
        active = torch.cat([(kl.mean((0, 2, 3)) > math.log(1.01) / 2).float() for kl in rates])
        return {**found, "active_units": active.sum()}


def _ladder_terms(
    ladder: Ladder, x: Tensor, scored: Tensor, outlook: Outlook, noise: Noise
) -> tuple[Tensor, list[Tensor]]:
    """Return -log p(x | z, y), (B,) nats over the scored values, and the KL of each level."""
    s = (0.5 * outlook.logvar).exp()
    u = torch.where(scored, (x - outlook.mean) / s, 0.0)
    seen = ladder.recognise(u, scored, outlook.features)
    likelihood, rates = ladder(outlook.features, seen, noise, x.shape[1])
    return per_image(s.log(), scored) - likelihood.log_prob(u, scored), rates


def _truth(batch: Batch) -> Tensor:
    if batch.x is None:
        raise ValueError("a cvae learns from clean images; got a batch without them")
    return batch.x


def _gaussian(outlook: Outlook) -> DiagonalGaussian:
    """Return N(m, s^2) with the mean held still, so that fitting the variance does not spoil it."""
    return DiagonalGaussian(outlook.mean.detach(), outlook.logvar)


def _spread_loss(outlook: Outlook, x: Tensor, scored: Tensor) -> Tensor:
    """Return the Gaussian score per value, (B,), each value weighted by its standard deviation.

    Unweighted, the many values that are sure outvote the few that are not, whose variance then comes out several
    times too large: beta-NLL with beta = 0.5 (Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
    Estimation with Probabilistic Neural Networks", ICLR 2022).
    """
    s = (0.5 * outlook.logvar).exp()
    weight = torch.where(scored, s.detach(), 0.0)
    score = 0.5 * ((x - outlook.mean.detach()) ** 2 / s**2 + outlook.logvar)
    return per_image(weight * score) / per_image(weight).clamp_min(1e-6)


def _first(outlook: Outlook, count: int) -> Outlook:
    """Cut the first images of the batch, detached from the trunk."""
    features = tuple(f[:count].detach() for f in outlook.features)
    return Outlook(outlook.mean[:count].detach(), outlook.logvar[:count].detach(), features)


def _total(rates: list[Tensor]) -> list[Tensor]:
    """Sum each level's KL, (B, C, h, w), over its grid: (B,) nats."""
    return [per_image(kl) for kl in rates]
