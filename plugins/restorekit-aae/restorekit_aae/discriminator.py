"""Discriminator of latents, and divergences of latents from N(0, I).

Its logit tends to log q(z) / p(z), where q(z) is the distribution of the encoder's latents over all images. So its mean
over latents of the encoder estimates KL(q(z) || p(z)) in nats.

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

from restorekit.models import DiagonalGaussian, label_rows, per_image


class Discriminator(nn.Module):
    """Discriminator of latents of the encoder (logit above 0) and draws of the prior (below 0), at each grid position.

    Its inputs are the latents and their squares, because the log-ratio of two Gaussians is a sum of both. Without
    squares it learns late that a latent is too narrow, as an unconstrained encoder makes most of them.

    Parameters
    ----------
    latent : int
        Number of latents, or of latents per grid position.
    widths : tuple of int
        Widths of the hidden layers.
    classes : int
        Classes in its input, in addition to "unknown"; 0 = none.
    spatial : bool
        Whether latents lie on a grid; it then uses neighbours too.
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
            h = torch.cat([h, h**2 - 1], 1)
            if self.classes:  # append the one-hot label, in which "unknown" is a class of its own
                table = torch.eye(self.classes + 1, dtype=h.dtype, device=h.device)
                planes = table[label_rows(label, len(h), self.classes, h.device)][:, :, None, None]
                h = torch.cat([h, planes.expand(-1, -1, *h.shape[2:])], 1)
            for layer in inner:
                h = F.silu(layer(h))
            return per_image(last(h))

    def steepness(self, z: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the logits, (B,), and the squared norms of their gradients in z, (B,), both differentiable."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            logits: Tensor = self(z, label)
            (slope,) = torch.autograd.grad(logits.sum(), z, create_graph=True)
        return logits, per_image(slope**2)


def divergence(q: DiagonalGaussian) -> Tensor:
    """Return KL(q(z | x) || N(0, I)), (B,) nats."""
    return per_image(q.rates())


def moments(q: DiagonalGaussian) -> Tensor:
    """Return KL(N(m, S) || N(0, I)) in nats, scalar, with mean m and covariance S of q(z | x) over all images.

    On a grid, each position counts as an image, and the divergence is that of one position.
    """
    mu, variance = (t.float().transpose(0, 1).flatten(1) for t in (q.mu, q.variance))
    mean = mu.mean(1)
    centred = mu - mean[:, None]
    covariance = centred @ centred.T / centred.shape[1] + variance.mean(1).diag()
    half: Tensor = (
        torch.linalg.cholesky_ex(covariance)[0].diagonal().log().sum()
    )  # of the log-determinant, without a wait for the device
    return 0.5 * (covariance.trace() + mean.square().sum() - len(mu)) - half


def positions(q: DiagonalGaussian) -> int:
    """Return the number of positions of a grid of latents; 1 for a vector."""
    return q.mu[0, 0].numel()
