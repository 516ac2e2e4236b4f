"""The one-pass part of the CVAE: a residual U-Net from an observation to the posterior mean.

Reference: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", TPAMI 2021 (DRUNet:
no normalisation, noise level as an input).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.blocks import Up, down, embedded, stack
from restorekit.errors import SpecError
from restorekit.models.grain import KINDS
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
    levels : int
        Grids of latents, at strides 1, 2, 4 ...
    context : int
        Channels of what spread and gains are read off.
    recogniser : int
        Channels of the inference network.
    floor : float
        Least standard deviation of a pixel, on the [0, 1] scale.
    blind : float
        Share of training images whose sigma is not told.
    beta : float
        Weight of the rate.
    free_bits : float
        Nats per position of each latent grid that cost nothing.
    octaves : float
        Weight of the match between the energies of draws and errors in each octave, beside the ELBO's 1.
    latent_share : float
        Share of each training batch that gains and inference network learn from; trunk and spread learn from all.
    learns : {"all", "trunk", "around", "draws"}
        The trunks alone, which a plain regressor is; what stands around settled trunks, or of that only how draws
        differ, whose spread is settled too; or everything at once.
    filling : bool
        Have a second of everything for damage that only takes values out and leaves the others exact.
    filling_widths, filling_encoder, filling_decoder : tuple of int
        Sizes of the second trunk; as many levels as the first.
    classes : int
        Number of class labels; 0 = none. An unknown class is one more, learnt from the images that do not tell theirs
        and from a share of the others: its one pass stands for all classes, in place of a sum over a classifier's.
    spots : int
        Where above 0, every value is predicted from the others, so that no clean image is needed to learn: side of the
        squares of which one pixel at a time is hidden; a restoration takes its square of passes.
    noise : float
        Standard deviation of the noise of what was learnt from, where it is not told; with `spots` alone.
    grain : {"known", "sigma", "gain"}
        That noise is known; or its level is learnt; or that and how it grows with brightness; with `spots` alone.
    """

    widths: tuple[int, ...] = field(default=(32, 64, 128), metadata={"low": 1})
    encoder: tuple[int, ...] = field(default=(2, 1, 2), metadata={"low": 0})
    decoder: tuple[int, ...] = field(default=(2, 1), metadata={"low": 0})
    levels: int = field(default=5, metadata={"low": 2})
    context: int = field(default=48, metadata={"low": 1})
    recogniser: int = field(default=32, metadata={"low": 1})
    floor: float = field(default=0.25 / 255, metadata={"low": 1e-6})
    blind: float = field(default=0.5, metadata={"objective": True, "low": 0, "high": 1})
    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})
    octaves: float = field(default=1.0, metadata={"objective": True, "low": 0})
    latent_share: float = field(default=0.25, metadata={"objective": True, "low": 0, "high": 1})
    learns: str = field(default="all", metadata={"objective": True, "choices": ("all", "trunk", "around", "draws")})
    filling: bool = True
    filling_widths: tuple[int, ...] = field(default=(32, 56, 96), metadata={"low": 1})
    filling_encoder: tuple[int, ...] = field(default=(3, 1, 1), metadata={"low": 0})
    filling_decoder: tuple[int, ...] = field(default=(3, 1), metadata={"low": 0})
    classes: int = field(default=0, metadata={"low": 0})
    spots: int = field(default=0, metadata={"low": 0, "high": 8})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    grain: str = field(default="known", metadata={"choices": KINDS})

    def __post_init__(self) -> None:
        levels = len(self.widths)
        found = (len(self.encoder), len(self.decoder) + 1)
        if levels < 2 or found != (levels,) * 2:
            raise SpecError(
                f"encoder needs a number for each of at least two widths and decoder one less, got widths "
                f"{self.widths}, encoder {self.encoder}, decoder {self.decoder}"
            )
        second = (len(self.filling_widths), len(self.filling_encoder), len(self.filling_decoder) + 1)
        if self.filling and second != (levels,) * 3:
            raise SpecError(
                f"the trunk for filling needs the {levels} levels of the other, got filling_widths "
                f"{self.filling_widths}, filling_encoder {self.filling_encoder}, filling_decoder "
                f"{self.filling_decoder}; set those three too, or filling=no"
            )

    def for_filling(self) -> CVAEConfig:
        """Return the configuration whose sizes are those of the second trunk."""
        return replace(
            self, widths=self.filling_widths, encoder=self.filling_encoder, decoder=self.filling_decoder
        )  # fmt: skip

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on by 1e-3 or more: three quarters of the receptive field."""
        ends = 2 * 2  # stem and head
        encoder = sum(2 ** (i + 2) * n for i, n in enumerate(self.encoder))  # two 3x3 convolutions a block
        decoder = sum(2 ** (i + 2) * n for i, n in enumerate(self.decoder))
        crossings = sum(2 ** (i + 1) for i in range(len(self.widths)))  # positions within each coarser cell
        return 8 * math.ceil(3 / 32 * float(ends + encoder + decoder + crossings))


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

    def forward(self, guess: Tensor, observation: Observation) -> Outlook:
        """Map the first guess, (B, C, H, W), and what is known about it to an `Outlook`."""
        h = self._labelled(self.stem(F.pixel_unshuffle(shown(guess, observation), 2)), observation, 0)
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.encoder):
            h = blocks(self.downs[i - 1](h) if i else h)
            skips.append(h)
        h = self._labelled(h, observation, 1)
        features = [h]
        for i in reversed(range(len(self.ups))):
            h = self.decoder[i](self.ups[i](h) + skips[i])
            features.append(h)
        channels = guess.shape[1]
        mean = guess + fold(F.pixel_shuffle(self.mean(h), 2), channels).float()
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


def shown(guess: Tensor, observation: Observation) -> Tensor:
    """Stack what the network sees, (B, 8, H, W): guess, observed, sigma, and whether sigma is known."""
    b, _, h, w = guess.shape
    sigma = observation.sigma
    if sigma is None:
        sigma = guess.new_full((b, 1, 1, 1), torch.nan)
    known = ~sigma.isnan()
    level = torch.cat([torch.where(known, sigma, 0.0), known.to(guess.dtype)], 1).expand(-1, -1, h, w)
    seen = observation.observed.to(guess.dtype)
    seen = seen if seen.shape[2:] == (h, w) else F.interpolate(seen, (h, w))  # of an observation of another size
    return torch.cat([three(guess), three(seen), level], 1)
