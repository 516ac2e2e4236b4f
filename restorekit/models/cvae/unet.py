"""The one-pass part of the CVAE: a residual U-Net from an observation to the posterior mean.

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
from restorekit.models.layers import Up, down, embedded, stack


class Outlook(NamedTuple):
    """What the trunk says of x given y.

    mean : Tensor, (B, C, H, W), the posterior mean;
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

    def forward(self, initial: Tensor, observation: Observation) -> Outlook:
        """Map the first guess, (B, C, H, W), and what is known about it to an `Outlook`."""
        h = self._labelled(self.stem(F.pixel_unshuffle(shown(initial, observation), 2)), observation, 0)
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.encoder):
            h = blocks(self.downs[i - 1](h) if i else h)
            skips.append(h)
        h = self._labelled(h, observation, 1)
        features = [h]
        for i in reversed(range(len(self.ups))):
            h = self.decoder[i](self.ups[i](h) + skips[i])
            features.append(h)
        channels = initial.shape[1]
        mean = initial + fold(F.pixel_shuffle(self.mean(h), 2), channels).float()
        return Outlook(mean, tuple(reversed(features)))

    def _labelled(self, h: Tensor, observation: Observation, place: int) -> Tensor:
        """Add the class's embedding at the encoder's start (0) or the decoder's (1); the last row means unknown."""
        if not self.labels:
            return h
        return (
            h
            + embedded(observation.label, self.labels[place].get_parameter("weight"), len(observation))[
                :, :, None, None
            ]
        )


def three(t: Tensor) -> Tensor:
    """Repeat a single channel three times; leave three as they are."""
    return t.expand(-1, 3, -1, -1)


def fold(t: Tensor, channels: int) -> Tensor:
    """Average three channels, the second dimension, into one where the image is gray."""
    return t.mean(1, keepdim=True) if channels == 1 else t


def shown(initial: Tensor, observation: Observation) -> Tensor:
    """Stack what the network sees, (B, 8, H, W): guess, observed, sigma, and whether sigma is known."""
    b, _, h, w = initial.shape
    sigma = observation.sigma
    if sigma is None:
        sigma = initial.new_full((b, 1, 1, 1), torch.nan)
    known = ~sigma.isnan()
    level = torch.cat([torch.where(known, sigma, 0.0), known.to(initial.dtype)], 1).expand(-1, -1, h, w)
    seen = observation.observed.to(initial.dtype)
    seen = seen if seen.shape[2:] == (h, w) else F.interpolate(seen, (h, w))  # of an observation of another size
    return torch.cat([three(initial), three(seen), level], 1)
