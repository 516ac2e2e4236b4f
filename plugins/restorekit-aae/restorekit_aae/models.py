"""Adversarial autoencoders: an encoder q(z | x), a decoder p(x | z), and a discriminator that keeps q(z) at p(z).

A VAE pays for what each image's latents tell of it; here nothing does, but all images together must look like the
prior: E_x[KL(q(z | x) || p(z))] = I(x; z) + KL(q(z) || p(z)), of which the second part alone is left.

Reference
---------
Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2015: section 2 with the Gaussian posterior,
section 2.3 for labels that the discriminator is told. With the loss of Goodfellow et al. 2014 that does not saturate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Batch, Corruption, Draws, Estimate, LatentModel, Model, Observation, Rng, Terms, UsageError
from restorekit.models import VAE, DiagonalGaussian, Likelihood, NetworkConfig, Prior, VAEConfig, floored
from restorekit_aae.discriminator import Discriminator, divergence, moments, places

FASHION: Mapping[str, object] = {
    "network": "mlp", "hidden": (392, 392), "latent": 40, "likelihood": "gaussian-pixel", "floor": 0.02,
    "optimiser": "adam", "lr": 1e-3, "batch": 128, "crop": 0, "augment": False,
}  # fmt: skip


@dataclass(frozen=True)
class AAEConfig(NetworkConfig):
    """Sizes and objective of an `AAE` or a `CAAE`: those of any network of the core, and below.

    Parameters
    ----------
    spread : float
        Least standard deviation of a latent of q(z | x), whose prior has 1: nothing else keeps it from 0.
    discriminator : tuple of int
        Widths of the hidden layers of the discriminator.
    match : float
        Weight of what the discriminator says against the encoder; both count in nats per image.
    moments : bool
        Hold mean and covariance of the latents of a batch to the prior's in closed form, so that the discriminator is
        left with what two moments do not tell; no: it is alone, as in the paper.
    penalty : float
        Weight of the squared slope of the discriminator at draws of the prior (R1).
    """

    spread: float = field(default=0.1, metadata={"low": 1e-3, "high": 1})
    discriminator: tuple[int, ...] = field(default=(128, 128), metadata={"low": 1})
    match: float = field(default=10.0, metadata={"objective": True, "low": 0})
    moments: bool = field(default=True, metadata={"objective": True})
    penalty: float = field(default=0.1, metadata={"objective": True, "low": 0})

    def of_coder(self) -> VAEConfig:
        """Return the settings of encoder and decoder."""
        return VAEConfig(**{f.name: getattr(self, f.name) for f in fields(NetworkConfig)})


class Adversarial(Model):
    """What both have in common: encoder, decoder, discriminator, and what each side learns by."""

    Config: ClassVar[type] = AAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"fashion": FASHION}

    def __init__(self, config: AAEConfig) -> None:
        super().__init__(config)
        self.coder = VAE(config.of_coder())
        self.geometry = self.coder.geometry
        self.discriminator = Discriminator(
            config.latent, config.discriminator, config.classes, spatial=config.network == "conv"
        )

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take channels, size and number of classes from the training images where they are not set."""
        return config.fitted(shape, classes)

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return encoder and decoder, and the discriminator that plays against them."""
        return {"model": list(self.coder.parameters()), "discriminator": list(self.discriminator.parameters())}

    def shown(self, batch: Batch) -> Tensor:
        """Return what the encoder sees, (B, C, H, W)."""
        return _truth(batch)

    def scored(self, batch: Batch) -> Tensor | None:
        """Return which values the decoder must explain, bool; None: all."""
        return None

    def posterior(self, x: Tensor, observed: Tensor | None, label: Tensor | None) -> DiagonalGaussian:
        """Return q(z | x), never narrower than `spread`."""
        q = self.coder.posterior(x if observed is None else x * observed, label, None)
        return replace(q, logvar=floored(q.logvar, self.config.spread))

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return distortion and how well the discriminator tells latents from the prior; or how badly it does."""
        label = batch.observation.label
        if group == "discriminator":
            return self._judging(batch, rng)
        q = self.posterior(self.shown(batch), None, label)
        z = q.sample(rng)
        distortion = -self.coder.decode(z, label).log_prob(_truth(batch), self.scored(batch)).mean()
        logits = self.discriminator(z, label)
        parts = {"distortion": distortion, "rate": divergence(q).mean(), "mismatch": logits.mean()}
        against = F.softplus(logits).mean() + (moments(q) * places(q) if self.config.moments else 0.0)
        loss = distortion + self.config.match * against
        return Terms(loss, {name: value.detach() for name, value in parts.items()})

    def _judging(self, batch: Batch, rng: Rng) -> Terms:
        """Return the cross-entropy of the discriminator, 2 log 2 where it knows nothing, and the penalty."""
        label = batch.observation.label
        found, drawn = self._both_sides(batch, rng)
        at_prior, slope = self.discriminator.steepness(drawn, label)
        entropy = F.softplus(-self.discriminator(found, label)).mean() + F.softplus(at_prior).mean()
        loss = entropy + 0.5 * self.config.penalty * slope.mean()
        return Terms(loss, {"discriminator": entropy.detach()})

    @torch.no_grad()
    def _both_sides(self, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return latents of the encoder and draws of the prior."""
        label, shape = batch.observation.label, batch.observation.shape
        found = self.posterior(self.shown(batch), None, label).sample(rng)
        return found, self.coder.prior(label).sample(len(found), shape, rng.fork("prior"))

    @torch.no_grad()
    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the share of latents that the discriminator tells apart (0.5: none), and how far moments are off."""
        label = batch.observation.label
        found, drawn = (self.discriminator(z, label) for z in self._both_sides(batch, rng))
        told = 0.5 * ((found > 0).float().mean() + (drawn < 0).float().mean())
        return {"told_apart": told, "moments": moments(self.posterior(self.shown(batch), None, label))}


class AAE(Adversarial, LatentModel):
    """Adversarial autoencoder: learns from clean images alone, then restores any damage by draws of a sampler."""

    name: ClassVar[str] = "aae"

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> DiagonalGaussian:
        """Return q(z | x); values that were not observed are shown as 0."""
        return self.posterior(x, observed, label)

    def prior(self, label: Tensor | None = None) -> Prior:
        """Return p(z) = N(0, I), which no label changes."""
        return self.coder.prior(label)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        return self.coder.decode(z, label)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the objective of a side; of encoder and decoder the negative ELBO is told beside it."""
        loss, parts = super().terms(batch, rng, group)
        bound = {"nelbo": parts["distortion"] + parts["rate"]} if group == "model" else {}
        return Terms(loss, {**bound, **parts})


class CAAE(Adversarial):
    """Adversarial autoencoder of observations: sees the first guess, and gives the clean image in one pass."""

    name: ClassVar[str] = "caae"

    def shown(self, batch: Batch) -> Tensor:
        """Return the first guess at x."""
        return batch.observation.initial_estimate(batch.corruption)

    def scored(self, batch: Batch) -> Tensor | None:
        """Return where x is not known."""
        return batch.observation.unknown().expand_as(_truth(batch))

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and standard deviation of the decoder at the mean of q(z | y)."""
        q = self.posterior(observation.initial_estimate(corruption), None, observation.label)
        found = self.coder.decode(q.mean, observation.label)
        return Estimate(found.mean, found.variance.sqrt())

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return what the decoder makes of n draws of q(z | y)."""
        q = self.posterior(observation.initial_estimate(corruption), None, observation.label)
        found = self.coder.decode(q.expand(n).sample(rng.expand(n)), observation.expand(n).label)
        shape = (n, len(observation), *observation.shape)
        return Draws(found.mean.view(shape), found.variance.view(shape))


def _truth(batch: Batch) -> Tensor:
    if batch.x is None:
        raise UsageError("an adversarial autoencoder learns from clean images, got damaged ones alone; train a vae")
    return batch.x
