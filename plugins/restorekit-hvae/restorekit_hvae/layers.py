"""Residual blocks, and a group of latents with its prior and its approximate posterior.

References
----------
Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images", ICLR 2021, section 3 and
figure 3 (bottleneck blocks; last convolutions scaled by 1 / sqrt(depth); the prior's starts at zero).
Vahdat, Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", NeurIPS 2020, section 3.2 (the posterior
relative to the prior).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Rng
from restorekit.models import DiagonalGaussian, dropout

MAX_LOG_CHANGE = 4.0  # largest distance of a log-variance from its start


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1 pixels with GELU before each; `scale` multiplies the last weights."""

    def __init__(self, inputs: int, outputs: int, inner: int, scale: float, rate: float = 0.0) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, inner, 1)
        self.middle = nn.Conv2d(inner, inner, 3, padding=1)
        self.leave = nn.Conv2d(inner, outputs, 1)
        self.rate = rate
        with torch.no_grad():
            self.leave.weight.mul_(scale)
            nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, rng: Rng | None = None) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h, w); dropout is active if `rng` is set."""
        h = F.gelu(self.middle(F.gelu(self.enter(F.gelu(h)))))
        out: Tensor = self.leave(h if rng is None else dropout(h, self.rate, rng, "dropout"))
        return out


def coarser(inputs: int, outputs: int, ratio: int) -> nn.Sequential:
    """Return a convolution of `ratio` x `ratio` pixels and that stride, computed as a matrix product."""
    return nn.Sequential(nn.PixelUnshuffle(ratio), nn.Conv2d(inputs * ratio**2, outputs, 1))


def finer(inputs: int, outputs: int, ratio: int) -> nn.Sequential:
    """Return the upsampling counterpart of `coarser`: `ratio` x `ratio` pixels from each position."""
    return nn.Sequential(nn.Conv2d(inputs, outputs * ratio**2, 1), nn.PixelShuffle(ratio))


class Rung(nn.Module):
    """Group of latents: p(z | above), q(z | above, x), and the effect of z on the features below.

    Parameters
    ----------
    width, inner, latent : int
        Channels of the features, inside blocks, and of z.
    scale : float
        1 / sqrt(depth) of the ladder, so that the features keep their size over any depth.
    name : str
        Name of z for random numbers.
    stride : int
        Pixels per grid position.
    rate : float
        Dropout rate.
    """

    def __init__(self, width: int, inner: int, latent: int, scale: float, name: str, stride: int, rate: float) -> None:
        super().__init__()
        self.prior = Bottleneck(width, 2 * latent + width, inner, 0.0)
        self.posterior = Bottleneck(2 * width, 2 * latent, inner, 0.5)
        self.take = nn.Conv2d(latent, width, 1)
        self.mix = Bottleneck(width, width, inner, scale, rate)
        self.latent, self.name, self.stride = latent, name, stride
        with torch.no_grad():
            self.take.weight.mul_(scale)

    def above(self, h: Tensor) -> tuple[Tensor, DiagonalGaussian]:
        """Return the features, (B, width, h, w), with what the prior's block adds to them, and p(z | above)."""
        mu, logvar, more = self.prior(h).split([self.latent, self.latent, h.shape[1]], 1)
        return h + more, DiagonalGaussian(mu.float(), _bounded(logvar.float()), self.name, self.stride)

    def approximate_posterior(self, h: Tensor, evidence: Tensor, p: DiagonalGaussian) -> DiagonalGaussian:
        """Return q(z | above, x) from the features of ladder and inference network, relative to p(z | above)."""
        off, ratio = self.posterior(torch.cat([h, evidence], 1)).float().chunk(2, 1)
        return DiagonalGaussian(p.mu + off, p.logvar + _bounded(ratio), self.name, self.stride)

    def put(self, h: Tensor, z: Tensor, rng: Rng | None) -> Tensor:
        """Return the features below, (B, width, h, w)."""
        h = h + self.take(z)
        out: Tensor = h + self.mix(h, rng and rng.fork(self.name))
        return out


def _bounded(logvar: Tensor) -> Tensor:
    """Bound a log-variance, or the log of a ratio of variances, smoothly so that exp is safe."""
    return MAX_LOG_CHANGE * torch.tanh(logvar / MAX_LOG_CHANGE)


def divergence(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    """Return KL(q || p) of each value, (B, C, h, w) nats."""
    ratio = q.logvar - p.logvar
    return 0.5 * (ratio.exp() + (q.mu - p.mu) ** 2 * (-p.logvar).exp() - 1 - ratio)
