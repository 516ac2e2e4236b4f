"""Conditional variational autoencoder for restoration: p(x, z | y, observed, sigma, label).

A U-Net (the trunk) sees the observation and gives the posterior mean m in one pass. Off its features a spread s is
read, and how random fields of spatial latents z combine to errors: with u = (x - m) / s,

    p(u, z | y) = prod_l N(z_l; 0, 1) N(u; sum_k a_k(y) (w_k * z_k), tau(y)^2),

so z only has to explain how the truth differs from the mean, at every noise level on the same scale.
Nothing that spread, fields and inference network learn flows back into the trunk: the variational part costs the mean
nothing, and the mean over draws is the one-pass estimate.

Filling gaps between exact values and removing noise want different features, and one small trunk for both
is worse at both. So there are two of each, chosen by whether the corruption `hides` values and nothing else;
the one for gaps starts from a guess that is bent through the exact values like a thin plate.

References
----------
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models",
NeurIPS 2015, equation 4. The parts' own references stand in their files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from restorekit.core.contracts import Corruption, Model
from restorekit.core.distributions import LOG_2PI, per_image
from restorekit.core.errors import UsageError
from restorekit.core.interpolation import bend
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Draws, Estimate, Geometry, Observation, Terms
from restorekit.models.cvae.blindspot import noise_loss, predicted, spots, weighed_in, without
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.error_model import ErrorModel, Errors, spread_loss
from restorekit.models.cvae.unet import Outlook, Trunk
from restorekit.models.noise_model import learnt

TINY = (1 / 255) ** 2  # errors under an 8-bit step weigh no more than one; keeps a root's gradient finite
PARTS = {"all": ("",), "trunk": ("trunk.",), "around": ("around.",), "draws": ("fields.mix.", "posterior.")}


class CVAE(Model):
    """Conditional variational autoencoder: learns to undo given damage, restores in one pass, and makes draws."""

    name: ClassVar[str] = "cvae"
    Config: ClassVar[type] = CVAEConfig
    self_supervised: ClassVar[Mapping[str, object] | None] = {"spots": 4, "filling": False}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "small": {
            "widths": (16, 32), "encoder": (1, 1), "decoder": (1,), "levels": 3, "context": 16, "recogniser": 16,
            "filling": False, "filling_widths": (16, 32), "filling_encoder": (1, 1), "filling_decoder": (1,),
        },
        "large": {
            "widths": (64, 128, 192), "encoder": (4, 3, 2), "decoder": (4, 2), "filling_widths": (64, 128, 192),
            "filling_encoder": (4, 3, 2), "filling_decoder": (4, 2),
        },
    }  # fmt: skip

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__(config)
        self.trunk, self.around = Trunk(config), ErrorModel(config)
        self.grain = learnt(config.grain, config.noise)
        halo = config.halo
        if config.filling:
            second = config.for_filling()
            self.filling_trunk, self.filling_around = Trunk(second), ErrorModel(second)
            halo = max(halo, second.halo)
        self.geometry = Geometry(None, 2 ** max(len(config.widths), config.levels - 1), halo, (1, 3))

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the parts that learn."""
        chosen = PARTS[self.config.learns]
        return {"model": [p for name, p in self.named_parameters() if any(part in name for part in chosen)]}

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the trunk's error, the Gaussian score of its spread, and the fields' negative ELBO; unknown values."""
        if batch.x is None and self.config.spots:
            return self._unseen_terms(batch, rng)
        x, observation = _truth(batch), batch.observation
        if not self._fills(batch.corruption):
            observation = self._hide_sigma(observation, rng)
        scored = observation.unknown().expand_as(x)
        count = scored.flatten(1).sum(1).clamp_min(1).to(x.dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learns in ("all", "trunk")):
            outlook, around = self._look(observation, batch.corruption)
        error = torch.where(scored, x - outlook.mean, 0.0)
        mse = per_image(error**2) / count
        loss = (mse + TINY).sqrt().mean()
        parts = {"regression": 0.5 * count * (torch.log(mse.clamp_min(1e-10)) + LOG_2PI + 1)}
        if self.config.learns != "trunk":
            share = max(1, round(self.config.latent_share * len(x))) if self.training else len(x)
            side = around.terms(error.detach(), scored, outlook.features, share, rng)
            fields = self.bound(around, side.errors, rng)
            # what stands around the trunk has weights of its own: a small factor only keeps it out of the clipping norm
            beside = fields.loss / count[:share].mean() + float(self.config.octaves) * side.mismatch
            loss = loss + 0.01 * (side.spread_loss.mean() + beside)
            parts |= {"spread": side.score, **fields.parts}
        return Terms(loss, {k: v.detach().mean() for k, v in parts.items()})

    def bound(self, around: ErrorModel, errors: Errors, rng: Rng) -> Terms:
        """Return the negative ELBO of what fields and inference network say of errors, with weighted rate."""
        distortion, inferred = around.explain(errors, rng)
        rate = torch.stack([per_image(kl) for kl in inferred.rates]).sum(0)
        loss = distortion.mean() + self._rate(inferred.rates)
        return Terms(loss, {"distortion": distortion.detach().mean(), "rate": rate.detach().mean()})

    def _unseen_terms(self, batch: Batch, rng: Rng) -> Terms:
        """Return how far predictions of hidden values are from what was observed of them, and the spread's score."""
        o = batch.observation if self.grain is None else replace(batch.observation, sigma=None)
        which = (self.config.spots**2 * rng.uniform("spots", (len(o), 1), "cpu")).long().flatten()
        hidden = spots(o, self.config.spots, which)
        outlook, around = self._look(replace(without(o, hidden), sigma=self._level(o)), batch.corruption)
        scored = (hidden & o.observed).expand_as(o.y)
        count = scored.flatten(1).sum(1).clamp_min(1).to(o.y.dtype)
        error = torch.where(scored, o.y - outlook.mean, 0.0)
        mse = per_image(error**2) / count
        logvar = around(tuple(f.detach() for f in outlook.features), o.shape[0])
        grain = self._variance(o, outlook.mean.detach()).clamp_min(1e-12)
        seen = torch.logaddexp(logvar, grain.detach().log())  # of a noisy value
        spread = spread_loss(error.detach(), seen, scored)
        score = 0.5 * per_image(error.detach() ** 2 / seen.exp() + seen + LOG_2PI, scored)
        loss = spread.mean()
        if self.grain is not None:
            loss = loss + noise_loss(error.detach(), logvar.detach(), grain, scored)
        parts = {"regression": 0.5 * count * (torch.log(mse.clamp_min(1e-10)) + LOG_2PI + 1), "spread": score}
        return Terms((mse + TINY).sqrt().mean() + 0.01 * loss, {k: v.detach().mean() for k, v in parts.items()})

    def _variance(self, observation: Observation, x: Tensor) -> Tensor:
        """Return the variance of the noise at values x, (B, C, H, W): as told, else as of what was learnt from."""
        told = (self._level(observation) ** 2).expand_as(x)
        return told if self.grain is None else torch.where(told.isnan(), self.grain.variance(x), told)

    def _level(self, observation: Observation) -> Tensor:
        """Return the noise of each image, (B, 1, 1, 1): as told, else as of what was learnt from; NaN = learnt too."""
        own = torch.full_like(observation.y[:, :1, :1, :1], self.config.noise if self.grain is None else torch.nan)
        sigma = observation.sigma
        return own if sigma is None else torch.where(sigma.isnan(), own, sigma)

    def _hide_sigma(self, observation: Observation, rng: Rng) -> Observation:
        """Make a share of the images blind."""
        if observation.sigma is None or not self.training:
            return observation
        coin = rng.uniform("blind", (len(observation), 1, 1, 1), observation.y.device)
        return replace(observation, sigma=torch.where(coin < self.config.blind, torch.nan, observation.sigma))

    def _look(self, observation: Observation, corruption: Corruption) -> tuple[Outlook, ErrorModel]:
        """Return what the trunk for this corruption says, and what goes with it."""
        initial = observation.initial_estimate(corruption)
        if not self._fills(corruption):
            return self.trunk(initial, observation), self.around
        initial = bend(initial, observation.observed)
        exact = replace(observation, sigma=initial.new_zeros(len(initial), 1, 1, 1))
        return self.filling_trunk(initial, exact), self.filling_around

    def _fills(self, corruption: Corruption) -> bool:
        return self.config.filling and corruption.hides

    def _rate(self, rates: list[Tensor]) -> Tensor:
        """Return the weighted rate with free bits, scalar nats per image (Kingma et al. 2016, eq. 15)."""
        free = [self.config.free_bits * kl[0, 0].numel() for kl in rates]
        total = [per_image(kl).mean().clamp_min(least) for kl, least in zip(rates, free, strict=True)]
        return torch.stack(total).sum() * float(self.config.beta)

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return the trunk's mean and the standard deviation around it."""
        if not self.config.spots:
            return self._predict(observation, corruption)
        told = replace(observation, sigma=self._level(observation))
        prior = predicted(told, self.config.spots, lambda o: self._predict(o, corruption))
        return weighed_in(prior, told, self._variance(observation, prior.mean))

    def noise_spec(self) -> str | None:
        """Return what was told or learnt of the noise, with `spots`; else it learnt from clean images."""
        if self.grain is not None:
            return self.grain.spec()
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.spots and self.config.noise else None

    def _predict(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return what one pass says."""
        outlook, around = self._look(observation, corruption)
        logvar: Tensor = around(outlook.features, observation.shape[0])
        return Estimate(outlook.mean, (0.5 * logvar).exp())

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws: the trunk runs once, the fields n times; with `spots`, each value is drawn by itself."""
        if self.config.spots:
            found = self.estimate(observation, corruption)
            assert found.std is not None
            (count, *rest), device = found.mean.shape, found.mean.device
            white = rng.expand(n).normal("x", (n * count, *rest), device).view(n, count, *rest)
            return Draws(found.mean + found.std * white, None)
        outlook, around = self._look(observation, corruption)
        s, likelihood = around.draw(outlook.features, observation.shape, rng.expand(n), n)
        shape = (n, *outlook.mean.shape)
        return Draws(outlook.mean + s * likelihood.mean.view(shape), s**2 * likelihood.variance.view(shape))

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return KL per level in nats per image, finest first, and the count of latent channels in use."""
        if batch.x is None and self.config.spots:
            return {}
        x = _truth(batch)
        outlook, around = self._look(batch.observation, batch.corruption)
        scored = batch.observation.unknown().expand_as(x)
        side = around.terms(torch.where(scored, x - outlook.mean, 0.0), scored, outlook.features, len(x), rng)
        rates = around.explain(side.errors, rng)[1].rates
        found = {f"kl_{2**i}": per_image(kl).mean() for i, kl in enumerate(rates)}
        active = torch.cat([(kl.mean((0, 2, 3)) > math.log(1.01) / 2).float() for kl in rates])
        return {**found, "active_units": active.sum()}


def _truth(batch: Batch) -> Tensor:
    if batch.x is None:
        raise UsageError("a cvae learns from damaged images alone with spots of 1 or more, got 0; leave spots out")
    return batch.x
