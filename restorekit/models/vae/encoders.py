"""Encoder and decoder networks for one layer of latents.

Reference: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix C (the fully connected one).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.rng import Rng
from restorekit.models.config import NetworkConfig
from restorekit.models.layers import Up, down, dropout, embed_labels, stack


class MLP(nn.Module):
    """Fully connected layers with ReLU and dropout between them."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, rate: float) -> None:
        super().__init__()
        widths = (inputs, *hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.rate = rate

    def forward(self, h: Tensor, rng: Rng | None) -> Tensor:
        """Map (B, inputs) to (B, outputs); dropout is active if `rng` is set."""
        *inner, last = self.layers  # a slice would make a new module, a tenth of a small update's time
        for i, layer in enumerate(inner):
            h = layer(h).relu_()
            h = h if rng is None else dropout(h, self.rate, rng, f"dropout{i}")
        out: Tensor = last(h)
        return out


class MLPNetwork(nn.Module):
    """Encoder and decoder for images of one size; the label enters both as one-hot inputs.

    Parameters
    ----------
    config : NetworkConfig
        Sizes.
    numbers : int
        Outputs of the decoder per pixel.
    per_latent : int
        Outputs of the encoder per latent: mean and log-variance (2), or the latent itself (1).
    dropping : float
        Share of hidden values zeroed in training.
    """

    def __init__(self, config: NetworkConfig, numbers: int, per_latent: int = 2, dropping: float = 0.0) -> None:
        super().__init__()
        self.shape = (numbers, *config.size)
        values = config.channels * config.size[0] * config.size[1]
        self.classes = config.classes
        self.encoder = MLP(values + config.classes, config.hidden, per_latent * config.latent, dropping)
        self.decoder = MLP(config.latent + config.classes, config.hidden[::-1], math.prod(self.shape), dropping)

    def encode(self, x: Tensor, label: Tensor | None, rng: Rng | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, per_latent * latent)."""
        out: Tensor = self.encoder(self._with(x.flatten(1), label), rng)
        return out

    def decode(self, z: Tensor, label: Tensor | None, rng: Rng | None) -> Tensor:
        """Map z, (B, latent), to (B, numbers, H, W)."""
        out: Tensor = self.decoder(self._with(z, label), rng)
        return out.view(-1, *self.shape)

    def _with(self, h: Tensor, label: Tensor | None) -> Tensor:
        """Append the one-hot label; all zeros if unknown."""
        if not self.classes:
            return h
        table = torch.eye(self.classes + 1, self.classes, dtype=h.dtype, device=h.device)
        return torch.cat([h, embed_labels(label, table, len(h))], 1)


class ConvNetwork(nn.Module):
    """Fully convolutional encoder and decoder with residual blocks; the label enters both as an embedding.

    Parameters as for `MLPNetwork`.
    """

    def __init__(self, config: NetworkConfig, numbers: int, per_latent: int = 2, dropping: float = 0.0) -> None:
        super().__init__()
        widths = config.hidden
        pairs = list(pairwise(widths))
        self.rate, self.classes = dropping, config.classes
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

    def encode(self, x: Tensor, label: Tensor | None, rng: Rng | None) -> Tensor:
        """Map x, (B, C, H, W), to mu and logvar, (B, per_latent * latent, h, w)."""
        h = self.encoder(self._with(self.enter(F.pixel_unshuffle(x, 2)), label, 0))
        out: Tensor = self.posterior(self._drop(h, rng, "encoder"))
        return out

    def decode(self, z: Tensor, label: Tensor | None, rng: Rng | None) -> Tensor:
        """Map z, (B, latent, h, w), to (B, numbers, H, W)."""
        h = self.decoder(self._with(self.take(z), label, 1))
        return F.pixel_shuffle(self.leave(self._drop(h, rng, "decoder")), 2)

    def _with(self, h: Tensor, label: Tensor | None, place: int) -> Tensor:
        if not self.classes:
            return h
        return h + embed_labels(label, self.labels[place].get_parameter("weight"), len(h))[:, :, None, None]

    def _drop(self, h: Tensor, rng: Rng | None, name: str) -> Tensor:
        return h if rng is None else dropout(h, self.rate, rng, name)


def network(
    config: NetworkConfig, numbers: int, per_latent: int = 2, dropping: float = 0.0
) -> MLPNetwork | ConvNetwork:
    """Return the network that `config.network` names; other parameters as for `MLPNetwork`."""
    return (ConvNetwork if config.network == "conv" else MLPNetwork)(config, numbers, per_latent, dropping)
