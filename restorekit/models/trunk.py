"""The one-pass part of the CVAE: a residual U-Net from an observation to posterior mean and variance.

Reference: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", TPAMI 2021 (DRUNet:
no normalisation, noise level as an input).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.blocks import Up, down, stack
from restorekit.likelihoods import floored
from restorekit.types import Observation


@dataclass(frozen=True)
class CVAEConfig:
    """Sizes and objective of a `CVAE`.

    Parameters
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    encoder, decoder : tuple of int
        Residual blocks at each resolution, finest first; the last of `encoder` is the middle.
    latents : tuple of int
        Latent channels at each resolution, finest first.
    ladder : int
        Channels of the ladder.
    floor : float
        Least standard deviation of a pixel, on the [0, 1] scale.
    blind : float
        Share of training images whose sigma is not told.
    beta : float
        Weight of the rate.
    free_bits : float
        Nats per position of each latent grid that cost nothing.
    ladder_share : float
        Share of each training batch the ladder learns from; the trunk learns from all of it.
    classes : int
        Number of class labels; 0 = none.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    encoder: tuple[int, ...] = (2, 1, 2)
    decoder: tuple[int, ...] = (2, 1)
    latents: tuple[int, ...] = (6, 8, 8)
    ladder: int = 32
    floor: float = 0.25 / 255
    blind: float = 0.5
    beta: float = 1.0
    free_bits: float = 0.0
    ladder_share: float = 0.25
    classes: int = 0


class Outlook(NamedTuple):
    """What the trunk says of x given y.

    mean, logvar : Tensor, (B, C, H, W), the posterior mean and log-variance per value;
    features : tuple of Tensor, the decoder's features, finest first, at 1/2, 1/4, 1/8 ...
    """

    mean: Tensor
    logvar: Tensor
    features: tuple[Tensor, ...]


class Trunk(nn.Module):
    """U-Net from an observation to mean, variance and features."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        widths, floor = config.widths, config.floor
        self.floor = floor
        self.stem = nn.Conv2d(4 * 8, widths[0], 3, padding=1)
        self.label = nn.Embedding(config.classes + 1, widths[0]) if config.classes else None
        self.encoder = nn.ModuleList(stack(w, n) for w, n in zip(widths, config.encoder, strict=True))
        self.downs = nn.ModuleList(down(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(Up(b, a) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(stack(w, n) for w, n in zip(widths, config.decoder, strict=False))
        self.mean = nn.Conv2d(widths[0], 12, 3, padding=1)
        self.spread = nn.Conv2d(widths[0], 12, 3, padding=1)
        for head in (self.mean, self.spread):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, guess: Tensor, observation: Observation) -> Outlook:
        """Map the first guess, (B, C, H, W), and what is known about it to an `Outlook`."""
        h = self.stem(F.pixel_unshuffle(shown(guess, observation), 2))
        if self.label is not None:
            h = h + self._embed(observation)[:, :, None, None]
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.encoder):
            h = blocks(self.downs[i - 1](h) if i else h)
            skips.append(h)
        features = [h]
        for i in reversed(range(len(self.ups))):
            h = self.decoder[i](self.ups[i](h) + skips[i])
            features.append(h)
        channels = guess.shape[1]
        mean = guess + fold(F.pixel_shuffle(self.mean(h), 2), channels).float()
        # the variance is read off features it may not change: fitting it must not starve the mean
        spread = fold(F.pixel_shuffle(self.spread(h.detach()), 2), channels).float()
        return Outlook(mean, floored(2 * spread - 5, self.floor), tuple(reversed(features)))

    def _embed(self, observation: Observation) -> Tensor:
        assert self.label is not None
        label = observation.label
        if label is None:
            label = torch.full((len(observation),), -1, device=observation.y.device)
        out: Tensor = self.label(label % self.label.num_embeddings)  # -1 wraps to the last row: unknown
        return out


def three(t: Tensor) -> Tensor:
    """Repeat a single channel three times; leave three as they are."""
    return t.expand(-1, 3, -1, -1)


def fold(t: Tensor, channels: int) -> Tensor:
    """Average three channels into one where the image is gray."""
    return t.mean(1, keepdim=True) if channels == 1 else t


def shown(guess: Tensor, observation: Observation) -> Tensor:
    """Stack what the network sees, (B, 8, H, W): guess, observed, sigma, and whether sigma is known."""
    b, _, h, w = guess.shape
    sigma = observation.sigma
    if sigma is None:
        sigma = guess.new_full((b, 1, 1, 1), torch.nan)
    known = ~sigma.isnan()
    level = torch.cat([torch.where(known, sigma, 0.0), known.to(guess.dtype)], 1).expand(-1, -1, h, w)
    return torch.cat([three(guess), three(observation.observed.to(guess.dtype)), level], 1)
