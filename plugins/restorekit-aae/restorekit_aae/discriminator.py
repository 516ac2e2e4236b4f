"""A discriminator of latents, and how far latents are from N(0, I).

Its logit tends to log q(z) / p(z), q(z) being what the encoder makes of all images together, so that its mean over
latents of the encoder estimates KL(q(z) || p(z)) in nats.

References
----------
Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, proposition 1 (the optimal discriminator).
Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2015, section 2.3 (labels).
Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018, equation 9 (R1).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.models import DiagonalGaussian, per_image, rows


class Discriminator(nn.Module):
    """Tells latents of the encoder (logit above 0) from draws of the prior (below 0), at each place of a grid.

    It is shown squares beside the latents, as the log-ratio of two Gaussians is a sum of both: without, it learns late
    that a latent is too narrow, which is what an encoder that nothing else holds back makes of most of them.

    Parameters
    ----------
    latent : int
        Latents in all, or per grid position.
    widths : tuple of int
        Widths of its hidden layers.
    classes : int
        Classes that it is told, beside "unknown"; 0 = none.
    spatial : bool
        Whether latents lie on a grid, where it sees neighbours too.
    """

    def __init__(self, latent: int, widths: tuple[int, ...], classes: int, spatial: bool) -> None:
        super().__init__()
        self.classes = classes
        sizes = (2 * latent + (classes + 1 if classes else 0), *widths, 1)
        kernel = 3 if spatial else 1
        self.layers = nn.ModuleList(nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairwise(sizes))

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the logit of each image, (B,) nats, summed over the grid, of z, (B, latent) or (B, latent, h, w)."""
        *inner, last = self.layers
        with torch.autocast(z.device.type, enabled=False):
            h = z.float() if z.dim() == 4 else z.float()[:, :, None, None]
            h = self._told(torch.cat([h, h**2 - 1], 1), label)
            for layer in inner:
                h = F.silu(layer(h))
            return per_image(last(h))

    def _told(self, h: Tensor, label: Tensor | None) -> Tensor:
        """Append the one-hot label, in which "unknown" is a class of its own."""
        if not self.classes:
            return h
        table = torch.eye(self.classes + 1, dtype=h.dtype, device=h.device)
        planes = table[rows(label, len(h), self.classes, h.device)][:, :, None, None]
        return torch.cat([h, planes.expand(-1, -1, *h.shape[2:])], 1)

    def steepness(self, z: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the logits, (B,), and the squared norms of their gradients in z, (B,), which can be learnt through."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            logits: Tensor = self(z, label)
            (slope,) = torch.autograd.grad(logits.sum(), z, create_graph=True)
        return logits, per_image(slope**2)


def divergence(q: DiagonalGaussian) -> Tensor:
    """Return KL(q(z | x) || N(0, I)), (B,) nats."""
    return per_image(q.rates())


def moments(q: DiagonalGaussian) -> Tensor:
    """Return KL(N(m, S) || N(0, I)) in nats, scalar: m and S are mean and covariance of q(z | x) over all images.

    Of latents on a grid, each place counts as an image, and the divergence is that of one place.
    """
    mu, variance = (t.float().transpose(0, 1).flatten(1) for t in (q.mu, q.variance))
    mean = mu.mean(1)
    apart = mu - mean[:, None]
    covariance = apart @ apart.T / apart.shape[1] + variance.mean(1).diag()
    half: Tensor = torch.linalg.cholesky_ex(covariance)[0].diagonal().log().sum()  # of its log-determinant; never waits
    return 0.5 * (covariance.trace() + mean.square().sum() - len(mu)) - half


def places(q: DiagonalGaussian) -> int:
    """Return the number of places of a grid of latents; 1 of a vector."""
    return q.mu[0, 0].numel()
