"""Encoder and decoder networks of the VAE, and the settings that shape them.

Reference: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix C (the fully connected one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.blocks import Up, down, dropout, embedded, stack
from restorekit.errors import SpecError
from restorekit.models.grain import KINDS
from restorekit.models.heads import KINDS as LIKELIHOODS
from restorekit.noise import Noise


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
    likelihood : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        Of the decoder: "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" is discretised, and
        "mixture" has several of these.
    floor : float
        Least standard deviation of a Gaussian decoder, on the [0, 1] scale.
    beta : float
        Weight of the rate.
    kl_warmup : int
        Updates over which the weight of the rate grows from 0 to beta.
    free_bits : float
        Nats per latent channel and image that cost nothing.
    importance : int
        Draws of z behind the bound: 1 = the ELBO; with more, log of the mean of their weights, which is tighter.
    dropout : float
        Share of hidden values zeroed in training.
    noise : float
        Standard deviation of the noise of the images it learns from, on [0, 1]; 0 = they are clean.
    grain : {"known", "sigma", "gain"}
        That noise is known; or its level is learnt; or that and how it grows with brightness.
    classes : int
        Number of class labels that condition encoder and decoder; 0 = none.
    alpha : float
        Above 0, classes that are missing are summed over, as a classifier says, and this is the weight of the
        classifier's log-probability where they are told. 0 = an unknown class is one more class.
    """

    network: str = field(default="conv", metadata={"choices": ("mlp", "conv")})
    size: tuple[int, ...] = field(default=(), metadata={"low": 1})
    channels: int = field(default=0, metadata={"low": 0})
    hidden: tuple[int, ...] = field(default=(32, 64), metadata={"low": 1})
    latent: int = field(default=16, metadata={"low": 1})
    likelihood: str = field(default="gaussian", metadata={"choices": LIKELIHOODS})
    floor: float = field(default=1 / 255, metadata={"low": 1e-6})
    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    kl_warmup: int = field(default=0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})
    importance: int = field(default=1, metadata={"objective": True, "low": 1})
    dropout: float = field(default=0.0, metadata={"objective": True, "low": 0, "high": 0.99})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    grain: str = field(default="known", metadata={"choices": KINDS})
    classes: int = field(default=0, metadata={"low": 0})
    alpha: float = field(default=0.0, metadata={"low": 0})

    def __post_init__(self) -> None:
        if len(self.size) not in (0, 2):
            raise SpecError(f"size takes height and width, such as 28,28, got {len(self.size)} numbers")
        if self.network == "conv" and not self.hidden:
            raise SpecError(
                "a vae with network=conv needs at least one width in hidden, such as hidden=32,64, got none"
            )
        if self.grain != "known" and self.likelihood != "gaussian":
            raise SpecError(
                f"noise is learnt beside a decoder with likelihood=gaussian, which adds none, got {self.likelihood}; "
                "leave the likelihood out, or tell the noise"
            )
        if self.importance > 1 and self.free_bits:
            raise SpecError(
                f"free_bits are of the rate, which a bound by importance={self.importance} draws has not; leave one out"
            )


def rate_weight(beta: float, warmup: int, step: int | None) -> float:
    """Return the weight of the rate after so many updates: beta, or what a warm-up has reached of it; None: beta."""
    return beta * (1.0 if step is None or not warmup else min(1.0, step / warmup))


class MLP(nn.Module):
    """Fully connected layers with ReLU and dropout between them."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, rate: float) -> None:
        super().__init__()
        widths = (inputs, *hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.rate = rate

    def forward(self, h: Tensor, noise: Noise | None) -> Tensor:
        """Map (B, inputs) to (B, outputs); dropout acts where noise is given."""
        *inner, last = self.layers  # a slice would make a new module, which takes a tenth of a small update
        for i, layer in enumerate(inner):
            h = layer(h).relu_()
            h = h if noise is None else dropout(h, self.rate, noise, f"dropout{i}")
        out: Tensor = last(h)
        return out


class MLPNetwork(nn.Module):
    """Encoder and decoder for images of one size; the label enters both as one-hot inputs.

    Parameters
    ----------
    config : VAEConfig
        Sizes.
    numbers : int
        What the decoder makes for each pixel.
    per_latent : int
        What the encoder makes for each latent: mean and log-variance, or the latent itself.
    """

    def __init__(self, config: VAEConfig, numbers: int, per_latent: int = 2) -> None:
        super().__init__()
        self.shape = (numbers, *config.size)
        values = config.channels * config.size[0] * config.size[1]
        self.classes = config.classes
        self.encoder = MLP(values + config.classes, config.hidden, per_latent * config.latent, config.dropout)
        self.decoder = MLP(config.latent + config.classes, config.hidden[::-1], math.prod(self.shape), config.dropout)

    def encode(self, x: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, per_latent * latent)."""
        out: Tensor = self.encoder(self._with(x.flatten(1), label), noise)
        return out

    def decode(self, z: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map z, (B, latent), to (B, numbers, H, W)."""
        out: Tensor = self.decoder(self._with(z, label), noise)
        return out.view(-1, *self.shape)

    def _with(self, h: Tensor, label: Tensor | None) -> Tensor:
        """Append the one-hot label: all zeros where unknown."""
        if not self.classes:
            return h
        table = torch.eye(self.classes + 1, self.classes, dtype=h.dtype, device=h.device)
        return torch.cat([h, embedded(label, table, len(h))], 1)


class ConvNetwork(nn.Module):
    """Fully convolutional encoder and decoder with residual blocks; the label enters both as an embedding.

    Parameters as of `MLPNetwork`.
    """

    def __init__(self, config: VAEConfig, numbers: int, per_latent: int = 2) -> None:
        super().__init__()
        widths = config.hidden
        pairs = list(pairwise(widths))
        self.rate, self.classes = config.dropout, config.classes
        self.enter = nn.Conv2d(4 * config.channels, widths[0], 3, padding=1)
        self.encoder = nn.Sequential(*(nn.Sequential(stack(a, 1), down(a, b)) for a, b in pairs), stack(widths[-1], 2))
        self.posterior = nn.Conv2d(widths[-1], per_latent * config.latent, 3, padding=1)
        self.take = nn.Conv2d(config.latent, widths[-1], 3, padding=1)
        self.decoder = nn.Sequential(
            stack(widths[-1], 2), *(nn.Sequential(Up(b, a), stack(a, 1)) for a, b in pairs[::-1])
        )
        self.leave = nn.Conv2d(widths[0], 4 * numbers, 3, padding=1)
        self.labels = nn.ModuleList(
            nn.Embedding(config.classes + 1, w) for w in (widths[0], widths[-1]) if config.classes
        )

    def encode(self, x: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, per_latent * latent, h, w)."""
        h = self.encoder(self._with(self.enter(F.pixel_unshuffle(x, 2)), label, 0))
        out: Tensor = self.posterior(self._drop(h, noise, "encoder"))
        return out

    def decode(self, z: Tensor, label: Tensor | None, noise: Noise | None) -> Tensor:
        """Map z, (B, latent, h, w), to (B, numbers, H, W)."""
        h = self.decoder(self._with(self.take(z), label, 1))
        return F.pixel_shuffle(self.leave(self._drop(h, noise, "decoder")), 2)

    def _with(self, h: Tensor, label: Tensor | None, place: int) -> Tensor:
        if not self.classes:
            return h
        return h + embedded(label, self.labels[place].get_parameter("weight"), len(h))[:, :, None, None]

    def _drop(self, h: Tensor, noise: Noise | None, name: str) -> Tensor:
        return h if noise is None else dropout(h, self.rate, noise, name)
