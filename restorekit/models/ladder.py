"""The variational part of the CVAE: a top-down ladder of spatial latents on the trunk's features.

Reference: Sonderby, Raiko, Maaloe, Sonderby, Winther, "Ladder Variational Autoencoders", NeurIPS 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.blocks import Up, down, stack
from restorekit.likelihoods import DiagonalGaussian, floored
from restorekit.models.trunk import CVAEConfig, fold, three
from restorekit.noise import Noise

LEAST = 0.05  # least standard deviation of u, in units of the trunk's spread


class Rung(nn.Module):
    """One level of the ladder: prior, posterior, and what z adds to the path down to the pixels."""

    def __init__(self, width: int, features: int, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        self.enter = nn.Conv2d(features + width, width, 3, padding=1)
        self.prior = nn.Conv2d(width, 2 * channels, 3, padding=1)
        self.posterior = nn.Conv2d(2 * width, 2 * channels, 3, padding=1)
        self.take = nn.Conv2d(channels, width, 3, padding=1)
        self.mix = stack(width, 1)
        for head in (self.prior, self.posterior):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, features: Tensor, seen: Tensor | None, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """Add a latent to h, (B, width, h, w); drawn from the posterior, with its KL, where `seen` is given."""
        h = self.enter(torch.cat([features, h], 1)).relu()
        mu, logvar = bounded(self.prior(h)).chunk(2, 1)
        p = DiagonalGaussian(mu, logvar, f"z{self.stride}", self.stride)
        if seen is None:
            return self.mix(h + self.take(p.sample(noise))), None
        # the posterior is told relative to the prior, in its units (Vahdat, Kautz, "NVAE", NeurIPS 2020, eq. 3)
        shift, shrink = bounded(self.posterior(torch.cat([h, seen], 1))).chunk(2, 1)
        q = DiagonalGaussian(mu + shift * (0.5 * logvar).exp(), logvar + shrink, p.name, p.stride)
        kl = 0.5 * (shift**2 + shrink.exp() - shrink - 1)
        return self.mix(h + self.take(q.sample(noise))), kl


class Ladder(nn.Module):
    """Latents from coarse to fine, and the decoder of u = (x - m) / s."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        width, levels = config.ladder, range(len(config.widths))
        self.width = width
        self.look = nn.Conv2d(4 * 6 + config.widths[0], width, 3, padding=1)
        self.look_down = nn.ModuleList(down(width, width) for _ in levels[1:])
        self.looks = nn.ModuleList(stack(width, 1) for _ in levels)
        self.rungs = nn.ModuleList(
            Rung(width, w, c, 2 ** (i + 1)) for i, (w, c) in enumerate(zip(config.widths, config.latents, strict=True))
        )
        self.ups = nn.ModuleList(Up(width, width) for _ in levels[1:])
        self.head = nn.Conv2d(width, 24, 3, padding=1)

    def recognise(self, u: Tensor, unknown: Tensor, features: tuple[Tensor, ...]) -> list[Tensor]:
        """Return what the posterior sees at each level, finest first."""
        shown = torch.cat([three(u.clamp(-10, 10)), three(unknown.to(u.dtype))], 1)
        h = self.looks[0](self.look(torch.cat([F.pixel_unshuffle(shown, 2), features[0]], 1)).relu())
        seen = [h]
        for shrink, blocks in zip(self.look_down, self.looks[1:], strict=True):
            seen.append(h := blocks(shrink(h)))
        return seen

    def forward(
        self, features: tuple[Tensor, ...], seen: list[Tensor] | None, noise: Noise, channels: int
    ) -> tuple[DiagonalGaussian, list[Tensor]]:
        """Run down the ladder; return p(u | z), (B, C, H, W), and the KL of each level, coarsest first."""
        h = features[-1].new_zeros(features[-1].shape[0], self.width, *features[-1].shape[2:])
        rates = []
        for i in reversed(range(len(self.rungs))):
            h, kl = self.rungs[i](h, features[i], None if seen is None else seen[i], noise)
            h = self.ups[i - 1](h) if i else h
            if kl is not None:
                rates.append(kl)
        mu, logvar = F.pixel_shuffle(self.head(h), 2).float().chunk(2, 1)
        return DiagonalGaussian(fold(mu, channels), floored(fold(logvar, channels), LEAST), "u"), rates


def bounded(raw: Tensor) -> Tensor:
    """Keep parameters of latents within -5 to 5, smoothly, so that no early step makes a KL overflow."""
    return 5 * torch.tanh(raw.float() / 5)
