"""Variational autoencoder p(x, z) with one layer of latents: an MLP on images of one size, or fully convolutional.

References
----------
Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10 (the objective).
Higgins et al., "beta-VAE", ICLR 2017, equation 4 (beta).
Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021 (a learned sigma
instead of a tuned beta).
Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, equation 8 (several draws for one bound).
Prakash, Krull, Jug, "Fully Unsupervised Diversity Denoising with Convolutional Variational Autoencoders", ICLR 2021
(noise inside the likelihood).
Mattei, Frellsen, "MIWAE", ICML 2019 (the same with missing values left out of it; the encoder is shown interpolated
ones here, so that it knows whole images).
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
from restorekit.models.noise_model import learnt
from restorekit.models.vae.encoders import network
from restorekit.models.vae.semi_supervised import Classifier, LabelledPrior, accuracy, inferred, marginal


@dataclass(frozen=True)
class StandardPrior:
    """p(z) = N(0, I) over a vector of latents, or over a grid that covers the image.

    Parameters
    ----------
    latent : int
        Latents in all, or per grid position.
    stride : int
        Pixels per grid position; 0 = a vector.
    device : torch.device
        Where latents live.
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
    """Variational autoencoder: learns from clean images alone, then restores any damage by draws of a sampler."""

    name: ClassVar[str] = "vae"
    Config: ClassVar[type] = VAEConfig
    self_supervised: ClassVar[Mapping[str, object] | None] = {}  # noise and gaps enter through p(y | z) in closed form
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # the PyTorch example: 784-400-20, Bernoulli on gray values, Adam 1e-3, batch 128, and nothing else
        "tutorial": {
            "network": "mlp", "hidden": (400,), "latent": 20, "likelihood": "bernoulli",
            "batch": 128, "crop": 0, "optimiser": "adam", "lr": 1e-3, "beta2": 0.999, "warmup": 0, "cosine": False,
            "scales": (1.0,), "weight_decay": 0.0, "clip": 0.0, "explode": 0.0, "ema": 0.0, "augment": False,
            "gray": 0.0,
        },
    }  # fmt: skip

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.network = network(config, self.head.numbers, dropping=config.dropout)
        self.grain = learnt(config.grain, config.noise)  # explains all that the mean does not
        self.spread = self.head.spread() if self.grain is None else None
        if config.alpha and not config.classes:
            raise UsageError("alpha is the weight of a classifier, which needs classes; give --labels, or leave it out")
        self.classifier = Classifier(config) if config.alpha else None
        self.discrete = config.alpha > 0
        self.stride, self.geometry = config.stride, config.geometry

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take channels, size and number of classes from the training images where they are not set."""
        return config.fitted(shape, classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Latents:
        """Return q(z | x); values that were not observed are shown as 0. With `alpha`, z is (label, z)."""
        shown = x if observed is None else x * observed
        return self.posterior(shown, label, None) if self.classifier is None else inferred(self, shown, label)

    def prior(self, label: Tensor | None = None) -> Prior:
        """Return p(z), of which a label, with `alpha`, settles its own part."""
        own = self.standard
        return own if self.classifier is None else LabelledPrior(self.config.classes, label, own, own.device)

    @property
    def standard(self) -> StandardPrior:
        """p(z) apart from the label, which does not change it."""
        return StandardPrior(self.config.latent, self.stride, next(self.parameters()).device)

    def decode(self, z: Any, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z), with `alpha` p(x | label, z)."""
        return self.likelihood(z, label, None) if self.classifier is None else self.likelihood(z[1], z[0], None)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rate, of the observed values where there is no x; parts unweighted."""
        return self.objective(batch, rng) if self.classifier is None else marginal(self, batch, rng)

    def objective(self, batch: Batch, rng: Rng, share: Tensor | None = None) -> Terms:
        """Return the objective of images that count by their share, (B,), of 1; all alike where None."""
        o = batch.observation
        q = self.posterior(self.shown(batch), o.label, self.dropping(rng, "encoder"))
        if self.config.importance > 1:
            return self.bound(q, batch, rng, share)
        likelihood = self.likelihood(q.sample(rng), o.label, self.dropping(rng, "decoder"))
        distortion = -average(self._seen(likelihood, batch.x, o), share)
        kl = q.rates()
        rates = average(kl.view(*kl.shape[:2], -1).sum(2), share)  # nats of each latent channel
        return as_terms(distortion + self.rate_cost(rates, batch.step), distortion, rates.sum())

    def rate_cost(self, rates: Tensor, step: int | None) -> Tensor:
        """Return what the rates of the latent channels, (latent,) nats, count in the loss, scalar.

        A model that pays for them in another way is this one with another `rate_cost`; `step` counts the updates done.
        """
        cost: Tensor = self.config.rate_weight(step) * rates.clamp_min(self.config.free_bits).sum()
        return cost

    def bound(self, q: DiagonalGaussian, batch: Batch, rng: Rng, share: Tensor | None = None) -> Terms:
        """Return minus log of the mean weight of several draws of z, which weighs each draw's gradient by its share."""
        k = self.config.importance
        many = q.expand(k)
        seen, rate = self.weigh(many.sample(rng.expand(k)), many, batch, rng)
        weight = (seen - self.config.rate_weight(batch.step) * rate).view(k, -1)
        loss = math.log(k) - average(weight.logsumexp(0), share)
        return as_terms(loss, -average(seen.view(k, -1).mean(0), share), average(rate.view(k, -1).mean(0), share))

    def weigh(self, z: Tensor, q: DiagonalGaussian, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return log p(x | z), or log p(y | z), and log q(z) - log p(z), (k B,) nats, of k draws for each image."""
        k = len(z) // len(batch.observation)
        o, x = batch.observation.expand(k), None if batch.x is None else batch.x.repeat(k, 1, 1, 1)
        seen = self._seen(self.likelihood(z, o.label, self.dropping(rng.expand(k), "decoder")), x, o)
        return seen, q.log_prob(z) - self.standard.log_prob(z)

    def noise_spec(self) -> str | None:
        """Return what was told or learnt of the noise."""
        if self.grain is not None:
            return self.grain.spec()
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.noise else None

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the number of active units: latents whose posterior mean varies over images (Burda et al. 2016).

        With `alpha`, also the share of images whose class the classifier finds, of those that tell it, if any does.
        """
        x, label = self.shown(batch), batch.observation.label
        mean = self.posterior(x, label, None).mean
        varying = mean.transpose(0, 1).flatten(1).var(1, correction=0) > 0.01
        found = {"active_units": varying.float().sum()}
        if self.classifier is not None and label is not None and bool((label >= 0).any()):
            found["accuracy"] = accuracy(self.classifier(x), label)
        return found

    def shown(self, batch: Batch) -> Tensor:
        """Return what the encoder is shown in training, (B, C, H, W): x, or the first guess where there is none."""
        return batch.observation.initial_estimate(batch.corruption) if batch.x is None else batch.x

    def posterior(self, x: Tensor, label: Tensor | None, rng: Rng | None) -> DiagonalGaussian:
        """Return q(z | x); dropout acts where noise is given."""
        mu, logvar = self.network.encode(x, label, rng).float().chunk(2, 1)
        return DiagonalGaussian(mu, logvar, "z", max(self.stride, 1))

    def likelihood(self, z: Tensor, label: Tensor | None, rng: Rng | None) -> Likelihood:
        """Return p(x | z); dropout acts where noise is given."""
        return self.head(self.network.decode(z, label, rng).float(), self.spread)

    def _seen(self, likelihood: Likelihood, x: Tensor | None, observation: Observation) -> Tensor:
        """Return log p(x | z), (B,) nats, or log p(y | z) where there is no x."""
        if x is not None:
            return likelihood.log_prob(x)
        if self.grain is None:
            return evidence(likelihood, observation)
        return noisy(likelihood, observation, self.grain.variance(likelihood.mean))

    def dropping(self, rng: Rng, part: str) -> Rng | None:
        """Return the noise of a part's dropout; None where there is none."""
        return rng.fork(part) if self.training and self.config.dropout else None


def average(values: Tensor, share: Tensor | None) -> Tensor:
    """Return the mean of values, (B, ...), over images that count by their share, (B,), of 1; all alike where None."""
    return values.mean(0) if share is None else torch.tensordot(share, values, 1)


def as_terms(loss: Tensor, distortion: Tensor, rate: Tensor) -> Terms:
    """Return an objective with the parts of a negative ELBO, scalars in nats per image."""
    parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
    return Terms(loss, {name: value.detach() for name, value in parts.items()})
