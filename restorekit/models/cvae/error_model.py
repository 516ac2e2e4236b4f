"""Error model around the mean of a trunk: spread, random fields and inference network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from restorekit.core.distributions import DiagonalGaussian, per_image
from restorekit.core.rng import Rng
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.error_fields import Fields, Mixture
from restorekit.models.cvae.inference_network import Inferred, Posterior
from restorekit.models.cvae.spectral_loss import mismatch


class ErrorSample(NamedTuple):
    """ErrorSample that fields and inference network learn from; only `mixture` carries gradients.

    u : Tensor, (B, C, H, W), errors in units of their spread s; logs : Tensor, log s;
    scored : Tensor of bool, True where x is unknown; finest : Tensor, (B, features, H/2, W/2), the trunk's finest
    features; mixture : Mixture, gains and own variances.
    """

    u: Tensor
    logs: Tensor
    scored: Tensor
    finest: Tensor
    mixture: Mixture


class ErrorTerms(NamedTuple):
    """Objectives of the error model, in nats over the unknown values.

    spread_loss, score : Tensor, (B,), loss of the spread, and its plain Gaussian score;
    errors : ErrorSample, of some of the images;
    mismatch : Tensor, scalar, spectral loss of draws.
    """

    spread_loss: Tensor
    score: Tensor
    errors: ErrorSample
    mismatch: Tensor


class ErrorModel(nn.Module):
    """Spread, fields and inference network of one trunk."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        self.fields, self.posterior = Fields(config), Posterior(config)

    def terms(self, error: Tensor, scored: Tensor, features: tuple[Tensor, ...], share: int, rng: Rng) -> ErrorTerms:
        """Return the objectives of spread and spectrum, and the errors for `explain`.

        Parameters
        ----------
        error : Tensor, (B, C, H, W)
            x - m, 0 where not scored.
        scored : Tensor of bool, (B, C, H, W)
            True where x is unknown.
        features : tuple of Tensor
            Features of the trunk; they get no gradients.
        share : int
            Number of images, from the first, for gains and inference network.
        rng : Rng
            Random numbers of the latents.
        """
        features, channels = tuple(f.detach() for f in features), error.shape[1]
        context = self.fields.context(features)
        logvar = self.fields.logvar(context, channels)
        error_, scored_, s = error[:share], scored[:share], (0.5 * logvar[:share]).exp()
        mixture = self.fields.mixture(context[:share], channels)

        def drawn(name: str) -> Tensor:
            white = self.fields.white(rng.fork(name), len(s), (s.shape[2], s.shape[3]), s.device)
            return s * scored_ * self.fields.likelihood(white, mixture).sample(rng.fork(name))

        return ErrorTerms(
            spread_loss(error, logvar, scored),
            -DiagonalGaussian(torch.zeros_like(error), logvar).log_prob(error, scored),
            ErrorSample((error_ / s).detach(), s.detach().log(), scored_, features[0][:share], mixture),
            mismatch(error_, drawn("one"), drawn("other")),
        )

    def explain(self, errors: ErrorSample, rng: Rng, draws: int = 1) -> tuple[Tensor, Inferred]:
        """Infer latents; return -log p(x | z, y), (draws B,) nats over the unknown values, and the latents."""
        u = errors.u
        white = self.fields.white(rng, draws * len(u), (u.shape[2], u.shape[3]), u.device)
        inferred = self.posterior(u, errors.scored, errors.finest, white)
        return self.distortion(errors, inferred.latents), inferred

    def distortion(self, errors: ErrorSample, latents: list[Tensor]) -> Tensor:
        """Return -log p(x | z, y), (draws B,) nats over the unknown values, for one or more draws of every image."""
        u, logs, scored = (t.repeat(len(latents[0]) // len(t), 1, 1, 1) for t in errors[:3])
        return per_image(logs, scored) - self.fields.likelihood(latents, errors.mixture).log_prob(u, scored)

    def forward(self, features: tuple[Tensor, ...], channels: int) -> Tensor:
        """Return log s^2, (B, C, H, W), from the trunk's features."""
        return self.fields.logvar(self.fields.context(features), channels)

    def draw(
        self, features: tuple[Tensor, ...], shape: tuple[int, int, int], rng: Rng, n: int
    ) -> tuple[Tensor, DiagonalGaussian]:
        """Return s, (B, C, H, W), and p(u | z) of n draws of z from the prior for each image, (n B, C, H, W)."""
        context = self.fields.context(features)
        s = (0.5 * self.fields.logvar(context, shape[0])).exp()
        white = self.fields.white(rng, n * len(s), shape[1:], s.device)
        return s, self.fields.likelihood(white, self.fields.mixture(context, shape[0]))


def spread_loss(error: Tensor, logvar: Tensor, scored: Tensor) -> Tensor:
    """Return the Gaussian score per value, (B,), each value weighted by its standard deviation.

    Without weights the many certain values outvote the few uncertain ones, whose variance becomes several times too
    large: beta-NLL with beta = 0.5 (Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
    Estimation with Probabilistic Neural Networks", ICLR 2022).
    """
    s = (0.5 * logvar).exp()
    weight = torch.where(scored, s.detach(), 0.0)
    return per_image(weight * 0.5 * ((error / s) ** 2 + logvar)) / per_image(weight).clamp_min(1e-6)
