"""Inference network of the CVAE: from an error to the latents of its random fields, coarse to fine.

Reference: Sonderby, Raiko, Maaloe, Sonderby, Winther, "Ladder Variational Autoencoders", NeurIPS 2016: every level
gets the data from below and the draws of coarser levels from above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.distributions import LOG_2PI, DiagonalGaussian, per_image
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.error_fields import KINDS, MARGIN
from restorekit.models.cvae.unet import repeat_channels
from restorekit.models.layers import Up, down, stack


class Inferred(NamedTuple):
    """Latents with their margin, and q(z | u, y) within it conditional on coarser ones; finest first."""

    latents: list[Tensor]
    laws: list[DiagonalGaussian]

    @property
    def rates(self) -> list[Tensor]:
        """KL from the prior per latent, (B, KINDS, h, w)."""
        return [q.rates() for q in self.laws]

    def log_ratios(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Return log q(z | u, y) - log p(z) of latents, with their margin, by levels, (B,) nats each."""
        inner = [inside(z) for z in latents]
        return [q.log_prob(z) + per_image(0.5 * (z**2 + LOG_2PI)) for q, z in zip(self.laws, inner, strict=True)]


class Posterior(nn.Module):
    """Posterior q(z | u, y): diagonal Gaussians on grids of stride 1, 2, 4 ..., drawn coarse to fine."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        width, coarse = config.recogniser, range(config.levels - 1)
        self.look = nn.Conv2d(4 * 6 + config.widths[0], width, 3, padding=1)
        self.look_down = nn.ModuleList(down(width, width) for _ in coarse[1:])
        self.looks = nn.ModuleList(stack(width, 1) for _ in coarse)
        self.heads = nn.ModuleList(nn.Conv2d(2 * width, 2 * KINDS, 3, padding=1) for _ in coarse)
        self.takes = nn.ModuleList(nn.Conv2d(KINDS, width, 3, padding=1) for _ in coarse)
        self.mixes = nn.ModuleList(stack(width, 1) for _ in coarse)
        self.ups = nn.ModuleList(Up(width, width) for _ in coarse[1:])
        self.pixels = nn.Conv2d(2 * width, 4 * 2 * KINDS, 3, padding=1)
        for head in (*self.heads, self.pixels):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(
        self, u: Tensor, unknown: Tensor, finest: Tensor, white: list[Tensor], fixed: Sequence[Tensor] | None = None
    ) -> Inferred:
        """Infer latents.

        Parameters
        ----------
        u : Tensor, (B, C, H, W)
            Error in units of its spread, 0 where x is known.
        unknown : Tensor of bool, (B, C, H, W)
            True where x is not known exactly.
        finest : Tensor, (B, features, H/2, W/2)
            Finest features of the trunk.
        white : list of Tensor
            Standard normal numbers as from `Fields.white`, for one or more draws of every image, draws outermost; in
            the margin they are the latents.
        fixed : list of Tensor or None
            Latents, with their margin, to use in place of draws.
        """
        repeat = len(white[0]) // len(u)
        shown = torch.cat([repeat_channels(u.clamp(-10, 10)), repeat_channels(unknown.to(u.dtype))], 1)
        down = self.looks[0](self.look(torch.cat([F.pixel_unshuffle(shown, 2), finest], 1)).relu())
        evidence = [down]  # at strides 2, 4, 8 ...
        for shrink, blocks in zip(self.look_down, self.looks[1:], strict=True):
            evidence.append(down := blocks(shrink(down)))
        evidence = [t.repeat(repeat, 1, 1, 1) for t in evidence]
        h = torch.zeros_like(evidence[-1])
        latents, laws = [], []
        for i in reversed(range(len(evidence))):
            law = gaussian(self.heads[i](torch.cat([h, evidence[i]], 1)))
            z = drawn(law, white[i + 1]) if fixed is None else fixed[i + 1]
            h = self.mixes[i](h + self.takes[i](inside(z)))
            h = self.ups[i - 1](h) if i else h
            latents.append(z)
            laws.append(law)
        law = gaussian(F.pixel_shuffle(self.pixels(torch.cat([h, evidence[0]], 1)), 2))
        z = drawn(law, white[0]) if fixed is None else fixed[0]
        return Inferred([z, *reversed(latents)], [law, *reversed(laws)])


def gaussian(raw: Tensor) -> DiagonalGaussian:
    """Return N(mu, exp(logvar)) of the outputs of a head, (B, 2 KINDS, h, w)."""
    mu, logvar = bounded(raw).chunk(2, 1)
    return DiagonalGaussian(mu, logvar)


def drawn(law: DiagonalGaussian, white: Tensor) -> Tensor:
    """Return z ~ N(mu, exp(logvar)) within a margin that keeps its standard normal numbers."""
    z = white.clone()
    z[..., MARGIN:-MARGIN, MARGIN:-MARGIN] = law.mu + (0.5 * law.logvar).exp() * inside(white)
    return z


def inside(z: Tensor) -> Tensor:
    """Return latents, (B, KINDS, h, w), without the margin around them."""
    return z[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def bounded(raw: Tensor) -> Tensor:
    """Bound parameters of latents smoothly to -5 ... 5, so that no early update makes a KL overflow."""
    return 5 * torch.tanh(raw.float() / 5)
