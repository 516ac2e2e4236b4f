"""Variational autoencoder p(x, z) with one layer of latents: an MLP on images of one size, or fully convolutional.

References
----------
Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10 (the objective), appendix C (the
networks); Higgins et al., "beta-VAE", ICLR 2017, equation 4 (beta); Rybkin, Daniilidis, Levine, "Simple and
Effective VAE Training with Calibrated Decoders", ICML 2021 (a learned sigma instead of a tuned beta).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.blocks import Up, down, dropout, stack
from restorekit.contracts import LatentModel, Likelihood
from restorekit.likelihoods import LOG_2PI, Bernoulli, DiagonalGaussian, DiscretisedLogistic, floored, per_image
from restorekit.noise import Noise
from restorekit.types import Batch, Geometry, Terms


@dataclass(frozen=True)
class VAEConfig:
    """Sizes and objective of a `VAE`.

    Parameters
    ----------
    network : {"mlp", "conv"}
        Fully connected on images of one size, or convolutional with a grid of latents.
    size : tuple of int
        Height and width of the images, for "mlp"; taken from the training images where not set.
    channels : int
        Channels of the images; taken from the training images where not set.
    hidden : tuple of int
        Widths: of the hidden layers ("mlp"), or at 1/2, 1/4 ... of the resolution ("conv").
    latent : int
        Latents: in all ("mlp"), or per grid position ("conv").
    likelihood : {"bernoulli", "gaussian", "gaussian-pixel", "logistic"}
        Of the decoder: "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" is discretised.
    floor : float
        Least standard deviation of a Gaussian decoder, on the [0, 1] scale.
    beta : float
        Weight of the rate.
    kl_warmup : int
        Updates over which the weight of the rate grows from 0 to beta.
    free_bits : float
        Nats per latent channel and image that cost nothing.
    dropout : float
        Share of hidden values zeroed in training.
    classes : int
        Number of class labels that condition encoder and decoder; 0 = none.
    """

    network: str = field(default="conv", metadata={"choices": ("mlp", "conv")})
    size: tuple[int, ...] = ()
    channels: int = 0
    hidden: tuple[int, ...] = (32, 64)
    latent: int = 16
    likelihood: str = field(
        default="gaussian", metadata={"choices": ("bernoulli", "gaussian", "gaussian-pixel", "logistic")}
    )
    floor: float = 1 / 255
    beta: float = 1.0
    kl_warmup: int = 0
    free_bits: float = 0.0
    dropout: float = 0.0
    classes: int = 0


class MLP(nn.Module):
    """Fully connected layers with ReLU and dropout between them."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, rate: float) -> None:
        super().__init__()
        widths = (inputs, *hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.rate = rate

    def forward(self, h: Tensor, noise: Noise | None) -> Tensor:
        """Map (B, inputs) to (B, outputs); dropout acts where noise is given."""
        for i, layer in enumerate(self.layers[:-1]):
            h = layer(h).relu_()
            h = h if noise is None else dropout(h, self.rate, noise, f"dropout{i}")
        out: Tensor = self.layers[-1](h)
        return out


class MLPNetwork(nn.Module):
    """Encoder and decoder for images of one size; the label enters both as one-hot inputs."""

    def __init__(self, config: VAEConfig, per_value: int) -> None:
        super().__init__()
        self.shape = (config.channels * per_value, *config.size)
        values = config.channels * config.size[0] * config.size[1]
        self.classes = config.classes
        self.encoder = MLP(values + config.classes, config.hidden, 2 * config.latent, config.dropout)
        self.decoder = MLP(config.latent + config.classes, config.hidden[::-1], values * per_value, config.dropout)

    def encode(self, x: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, 2 latent)."""
        out: Tensor = self.encoder(self._with(x.flatten(1), label), noise)
        return out

    def decode(self, z: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map z, (B, latent), to (B, C * per_value, H, W)."""
        out: Tensor = self.decoder(self._with(z, label), noise)
        return out.view(-1, *self.shape)

    def _with(self, h: Tensor, label: Tensor | None) -> Tensor:
        """Append the one-hot label: all zeros where unknown."""
        if not self.classes:
            return h
        if label is None:
            label = h.new_full((len(h),), -1, dtype=torch.int64)
        return torch.cat([h, (label[:, None] == torch.arange(self.classes, device=h.device)).to(h.dtype)], 1)


class ConvNetwork(nn.Module):
    """Fully convolutional encoder and decoder with residual blocks; the label enters both as an embedding."""

    def __init__(self, config: VAEConfig, per_value: int) -> None:
        super().__init__()
        widths = config.hidden
        pairs = list(pairwise(widths))
        self.rate = config.dropout
        self.enter = nn.Conv2d(4 * config.channels, widths[0], 3, padding=1)
        self.encoder = nn.Sequential(*(nn.Sequential(stack(a, 1), down(a, b)) for a, b in pairs), stack(widths[-1], 2))
        self.posterior = nn.Conv2d(widths[-1], 2 * config.latent, 3, padding=1)
        self.take = nn.Conv2d(config.latent, widths[-1], 3, padding=1)
        self.decoder = nn.Sequential(
            stack(widths[-1], 2), *(nn.Sequential(Up(b, a), stack(a, 1)) for a, b in pairs[::-1])
        )
        self.leave = nn.Conv2d(widths[0], 4 * config.channels * per_value, 3, padding=1)
        self.labels = nn.ModuleList(
            nn.Embedding(config.classes + 1, w) for w in (widths[0], widths[-1]) if config.classes
        )

    def encode(self, x: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, 2 latent, h, w)."""
        h = self.encoder(self._with(self.enter(F.pixel_unshuffle(x, 2)), label, 0))
        out: Tensor = self.posterior(self._drop(h, noise, "encoder"))
        return out

    def decode(self, z: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map z, (B, latent, h, w), to (B, C * per_value, H, W)."""
        h = self.decoder(self._with(self.take(z), label, 1))
        return F.pixel_shuffle(self.leave(self._drop(h, noise, "decoder")), 2)

    def _with(self, h: Tensor, label: Tensor | None, place: int) -> Tensor:
        if not self.labels:
            return h
        table = self.labels[place]
        if label is None:
            label = torch.full((len(h),), -1, device=h.device)
        out: Tensor = h + table(label % table.num_embeddings)[:, :, None, None]  # type: ignore[operator]  # -1 is the last row
        return out

    def _drop(self, h: Tensor, noise: Noise | None, name: str) -> Tensor:
        return h if noise is None else dropout(h, self.rate, noise, name)


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

    def sample(self, n: int, shape: tuple[int, ...], noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw n latents for images of shape (C, H, W); `temperature` multiplies the standard deviation."""
        grid = (shape[1] // self.stride, shape[2] // self.stride) if self.stride else ()
        return temperature * noise.normal("z", (n, self.latent, *grid), self.device, max(self.stride, 1))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z), (B,) nats."""
        return per_image(-0.5 * (z**2 + LOG_2PI))


class VAE(LatentModel):
    """Variational autoencoder; see the module's docstring."""

    name: ClassVar[str] = "vae"
    Config: ClassVar[type] = VAEConfig
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
        conv = config.network == "conv"
        per_value = 2 if config.likelihood == "gaussian-pixel" else 1
        self.network = ConvNetwork(config, per_value) if conv else MLPNetwork(config, per_value)
        self.spread = nn.Parameter(torch.tensor(-2.0)) if config.likelihood in ("gaussian", "logistic") else None
        self.stride = 2 ** len(config.hidden) if conv else 0
        size = None if conv else (config.size[0], config.size[1])
        self.geometry = Geometry(size, self.stride or 1, 8 * self.stride, (config.channels,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take channels, size and number of classes from the training images where they are not set."""
        size = config.size or (shape[1:] if config.network == "mlp" else ())
        return replace(config, size=size, channels=config.channels or shape[0], classes=config.classes or classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> DiagonalGaussian:
        """Return q(z | x); values that were not observed are shown as 0."""
        return self._posterior(x if observed is None else x * observed, label, None)

    def prior(self, label: Tensor | None = None) -> StandardPrior:
        """Return p(z), which no label changes."""
        return StandardPrior(self.config.latent, self.stride, next(self.parameters()).device)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        return self._likelihood(z, label, None)

    def terms(self, batch: Batch, noise: Noise, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rate; its parts are unweighted."""
        assert batch.x is not None, "a vae learns from clean images"
        label = batch.observation.label
        drop = noise if self.training and self.config.dropout else None
        q = self._posterior(batch.x, label, drop and drop.fork("encoder"))
        likelihood = self._likelihood(q.sample(noise), label, drop and drop.fork("decoder"))
        distortion = -likelihood.log_prob(batch.x).mean()
        kl = 0.5 * (q.mu**2 + q.logvar.exp() - q.logvar - 1)
        rates = kl.view(*kl.shape[:2], -1).sum(2).mean(0)  # nats of each latent channel
        rate = rates.sum()
        loss = distortion + self._weight(batch.step) * rates.clamp_min(self.config.free_bits).sum()
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
        return Terms(loss, {k: v.detach() for k, v in parts.items()})

    def diagnose(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Return the number of active units: latents whose posterior mean varies over images (Burda et al. 2016)."""
        assert batch.x is not None, "a vae learns from clean images"
        mean = self.infer(batch.x, None, batch.observation.label).mean
        varying = mean.transpose(0, 1).flatten(1).var(1) > 0.01
        return {"active_units": varying.float().sum()}

    def _posterior(self, x: Tensor, label: Tensor | None, noise: Noise | None) -> DiagonalGaussian:
        mu, logvar = self.network.encode(x, label, noise).float().chunk(2, 1)
        return DiagonalGaussian(mu, logvar, "z", max(self.stride, 1))

    def _likelihood(self, z: Tensor, label: Tensor | None, noise: Noise | None) -> Likelihood:
        raw = self.network.decode(z, label, noise).float()
        if self.config.likelihood == "bernoulli":
            return Bernoulli(raw)
        if self.spread is None:
            mu, logvar = raw.chunk(2, 1)
            return DiagonalGaussian(mu, floored(logvar - 4, self.config.floor), "x")
        if self.config.likelihood == "gaussian":
            return DiagonalGaussian(raw, floored(2 * self.spread, self.config.floor), "x")
        return DiscretisedLogistic(raw, self.spread.clamp(-7, 1))

    def _weight(self, step: int | None) -> float:
        warmup = self.config.kl_warmup
        return float(self.config.beta * (1.0 if step is None or not warmup else min(1.0, step / warmup)))
