"""Variational autoencoder p(x, z) with one layer of latents, fully connected or convolutional.

References
----------
Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10 (the objective).
Higgins et al., "beta-VAE", ICLR 2017, equation 4 (beta).
Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021 (a learned sigma
instead of a tuned beta).
Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, equation 8 (several draws for one bound).
Prakash, Krull, Jug, "Fully Unsupervised Diversity Denoising with Convolutional Variational Autoencoders", ICLR 2021
(noise inside the likelihood).
Mattei, Frellsen, "MIWAE", ICML 2019 (the same without missing values in the likelihood; here the encoder gets
interpolated values, so that its input has no holes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import LatentModel
from restorekit.core.distributions import LOG_2PI, DiagonalGaussian, Latents, Likelihood, Prior, per_image
from restorekit.core.errors import UsageError
from restorekit.core.gaussian import evidence, noisy
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Observation, Terms
from restorekit.models.config import VAEConfig
from restorekit.models.likelihood_heads import Head
from restorekit.models.noise_model import make_noise_model
from restorekit.models.vae.encoders import network
from restorekit.models.vae.semi_supervised import (
    Classifier,
    LabelledLatents,
    LabelledPrior,
    accuracy,
    class_distribution,
    sum_over_classes,
)


@dataclass(frozen=True)
class StandardPrior:
    """Prior p(z) = N(0, I) over a vector of latents, or over a grid that covers the image.

    Parameters
    ----------
    latent : int
        Number of latents, or of latents per grid position.
    stride : int
        Pixels per grid position; 0 = a vector.
    device : torch.device
        Device of the latents.
    """

    latent: int
    stride: int
    device: torch.device

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: float = 1.0) -> Tensor:
        """Draw n latents for images of shape (C, H, W); `temperature` multiplies the standard deviation."""
        grid = (shape[1] // self.stride, shape[2] // self.stride) if self.stride else ()
        return temperature * rng.normal("z", (n, self.latent, *grid), self.device, max(self.stride, 1))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z), (B,) nats."""
        return per_image(-0.5 * (z**2 + LOG_2PI))


