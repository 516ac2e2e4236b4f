"""Settings of both models."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from restorekit import SpecError
from restorekit.models import DecoderConfig, RateConfig


@dataclass(frozen=True)
class LadderConfig(RateConfig, DecoderConfig):
    """Sizes and objective of a ladder of latents.

    Parameters
    ----------
    widths : tuple of int
        Channels of the features at each scale, finest first.
    blocks : tuple of int
        Groups of latents at each scale, finest first; each is conditional on those above it.
    encoder : tuple of int
        Residual blocks of the inference network at each scale, finest first.
    latent : int
        Latent channels of each group, per grid position.
    bottleneck : float
        Width inside a residual block, as a share of the width outside.
    free_bits : float
        Nats per group of latents and image without cost.
    dropout : float
        Share of hidden values zeroed in training.
    """

    widths: tuple[int, ...] = field(default=(32, 48, 64), metadata={"low": 1})
    blocks: tuple[int, ...] = field(default=(1, 2, 2), metadata={"low": 0})
    encoder: tuple[int, ...] = field(default=(1, 1, 1), metadata={"low": 0})
    latent: int = field(default=8, metadata={"low": 1})
    bottleneck: float = field(default=0.5, metadata={"low": 0.01, "high": 4})
    dropout: float = field(default=0.0, metadata={"objective": True, "low": 0, "high": 0.99})

    def __post_init__(self) -> None:
        found = (len(self.blocks), len(self.encoder), len(self.strides))
        if not self.widths or found != (len(self.widths),) * 3:
            raise SpecError(
                f"blocks, encoder and strides expect a number for each of the widths {self.widths}, got blocks "
                f"{self.blocks}, encoder {self.encoder}, strides {self.strides}; set all of them"
            )
        if self.strides[0] < 1 or any(b % a for a, b in pairwise(self.strides)):
            raise SpecError(
                f"each stride must be a multiple of the one before, such as 2,4,8, got {self.strides}; change strides"
            )
        if not self.blocks[-1]:
            raise SpecError(
                f"the coarsest scale needs at least one group of latents, got blocks={self.blocks}; set its last to 1"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per grid position at each scale, finest first."""
        return tuple(2 ** (i + 1) for i in range(len(self.widths)))

    @property
    def depth(self) -> int:
        """Number of residual blocks in the ladder."""
        return 2 * sum(self.blocks)

    @property
    def halo(self) -> int:
        """Distance in pixels with a noticeable effect on a result: half of the receptive field of the ladder."""
        reach = sum(s * (2 * b + e) for s, b, e in zip(self.strides, self.blocks, self.encoder, strict=True))
        return self.strides[-1] * math.ceil((reach + self.strides[-1]) / 2 / self.strides[-1])


@dataclass(frozen=True)
class HVAEConfig(LadderConfig):
    """Sizes and objective of an `HVAE`, in addition to `LadderConfig`.

    Parameters
    ----------
    steps : tuple of int
        Pixels per grid position at each scale, finest first, each a multiple of the one before; empty = 2,4,8 ...
        If the last one is the side of the image, its latents have no position.
    noise : float
        Standard deviation of the noise in the training images, on [0, 1]; 0 = clean images.
    """

    steps: tuple[int, ...] = field(default=(), metadata={"low": 1})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per grid position at each scale, finest first."""
        return self.steps or super().strides
