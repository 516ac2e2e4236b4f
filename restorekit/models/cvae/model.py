"""Conditional variational autoencoder for restoration: p(x, z | y, observed, sigma, label).

A U-Net (the trunk) maps the observation to the posterior mean m in one pass. An error model computes from its features
a spread s and gains a_k, by which random fields of spatial latents z combine to errors: with u = (x - m) / s,

    p(u, z | y) = prod_l N(z_l; 0, 1) N(u; sum_k a_k(y) (w_k * z_k), tau(y)^2),

so z only explains how the truth differs from the mean, at every noise level on the same scale. No gradient flows from
the error model into the trunk: the variational part costs the mean nothing, and the mean over draws is the one-pass
estimate.

Filling gaps between exact values and removing noise need different features, and one small trunk for both is worse at
both. So there are two trunks with an error model each; one of them is for corruptions that only hide values (`hides`).
Its initial estimate is bent through the exact values like a thin plate.

References
----------
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models",
NeurIPS 2015, equation 4. References for the parts are in their files.
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
from restorekit.models.cvae.blindspot import combine, noise_loss, predicted, spots, without
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.error_model import ErrorModel, ErrorSample, spread_loss
from restorekit.models.cvae.unet import Prediction, Trunk
from restorekit.models.noise_model import make_noise_model

TINY = (1 / 255) ** 2  # errors below an 8-bit step count as one; keeps the gradient of the root finite
PARTS = {"all": ("",), "trunk": ("trunk.",), "around": ("around.",), "draws": ("fields.mix.", "posterior.")}


class CVAE(Model):
    """Conditional variational autoencoder: learns to undo a corruption, restores in one pass, and draws samples."""

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
        self.grain = make_noise_model(config.grain, config.noise)
        halo = config.halo
        if config.filling:
            second = config.for_filling()
            self.filling_trunk, self.filling_around = Trunk(second), ErrorModel(second)
            halo = max(halo, second.halo)
        self.geometry = Geometry(None, 2 ** max(len(config.widths), config.levels - 1), halo, (1, 3))

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the parts to train."""
        chosen = PARTS[self.config.learns]
        return {"model": [p for name, p in self.named_parameters() if any(part in name for part in chosen)]}

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the trunk's error, the Gaussian score of its spread, and the fields' negative ELBO; unknown values."""
        if batch.x is None and self.config.spots:
            return self._blind_spot_terms(batch, rng)
        x, observation = _clean(batch), batch.observation
        if not self._fills(batch.corruption) and observation.sigma is not None and self.training:
            coin = rng.uniform("blind", (len(observation), 1, 1, 1), observation.y.device)
            sigma = torch.where(coin < self.config.blind, torch.nan, observation.sigma)
            observation = replace(observation, sigma=sigma)
        scored = observation.unknown().expand_as(x)
        count = scored.flatten(1).sum(1).clamp_min(1).to(x.dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learns in ("all", "trunk")):
            prediction, error_model = self._predict(observation, batch.corruption)
        error = torch.where(scored, x - prediction.mean, 0.0)
        mse = per_image(error**2) / count
        loss = (mse + TINY).sqrt().mean()
        parts = {"regression": 0.5 * count * (torch.log(mse.clamp_min(1e-10)) + LOG_2PI + 1)}
        if self.config.learns != "trunk":
            share = max(1, round(self.config.latent_share * len(x))) if self.training else len(x)
            found = error_model.terms(error.detach(), scored, prediction.features, share, rng)
            fields = self.bound(error_model, found.errors, rng)
            # the error model has weights of its own: a small factor only keeps it out of the gradient norm for clipping
            draws_loss = fields.loss / count[:share].mean() + float(self.config.octaves) * found.mismatch
            loss = loss + 0.01 * (found.spread_loss.mean() + draws_loss)
            parts |= {"spread": found.score, **fields.parts}
        return Terms(loss, {k: v.detach().mean() for k, v in parts.items()})

    def bound(self, error_model: ErrorModel, errors: ErrorSample, rng: Rng) -> Terms:
        """Return the negative ELBO of errors under fields and inference network, with weighted rate.

        The rate has free bits (Kingma et al. 2016, equation 15).
        """
        distortion, inferred = error_model.explain(errors, rng)
        rate = torch.stack([per_image(kl) for kl in inferred.rates]).sum(0)
        free = [self.config.free_bits * kl[0, 0].numel() for kl in inferred.rates]
        paid = [per_image(kl).mean().clamp_min(floor) for kl, floor in zip(inferred.rates, free, strict=True)]
        loss = distortion.mean() + torch.stack(paid).sum() * float(self.config.beta)
        return Terms(loss, {"distortion": distortion.detach().mean(), "rate": rate.detach().mean()})

    def _blind_spot_terms(self, batch: Batch, rng: Rng) -> Terms:
        """Return the error of predictions of hidden values from the observed ones, and the score of its spread."""
        o = batch.observation if self.grain is None else replace(batch.observation, sigma=None)
        which = (self.config.spots**2 * rng.uniform("spots", (len(o), 1), "cpu")).long().flatten()
        hidden = spots(o, self.config.spots, which)
        prediction, error_model = self._predict(replace(without(o, hidden), sigma=self._level(o)), batch.corruption)
        scored = (hidden & o.observed).expand_as(o.y)
        count = scored.flatten(1).sum(1).clamp_min(1).to(o.y.dtype)
        error = torch.where(scored, o.y - prediction.mean, 0.0)
        mse = per_image(error**2) / count
        logvar = error_model(tuple(f.detach() for f in prediction.features), o.shape[0])
        noise = self._noise_variance(o, prediction.mean.detach()).clamp_min(1e-12)
        total = torch.logaddexp(logvar, noise.detach().log())  # log-variance of a noisy value
        spread = spread_loss(error.detach(), total, scored)
        score = 0.5 * per_image(error.detach() ** 2 / total.exp() + total + LOG_2PI, scored)
        loss = spread.mean()
        if self.grain is not None:
            loss = loss + noise_loss(error.detach(), logvar.detach(), noise, scored)
        parts = {"regression": 0.5 * count * (torch.log(mse.clamp_min(1e-10)) + LOG_2PI + 1), "spread": score}
        return Terms((mse + TINY).sqrt().mean() + 0.01 * loss, {k: v.detach().mean() for k, v in parts.items()})

    def _noise_variance(self, observation: Observation, x: Tensor) -> Tensor:
        """Return the noise variance at values x, (B, C, H, W): of the observation, else of the training images."""
        known = (self._level(observation) ** 2).expand_as(x)
        return known if self.grain is None else torch.where(known.isnan(), self.grain.variance(x), known)

    def _level(self, observation: Observation) -> Tensor:
        """Return sigma, (B, 1, 1, 1): of the observation, else of the training images; NaN = by the noise model."""
        own = torch.full_like(observation.y[:, :1, :1, :1], self.config.noise if self.grain is None else torch.nan)
        sigma = observation.sigma
        return own if sigma is None else torch.where(sigma.isnan(), own, sigma)

    def _predict(self, observation: Observation, corruption: Corruption) -> tuple[Prediction, ErrorModel]:
        """Return the prediction of the trunk for this corruption, and the error model of that trunk."""
        initial = observation.initial_estimate(corruption)
        if not self._fills(corruption):
            return self.trunk(initial, observation), self.around
        initial = bend(initial, observation.observed)
        exact = replace(observation, sigma=initial.new_zeros(len(initial), 1, 1, 1))
        return self.filling_trunk(initial, exact), self.filling_around

    def _fills(self, corruption: Corruption) -> bool:
        """Return whether the second trunk is for this corruption."""
        return self.config.filling and corruption.hides

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and standard deviation of p(x | y): in one pass, or in `spots` squared blind ones."""
        if not self.config.spots:
            return self.one_pass(observation, corruption)
        o = replace(observation, sigma=self._level(observation))
        prior = predicted(o, self.config.spots, lambda blind: self.one_pass(blind, corruption))
        return combine(prior, o, self._noise_variance(observation, prior.mean))

    def one_pass(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return the trunk's mean and the standard deviation around it."""
        prediction, error_model = self._predict(observation, corruption)
        logvar: Tensor = error_model(prediction.features, observation.shape[0])
        return Estimate(prediction.mean, (0.5 * logvar).exp())

    def noise_spec(self) -> str | None:
        """Return the spec of the known or learnt noise in the training images; None without `spots`."""
        if self.grain is not None:
            return self.grain.spec()
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.spots and self.config.noise else None

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws: the trunk runs once, the fields n times; with `spots`, values are drawn independently."""
        if self.config.spots:
            found = self.estimate(observation, corruption)
            assert found.std is not None
            (count, *rest), device = found.mean.shape, found.mean.device
            white = rng.expand(n).normal("x", (n * count, *rest), device).view(n, count, *rest)
            return Draws(found.mean + found.std * white, None)
        prediction, error_model = self._predict(observation, corruption)
        s, likelihood = error_model.draw(prediction.features, observation.shape, rng.expand(n), n)
        shape = (n, *prediction.mean.shape)
        return Draws(prediction.mean + s * likelihood.mean.view(shape), s**2 * likelihood.variance.view(shape))

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return KL per level in nats per image, finest first, and the count of latent channels in use."""
        if batch.x is None and self.config.spots:
            return {}
        x = _clean(batch)
        prediction, error_model = self._predict(batch.observation, batch.corruption)
        scored = batch.observation.unknown().expand_as(x)
        error = torch.where(scored, x - prediction.mean, 0.0)
        errors = error_model.terms(error, scored, prediction.features, len(x), rng).errors
        rates = error_model.explain(errors, rng)[1].rates
        found = {f"kl_{2**i}": per_image(kl).mean() for i, kl in enumerate(rates)}
        active = torch.cat([(kl.mean((0, 2, 3)) > math.log(1.01) / 2).float() for kl in rates])
        return {**found, "active_units": active.sum()}


def _clean(batch: Batch) -> Tensor:
    """Return the clean images of a batch; raise a UsageError if there are none."""
    if batch.x is None:
        raise UsageError("training a cvae without clean images expects spots of 1 or more, got 0; remove spots")
    return batch.x
