"""Bottom-up network, and top-down ladder shared by inference and generation.

References
----------
Sonderby, Raiko, Maaloe, Sonderby, Winther, "Ladder Variational Autoencoders", NeurIPS 2016, section 2.2 (inference
from the top down, sharing the generative path).
Child, "Very Deep VAEs", ICLR 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Rng
from restorekit.models import DiagonalGaussian, label_rows
from restorekit_hvae.config import LadderConfig
from restorekit_hvae.layers import Bottleneck, Rung, coarser, finer

Choice = Callable[[int, DiagonalGaussian, DiagonalGaussian | None], Tensor]  # number, p, q if x is known -> z


class Upward(nn.Module):
    """Bottom-up network: features of an image at each scale, finest first."""

    def __init__(self, config: LadderConfig, channels: int) -> None:
        super().__init__()
        widths, strides = config.widths, config.strides
        self.finest = strides[0]
        self.enter = nn.Conv2d(channels * self.finest**2, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(Stack(config, w, n) for w, n in zip(widths, config.encoder, strict=True))
        ratios = [b // a for a, b in pairwise(strides)]
        self.downs = nn.ModuleList(
            coarser(a, b, r) for (a, b), r in zip(pairwise(widths), ratios, strict=True)
        )  # fmt: skip
        self.labels = nn.Embedding(config.classes + 1, widths[0]) if config.classes else None

    def forward(self, x: Tensor, label: Tensor | None, rng: Rng | None) -> tuple[Tensor, ...]:
        """Map x, (B, C, H, W), to features of each scale, (B, width, h, w)."""
        h = _add_label(self.enter(F.pixel_unshuffle(x, self.finest)), self.labels, label)
        evidence = []
        for i, blocks in enumerate(self.blocks):
            h = self.downs[i - 1](h) if i else h
            h = blocks(h, rng and rng.fork(f"up{i}"))
            evidence.append(h)
        return tuple(evidence)


class Ladder(nn.Module):
    """Top-down network from a learned start at the coarsest scale to features at the finest, through all latents."""

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        widths, strides, scale = config.widths, config.strides, config.depth**-0.5
        self.start = nn.Parameter(torch.zeros(1, widths[-1], 1, 1))
        self.labels = nn.Embedding(config.classes + 1, widths[-1]) if config.classes else None
        self.scales: list[int] = []  # scale of each group of latents
        self.ups = nn.ModuleList()
        rungs: list[Rung] = []
        for i in reversed(range(len(widths))):
            ratio = strides[i + 1] // strides[i] if i + 1 < len(widths) else 0
            self.ups.append(finer(widths[i + 1], widths[i], ratio) if ratio else nn.Identity())
            inner = max(1, round(config.bottleneck * widths[i]))
            for _ in range(config.blocks[i]):
                name = f"z{len(rungs)}"
                rungs.append(Rung(widths[i], inner, config.latent, scale, name, strides[i], config.dropout))
                self.scales.append(i)
        self.rungs = nn.ModuleList(rungs)
        self.names = tuple(rung.name for rung in rungs)

    def begin(self, count: int, grid: tuple[int, int], label: Tensor | None) -> Tensor:
        """Return the start of the ladder, (B, width, h, w) at the coarsest scale."""
        return _add_label(self.start.expand(count, -1, *grid), self.labels, label)

    def forward(
        self,
        h: Tensor,
        evidence: tuple[Tensor, ...] | None,
        choose: Choice,
        rng: Rng | None = None,
        context: tuple[Tensor, ...] | None = None,
    ) -> Tensor:
        """Walk down the ladder.

        Parameters
        ----------
        h : Tensor, (B, width, h, w)
            Result of `begin`.
        evidence : tuple of Tensor or None
            Features of x at each scale, finest first, from `Upward`; None without x.
        choose : callable
            Maps the number of a group, p(z | above) and, if x is known, q(z | above, x) to its z.
        rng : Rng or None
            Random numbers of dropout; None outside training.
        context : tuple of Tensor or None
            Features to add at each scale, finest first.

        Returns
        -------
        Tensor, (B, width, h, w) at the finest scale
        """
        for place, up in enumerate(self.ups):
            i = len(self.ups) - 1 - place
            h = up(h) if context is None else up(h) + context[i]
            for number, scale in enumerate(self.scales):
                if scale == i:
                    rung: Any = self.rungs[number]
                    h, p = rung.above(h)
                    q = None if evidence is None else rung.approximate_posterior(h, evidence[i], p)
                    h = rung.put(h, choose(number, p, q), rng)
        return h


class Stack(nn.Module):
    """Sequence of residual blocks."""

    def __init__(self, config: LadderConfig, width: int, count: int) -> None:
        super().__init__()
        inner, scale = max(1, round(config.bottleneck * width)), max(1, sum(config.encoder)) ** -0.5
        self.blocks = nn.ModuleList(Bottleneck(width, width, inner, scale, config.dropout) for _ in range(count))

    def forward(self, h: Tensor, rng: Rng | None) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        for i, block in enumerate(self.blocks):
            h = h + block(h, rng and rng.fork(f"block{i}"))
        return h


def _add_label(h: Tensor, table: nn.Embedding | None, label: Tensor | None) -> Tensor:
    """Add the embedding of the class; the last row means unknown."""
    if table is None:
        return h
    out: Tensor = h + table(label_rows(label, len(h), table.num_embeddings - 1, h.device))[:, :, None, None]
    return out
