"""Mixture of discretised logistic distributions: what an 8-bit pixel may be, with more than one peak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from restorekit.likelihoods import logistic_bins, per_image
from restorekit.noise import Noise

LEAST, MOST = -7.0, 1.0  # log of a scale on [0, 1]


@dataclass(frozen=True, eq=False)
class LogisticMixture:
    """Mixture of logistic distributions, integrated over the bins of an 8-bit image.

    The channels of a pixel share their component, and are independent given it: so colours go together, and the law
    of some channels of a pixel is exact where others are missing. (PixelCNN++ makes channels depend on each other
    in turn, for which no such marginal is known.)

    Reference: Salimans, Karpathy, Chen, Kingma, "PixelCNN++", ICLR 2017, equations 1 and 2.

    Parameters
    ----------
    logits : Tensor, (B, K, 1, H, W)
        Log-weights of the components, up to a constant.
    mu, logscale : Tensor, (B, K, C, H, W)
        Centre on [0, 1] and log of the scale of each component.
    levels : int
        Number of bins; 256 for 8-bit images.
    """

    logits: Tensor
    mu: Tensor
    logscale: Tensor
    levels: int = 256

    @classmethod
    def read(cls, raw: Tensor, channels: int) -> LogisticMixture:
        """Read it off a network's numbers, (B, K (1 + 2 C), H, W); components start spread over [0, 1]."""
        b, values, h, w = raw.shape
        k = values // (1 + 2 * channels)
        logits, rest = raw[:, :k].view(b, k, 1, h, w), raw[:, k:].view(b, k, 2 * channels, h, w)
        mu, logscale = rest.chunk(2, 2)
        centres = torch.linspace(0, 1, k, device=raw.device).view(1, k, 1, 1, 1) if k > 1 else 0.5
        return cls(logits, mu + centres, (logscale - 2).clamp(LEAST, MOST))

    @cached_property
    def weights(self) -> Tensor:
        """Weights of the components, (B, K, 1, H, W), that add up to 1."""
        return self.logits.softmax(1)

    @cached_property
    def mean(self) -> Tensor:
        """Mean of the centres, clipped to [0, 1], (B, C, H, W)."""
        return (self.weights * self.mu.clamp(0, 1)).sum(1)

    @cached_property
    def variance(self) -> Tensor:
        """Variance between components and within, before values are cut into bins, (B, C, H, W)."""
        within = (2 * self.logscale).exp() * (math.pi**2 / 3)
        between = (self.mu.clamp(0, 1) - self.mean[:, None]) ** 2
        return (self.weights * (within + between)).sum(1)

    def sample(self, noise: Noise) -> Tensor:
        """Draw values on the grid of `levels`."""
        b, _, c, h, w = self.mu.shape
        which = noise.uniform("component", (b, 1, h, w), self.mu.device)[:, None]
        chosen = (self.weights.cumsum(1) < which).sum(1, keepdim=True).clamp_max(self.mu.shape[1] - 1)
        index = chosen.expand(-1, -1, c, -1, -1)
        mu, logscale = self.mu.gather(1, index)[:, 0], self.logscale.gather(1, index)[:, 0]
        u = noise.uniform("logistic", (b, c, h, w), mu.device).clamp(1e-6, 1 - 1e-6)
        x = mu + logscale.exp() * torch.logit(u)
        return (x.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the log-probability of the bins that x falls into, (B,) nats, of the observed values."""
        values = logistic_bins(x[:, None], self.mu, self.logscale, self.levels)
        if observed is not None:
            values = torch.where(observed[:, None], values, 0.0)
        of_pixel = (self.logits.log_softmax(1) + values.sum(2, keepdim=True)).logsumexp(1)
        return per_image(of_pixel)
