"""Trunk of the CVAE: a residual U-Net from an observation to the posterior mean in one pass.

Reference: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", TPAMI 2021 (DRUNet:
no normalisation, noise level as an input).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.types import Observation
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.layers import Up, down, embed_labels, stack


class Prediction(NamedTuple):
    """Output of the trunk.

    mean : Tensor, (B, C, H, W), the mean of p(x | y);
    features : tuple of Tensor, the decoder's features, finest first, at 1/2, 1/4, 1/8 ...
    """

    mean: Tensor
    features: tuple[Tensor, ...]


class Trunk(nn.Module):
    """U-Net from an observation to mean and features."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        widths = config.widths
        self.classes = config.classes
        self.stem = nn.Conv2d(4 * 8, widths[0], 3, padding=1)
        self.labels = nn.ModuleList(
            nn.Embedding(config.classes + 1, w) for w in (widths[0], widths[-1]) if config.classes
        )
        self.encoder = nn.ModuleList(stack(w, n) for w, n in zip(widths, config.encoder, strict=True))
        self.downs = nn.ModuleList(down(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(Up(b, a) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(stack(w, n) for w, n in zip(widths, config.decoder, strict=False))
        self.mean = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)  # type: ignore[arg-type]

    def forward(self, initial: Tensor, observation: Observation) -> Prediction:
        """Map the initial estimate, (B, C, H, W), and its observation to a prediction."""
        h = self._add_label(self.stem(F.pixel_unshuffle(network_input(initial, observation), 2)), observation, 0)
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.encoder):
            h = blocks(self.downs[i - 1](h) if i else h)
            skips.append(h)
        h = self._add_label(h, observation, 1)
        features = [h]
        for i in reversed(range(len(self.ups))):
            h = self.decoder[i](self.ups[i](h) + skips[i])
            features.append(h)
        channels = initial.shape[1]
        mean = initial + fold(F.pixel_shuffle(self.mean(h), 2), channels).float()
        return Prediction(mean, tuple(reversed(features)))

    def _add_label(self, h: Tensor, observation: Observation, place: int) -> Tensor:
        """Add the embedding of the class at the start of the encoder (0) or decoder (1); the last row means unknown."""
        if not self.labels:
            return h
        table = self.labels[place].get_parameter("weight")
        return h + embed_labels(observation.label, table, len(observation))[:, :, None, None]


def repeat_channels(t: Tensor) -> Tensor:
    """Repeat a single channel three times; leave three as they are."""
    return t.expand(-1, 3, -1, -1)


def fold(t: Tensor, channels: int) -> Tensor:
    """Average three channels, the second dimension, into one for a gray image."""
    return t.mean(1, keepdim=True) if channels == 1 else t


def network_input(initial: Tensor, observation: Observation) -> Tensor:
    """Return the network input, (B, 8, H, W): initial estimate, observed, sigma, and whether sigma is known."""
    b, _, h, w = initial.shape
    sigma = observation.sigma
    if sigma is None:
        sigma = initial.new_full((b, 1, 1, 1), torch.nan)
    known = ~sigma.isnan()
    level = torch.cat([torch.where(known, sigma, 0.0), known.to(initial.dtype)], 1).expand(-1, -1, h, w)
    observed = observation.observed.to(initial.dtype)
    observed = observed if observed.shape[2:] == (h, w) else F.interpolate(observed, (h, w))  # y of another size
    return torch.cat([repeat_channels(initial), repeat_channels(observed), level], 1)
