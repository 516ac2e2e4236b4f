"""Network that finds dust, hairs, scratches and spots: the probability that each pixel is defective.

Reference: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015;
here with residual blocks, from half of the resolution down, so that thin marks stay cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.contracts import Detector, Network
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Geometry, Observation, Terms
from restorekit.models.layers import Up, down, halo

DEFECTIVE, CLEAN = 0.2, 0.02  # opacity from which a pixel is defective, up to which it is clean; between: neither
VISIBLE = 0.04  # change of a value from which a mark is visible
TOUCHED = 0.001  # share of clean pixels at which validation measures what is found


@dataclass(frozen=True)
class MarksConfig:
    """Sizes of a `Marks` network.

    Parameters
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    encoder, decoder : tuple of int
        Residual blocks at each resolution on the way down, and on the way up (all but the last).
    """

    widths: tuple[int, ...] = field(default=(40, 64, 96, 128), metadata={"low": 1})
    encoder: tuple[int, ...] = field(default=(1, 2, 2, 2), metadata={"low": 1})
    decoder: tuple[int, ...] = field(default=(1, 1, 1), metadata={"low": 1})


class NormedBlock(nn.Module):
    """Residual block x + conv(relu(conv(norm(x)))); the norm is of each pixel alone, so that tiles agree.

    Reference for the norm: Zhang, Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, width, 1, 1))
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        square = torch.linalg.vector_norm(x, dim=1, keepdim=True).square() / x.shape[1]
        normed = x * (square + 1e-6).rsqrt().to(x.dtype)
        # the gain is applied to the weights: one pass less over the image
        inner = F.conv2d(normed, self.inner.weight * self.gain, self.inner.bias, padding=1)
        return x + self.outer(inner.relu_())  # type: ignore[no-any-return]


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(NormedBlock(width) for _ in range(depth)))


class Marks(Network, Detector):
    """Finds dust, hairs, scratches and spots with a network that has learned them from simulated defects."""

    name: ClassVar[str] = "marks"
    bytes_per_pixel = 512  # features begin at half of the resolution
    penalty = 0.3  # chosen on held-out photographs, see RECIPE.md
    extends = transient = True
    Config: ClassVar[type] = MarksConfig
    presets: ClassVar = {"small": {"widths": (8, 16), "encoder": (1, 1), "decoder": (1,)}}

    def __init__(self, config: MarksConfig) -> None:
        super().__init__(config)
        widths = config.widths
        self.stem = nn.Conv2d(3 * 4, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.encoder, strict=True))
        self.downs = nn.ModuleList(down(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(Up(b, a) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.decoder, strict=False))
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        for name, layer in self.named_modules():  # blocks that start as the identity would make the network linear
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if name.endswith("outer") else "relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, -4.0)  # type: ignore[arg-type]
        self.geometry = Geometry(None, 2 ** len(widths), halo(config.encoder, config.decoder), (1, 3))

    def logits(self, y: Tensor) -> Tensor:
        """Return the log-odds of a defect, (B, 1, H, W), for images y, (B, 1 or 3, H, W), of an accepted size."""
        h = self.stem(F.pixel_unshuffle(y.expand(-1, 3, -1, -1) - 0.5, 2))
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.encoder):
            h = blocks(self.downs[i - 1](h) if i else h)
            skips.append(h)
        for i in reversed(range(len(self.ups))):
            h = self.decoder[i](self.ups[i](h) + skips[i])
        return F.pixel_shuffle(self.head(h), 2).float()

    def probability(self, observation: Observation, rng: Rng) -> Tensor:
        """Return the probability that each pixel is defective, (B, 1, H, W)."""
        y = observation.y if observation.initial is None else observation.initial  # without gaps
        return self.logits(y.to(self.head.weight.device)).sigmoid()

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the cross-entropy of defective and clean pixels; invisible marks do not count."""
        defective, counted = _truth(batch)
        nats = F.binary_cross_entropy_with_logits(self.logits(batch.observation.y), defective.float(), reduction="none")
        loss = (nats * counted).mean()
        return Terms(1000 * loss, {"cross_entropy": loss.detach() * defective[0].numel()})

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the share of defective pixels that is found where a share `TOUCHED` of clean ones is touched."""
        defective, counted = _truth(batch)
        found, clean = self.logits(batch.observation.y), counted & ~defective
        if not defective.any():
            return {"touched": (found[clean] > 0).float().mean()}
        ranked = found[clean].sort().values
        threshold = ranked[min(len(ranked) - 1, int((1 - TOUCHED) * len(ranked)))]
        return {"found": (found[defective] > threshold).float().mean(), "threshold": threshold}


def _truth(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return which pixels are defective, and which count, (B, 1, H, W) bool: those that are visible marks or clean."""
    o = batch.observation
    cover = torch.zeros_like(o.y[:, :1]) if o.marks is None else o.marks
    defective = cover >= DEFECTIVE
    if batch.x is None or batch.x.shape != o.y.shape:
        return defective, defective | (cover <= CLEAN)
    change = F.avg_pool2d((o.y - batch.x).abs().amax(1, keepdim=True), 3, 1, 1)
    return defective, torch.where(defective, change > VISIBLE, cover <= CLEAN)
