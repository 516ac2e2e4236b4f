"""The inference network of the CVAE: from an error to the latents of its random fields, coarse to fine.

Reference: Sonderby, Raiko, Maaloe, Sonderby, Winther, "Ladder Variational Autoencoders", NeurIPS 2016: every level
sees the data from below and the coarser levels' draws from above.
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
from restorekit.models.cvae.unet import three
from restorekit.models.layers import Up, down, stack


class Inferred(NamedTuple):
    """Latents with the margin around them, and q(z | u, y) of those within it given the coarser ones; finest first."""

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
    """q(z | u, y): diagonal Gaussians on grids of stride 1, 2, 4 ..., drawn from the coarsest on."""

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
        self, u: Tensor, unknown: Tensor, finest: Tensor, white: list[Tensor], given: Sequence[Tensor] | None = None
    ) -> Inferred:
        """Infer latents.

        Parameters
        ----------
        u : Tensor, (B, C, H, W)
            The error in units of its spread, 0 where nothing is unknown.
        unknown : Tensor of bool, (B, C, H, W)
            Where x is not known exactly.
        finest : Tensor, (B, features, H/2, W/2)
            The trunk's finest features.
        white : list of Tensor
            Standard normal numbers as `Fields.white` draws them, for one or more draws of every image, draws
            outermost; around the image they stay as they are.
        given : list of Tensor or None
            Latents, with their margin, that are taken in place of draws.
        """
        seen = [t.repeat(len(white[0]) // len(u), 1, 1, 1) for t in self._recognise(u, unknown, finest)]
        h = torch.zeros_like(seen[-1])
        latents, laws = [], []
        for i in reversed(range(len(seen))):
            law = _law(self.heads[i](torch.cat([h, seen[i]], 1)))
            z = drawn(law, white[i + 1]) if given is None else given[i + 1]
            h = self.mixes[i](h + self.takes[i](inside(z)))
            h = self.ups[i - 1](h) if i else h
            latents.append(z)
            laws.append(law)
        law = _law(F.pixel_shuffle(self.pixels(torch.cat([h, seen[0]], 1)), 2))
        z = drawn(law, white[0]) if given is None else given[0]
        return Inferred([z, *reversed(latents)], [law, *reversed(laws)])

    def _recognise(self, u: Tensor, unknown: Tensor, finest: Tensor) -> list[Tensor]:
        """Return what is seen at strides 2, 4, 8 ..."""
        shown = torch.cat([three(u.clamp(-10, 10)), three(unknown.to(u.dtype))], 1)
        h = self.looks[0](self.look(torch.cat([F.pixel_unshuffle(shown, 2), finest], 1)).relu())
        seen = [h]
        for shrink, blocks in zip(self.look_down, self.looks[1:], strict=True):
            seen.append(h := blocks(shrink(h)))
        return seen


def _law(raw: Tensor) -> DiagonalGaussian:
    """Return N(mu, exp(logvar)) of what a head says, (B, 2 KINDS, h, w)."""
    mu, logvar = bounded(raw).chunk(2, 1)
    return DiagonalGaussian(mu, logvar)


def drawn(law: DiagonalGaussian, white: Tensor) -> Tensor:
    """Return z ~ N(mu, exp(logvar)) within the margin of standard normal numbers, which stay as they are."""
    whole = white.clone()
    whole[..., MARGIN:-MARGIN, MARGIN:-MARGIN] = law.mu + (0.5 * law.logvar).exp() * inside(white)
    return whole


def inside(z: Tensor) -> Tensor:
    """Return latents, (B, KINDS, h, w), without the margin around them."""
    return z[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def bounded(raw: Tensor) -> Tensor:
    """Keep parameters of latents within -5 to 5, smoothly, so that no early step makes a KL overflow."""
    return 5 * torch.tanh(raw.float() / 5)
