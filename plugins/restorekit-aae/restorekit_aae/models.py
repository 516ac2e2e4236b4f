"""Adversarial autoencoders: an encoder q(z | x), a decoder p(x | z), and a discriminator that keeps q(z) at p(z).

A VAE pays for the information in each image's latents. Here only the latents of all images together must match the
prior: of E_x[KL(q(z | x) || p(z))] = I(x; z) + KL(q(z) || p(z)) the second term remains.

Reference
---------
Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2015: section 2 with the Gaussian posterior,
section 2.3 for labels as input of the discriminator. The loss is the non-saturating one of Goodfellow et al. 2014.
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
from restorekit_aae.discriminator import Discriminator, divergence, moments, positions

LEGACY_ACCURACY = "told_apart"  # name of the discriminator's accuracy in logs and cards
FASHION: Mapping[str, object] = {
    "network": "mlp", "hidden": (392, 392), "latent": 40, "likelihood": "gaussian-pixel", "floor": 0.02,
    "optimiser": "adam", "lr": 1e-3, "batch": 128, "crop": 0, "augment": False,
}  # fmt: skip


@dataclass(frozen=True)
class AAEConfig(NetworkConfig):
    """Sizes and objective of an `AAE` or a `CAAE`, in addition to those of every network of the core.

    Parameters
    ----------
    spread : float
        Smallest standard deviation of a latent of q(z | x), whose prior has 1: nothing else keeps it from 0.
    discriminator : tuple of int
        Widths of the hidden layers of the discriminator.
    match : float
        Weight of the discriminator in the objective of the encoder; both are in nats per image.
    moments : bool
        Match mean and covariance of the latents of a batch to the prior in closed form, so that the discriminator only
        handles higher moments; no: the discriminator alone, as in the paper.
    penalty : float
        Weight of the squared slope of the discriminator at draws of the prior (R1).
    """

    spread: float = field(default=0.1, metadata={"low": 1e-3, "high": 1})
    discriminator: tuple[int, ...] = field(default=(128, 128), metadata={"low": 1})
    match: float = field(default=10.0, metadata={"objective": True, "low": 0})
    moments: bool = field(default=True, metadata={"objective": True})
    penalty: float = field(default=0.1, metadata={"objective": True, "low": 0})

    def coder_config(self) -> VAEConfig:
        """Return the settings of encoder and decoder."""
        return VAEConfig(**{f.name: getattr(self, f.name) for f in fields(NetworkConfig)})


class Adversarial(Model):
    """Base of both models: encoder, decoder, discriminator, and the objective of each side."""

    Config: ClassVar[type] = AAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"fashion": FASHION}

    def __init__(self, config: AAEConfig) -> None:
        super().__init__(config)
        self.coder = VAE(config.coder_config())
        self.geometry = self.coder.geometry
        self.discriminator = Discriminator(
            config.latent, config.discriminator, config.classes, spatial=config.network == "conv"
        )

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Complete channels, size and number of classes from the training images."""
        return config.fitted(shape, classes)

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return encoder and decoder as one group, and the discriminator as the other."""
        return {"model": list(self.coder.parameters()), "discriminator": list(self.discriminator.parameters())}

    def encoder_input(self, batch: Batch) -> Tensor:
        """Return the input of the encoder, (B, C, H, W)."""
        return _clean(batch)

    def scored(self, batch: Batch) -> Tensor | None:
        """Return the values in the likelihood of the decoder, bool; None: all."""
        return None

    def posterior(self, x: Tensor, observed: Tensor | None, label: Tensor | None) -> DiagonalGaussian:
        """Return q(z | x), never narrower than `spread`."""
        q = self.coder.posterior(x if observed is None else x * observed, label, None)
        return replace(q, logvar=floored(q.logvar, self.config.spread))

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the objective of encoder and decoder, or that of the discriminator."""
        label = batch.observation.label
        if group == "discriminator":
            found, drawn = self._latents(batch, rng)
            at_prior, slope = self.discriminator.steepness(drawn, label)
            # cross-entropy, 2 log 2 for a discriminator without information
            entropy = F.softplus(-self.discriminator(found, label)).mean() + F.softplus(at_prior).mean()
            return Terms(entropy + 0.5 * self.config.penalty * slope.mean(), {"discriminator": entropy.detach()})
        q = self.posterior(self.encoder_input(batch), None, label)
        z = q.sample(rng)
        distortion = -self.coder.decode(z, label).log_prob(_clean(batch), self.scored(batch)).mean()
        logits = self.discriminator(z, label)
        parts = {"distortion": distortion, "rate": divergence(q).mean(), "mismatch": logits.mean()}
        against = F.softplus(logits).mean() + (moments(q) * positions(q) if self.config.moments else 0.0)
        loss = distortion + self.config.match * against
        return Terms(loss, {name: value.detach() for name, value in parts.items()})

    @torch.no_grad()
    def _latents(self, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return latents of the encoder and draws of the prior."""
        label, shape = batch.observation.label, batch.observation.shape
        found = self.posterior(self.encoder_input(batch), None, label).sample(rng)
        return found, self.coder.prior(label).sample(len(found), shape, rng.fork("prior"))

    @torch.no_grad()
    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the accuracy of the discriminator (0.5: chance), and the divergence of the moments."""
        label = batch.observation.label
        found, drawn = (self.discriminator(z, label) for z in self._latents(batch, rng))
        correct = 0.5 * ((found > 0).float().mean() + (drawn < 0).float().mean())
        return {LEGACY_ACCURACY: correct, "moments": moments(self.posterior(self.encoder_input(batch), None, label))}


class AAE(Adversarial, LatentModel):
    """Adversarial autoencoder, trained on clean images; restores any corruption by draws of a sampler."""

    name: ClassVar[str] = "aae"

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> DiagonalGaussian:
        """Return q(z | x), with unobserved values set to 0."""
        return self.posterior(x, observed, label)

    def prior(self, label: Tensor | None = None) -> Prior:
        """Return p(z) = N(0, I), which no label changes."""
        return self.coder.prior(label)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        return self.coder.decode(z, label)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the objective of a side; the parts of encoder and decoder include the negative ELBO."""
        loss, parts = super().terms(batch, rng, group)
        bound = {"nelbo": parts["distortion"] + parts["rate"]} if group == "model" else {}
        return Terms(loss, {**bound, **parts})


class CAAE(Adversarial):
    """Adversarial autoencoder from the initial estimate of an observation to the clean image in one pass."""

    name: ClassVar[str] = "caae"

    def encoder_input(self, batch: Batch) -> Tensor:
        """Return the initial estimate of x."""
        return batch.observation.initial_estimate(batch.corruption)

    def scored(self, batch: Batch) -> Tensor | None:
        """Return a mask of the unknown values of x."""
        return batch.observation.unknown().expand_as(_clean(batch))

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and standard deviation of the decoder at the mean of q(z | y)."""
        q = self.posterior(observation.initial_estimate(corruption), None, observation.label)
        found = self.coder.decode(q.mean, observation.label)
        return Estimate(found.mean, found.variance.sqrt())

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return the decoder's output for n draws of q(z | y)."""
        q = self.posterior(observation.initial_estimate(corruption), None, observation.label)
        found = self.coder.decode(q.expand(n).sample(rng.expand(n)), observation.expand(n).label)
        shape = (n, len(observation), *observation.shape)
        return Draws(found.mean.view(shape), found.variance.view(shape))


def _clean(batch: Batch) -> Tensor:
    """Return the clean images of a batch; raise a UsageError if there are none."""
    if batch.x is None:
        raise UsageError("an adversarial autoencoder expects clean images, got corrupted ones only; train a vae")
    return batch.x