class VAE(LatentModel):
    """Variational autoencoder, trained on clean images; restores any corruption by draws of a sampler."""

    name: ClassVar[str] = "vae"
    Config: ClassVar[type] = VAEConfig
    self_supervised: ClassVar[Mapping[str, object] | None] = {}  # noise and missing values keep p(y | z) closed-form
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # the PyTorch example: 784-400-20, Bernoulli on gray values, Adam 1e-3, batch 128, and nothing else
        "tutorial": {
            "network": "mlp", "hidden": (400,), "latent": 20, "likelihood": "bernoulli",
            "batch": 128, "crop": 0, "optimiser": "adam", "lr": 1e-3, "beta2": 0.999, "warmup": 0,
            "schedule": "constant", "scales": (1.0,), "weight_decay": 0.0, "clip": 0.0, "explode": 0.0, "ema": 0.0,
            "augment": False, "gray": 0.0,
        },
    }  # fmt: skip

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.network = network(config, self.head.numbers, dropping=config.dropout)
        self.grain = make_noise_model(config.grain, config.noise)  # explains everything except the mean
        self.spread = self.head.spread() if self.grain is None else None
        if config.alpha and not config.classes:
            raise UsageError("alpha weights a classifier and needs class labels; pass --labels, or remove alpha")
        self.classifier = Classifier(config) if config.alpha else None
        self.discrete = config.alpha > 0
        self.stride, self.geometry = config.stride, config.geometry

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Complete channels, size and number of classes from the training images."""
        return config.fitted(shape, classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Latents:
        """Return q(z | x), with unobserved values set to 0; with `alpha`, z is (label, z)."""
        x = x if observed is None else x * observed
        if self.classifier is None:
            return self.posterior(x, label, None)
        return LabelledLatents(
            class_distribution(label, self.classifier(x)), lambda found: self.posterior(x, found, None)
        )

    def prior(self, label: Tensor | None = None) -> Prior:
        """Return p(z); with `alpha`, p(label, z), in which a known label is fixed."""
        own = self.standard
        return own if self.classifier is None else LabelledPrior(self.config.classes, label, own, own.device)

    @property
    def standard(self) -> StandardPrior:
        """p(z) without the label, which does not change it."""
        return StandardPrior(self.config.latent, self.stride, next(self.parameters()).device)

    def decode(self, z: Any, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z); with `alpha`, p(x | label, z)."""
        return self.likelihood(z, label, None) if self.classifier is None else self.likelihood(z[1], z[0], None)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rate, over the observed values if there is no x; parts unweighted."""
        if self.classifier is None:
            return self.objective(batch, rng)
        logs = self.classifier(self.encoder_input(batch), self.dropout_rng(rng, "classifier"))
        rate_weight = self.config.rate_weight(batch.step)
        return sum_over_classes(self.objective, batch, logs, rng, float(self.config.alpha), rate_weight)

    def objective(self, batch: Batch, rng: Rng, share: Tensor | None = None) -> Terms:
        """Return the objective; images count by their share, (B,), of 1, or equally if None."""
        o = batch.observation
        q = self.posterior(self.encoder_input(batch), o.label, self.dropout_rng(rng, "encoder"))
        if self.config.importance > 1:
            return self.bound(q, batch, rng, share)
        likelihood = self.likelihood(q.sample(rng), o.label, self.dropout_rng(rng, "decoder"))
        distortion = -average(self.log_likelihood(likelihood, batch.x, o), share)
        kl = q.rates()
        rates = average(kl.view(*kl.shape[:2], -1).sum(2), share)  # nats of each latent channel
        return as_terms(distortion + self.rate_cost(rates, batch.step), distortion, rates.sum())

    def rate_cost(self, rates: Tensor, step: int | None) -> Tensor:
        """Return the loss of the rates of the latent channels, (latent,) nats, as a scalar; `step` counts updates done.

        A subclass with another objective overrides this.
        """
        cost: Tensor = self.config.rate_weight(step) * rates.clamp_min(self.config.free_bits).sum()
        return cost

    def bound(self, q: DiagonalGaussian, batch: Batch, rng: Rng, share: Tensor | None = None) -> Terms:
        """Return the negative importance-weighted bound; it weighs the gradient of each draw by its share."""
        k = self.config.importance
        many = q.expand(k)
        fit, rate = self.fit_and_rate(many.sample(rng.expand(k)), many, batch, rng)
        weight = (fit - self.config.rate_weight(batch.step) * rate).view(k, -1)
        loss = math.log(k) - average(weight.logsumexp(0), share)
        return as_terms(loss, -average(fit.view(k, -1).mean(0), share), average(rate.view(k, -1).mean(0), share))

    def fit_and_rate(self, z: Tensor, q: DiagonalGaussian, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return log p(x | z), without x log p(y | z), and log q(z) - log p(z), (k B,) nats, of k draws per image."""
        k = len(z) // len(batch.observation)
        o, x = batch.observation.expand(k), None if batch.x is None else batch.x.repeat(k, 1, 1, 1)
        fit = self.log_likelihood(self.likelihood(z, o.label, self.dropout_rng(rng.expand(k), "decoder")), x, o)
        return fit, q.log_prob(z) - self.standard.log_prob(z)

    def noise_spec(self) -> str | None:
        """Return the spec of the known or learnt noise in the training images; None if they are clean."""
        if self.grain is not None:
            return self.grain.spec()
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.noise else None

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the number of active units: latents whose posterior mean varies over images (Burda et al. 2016).

        With `alpha`, also the accuracy of the classifier on images of known class, if there are any.
        """
        x, label = self.encoder_input(batch), batch.observation.label
        mean = self.posterior(x, label, None).mean
        varying = mean.transpose(0, 1).flatten(1).var(1, correction=0) > 0.01
        found = {"active_units": varying.float().sum()}
        if self.classifier is not None and label is not None and bool((label >= 0).any()):
            found["accuracy"] = accuracy(self.classifier(x), label)
        return found

    def encoder_input(self, batch: Batch) -> Tensor:
        """Return the input of the encoder in training, (B, C, H, W): x, or the initial estimate without x."""
        return batch.observation.initial_estimate(batch.corruption) if batch.x is None else batch.x

    def posterior(self, x: Tensor, label: Tensor | None, rng: Rng | None) -> DiagonalGaussian:
        """Return q(z | x); dropout is active if `rng` is set."""
        mu, logvar = self.network.encode(x, label, rng).float().chunk(2, 1)
        return DiagonalGaussian(mu, logvar, "z", max(self.stride, 1))

    def likelihood(self, z: Tensor, label: Tensor | None, rng: Rng | None) -> Likelihood:
        """Return p(x | z); dropout is active if `rng` is set."""
        return self.head(self.network.decode(z, label, rng).float(), self.spread)

    def log_likelihood(self, likelihood: Likelihood, x: Tensor | None, observation: Observation) -> Tensor:
        """Return log p(x | z), or log p(y | z) without x, (B,) nats."""
        if x is not None:
            return likelihood.log_prob(x)
        if self.grain is None:
            return evidence(likelihood, observation)
        return noisy(likelihood, observation, self.grain.variance(likelihood.mean))

    def dropout_rng(self, rng: Rng, part: str) -> Rng | None:
        """Return the random numbers for the dropout of a part; None if it is inactive."""
        return rng.fork(part) if self.training and self.config.dropout else None


def average(values: Tensor, share: Tensor | None) -> Tensor:
    """Return the mean of values, (B, ...), over images, weighted by shares, (B,), of 1, or equally if None."""
    return values.mean(0) if share is None else torch.tensordot(share, values, 1)


def as_terms(loss: Tensor, distortion: Tensor, rate: Tensor) -> Terms:
    """Return an objective with the parts of a negative ELBO, scalars in nats per image."""
    parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
    return Terms(loss, {name: value.detach() for name, value in parts.items()})
