"""What stands around the trunk's mean, and what it learns from: spread, random fields, inference network."""

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


class Errors(NamedTuple):
    """What fields and inference network learn from; through all but `mixture` no gradient returns.

    u : Tensor, (B, C, H, W), errors in units of their spread s; logs : Tensor, log s;
    scored : Tensor of bool, where x is unknown; finest : Tensor, (B, features, H/2, W/2), the trunk's finest features;
    mixture : Mixture, gains and own variances.
    """

    u: Tensor
    logs: Tensor
    scored: Tensor
    finest: Tensor
    mixture: Mixture


class Side(NamedTuple):
    """What is learnt beside the mean; nats, over the unknown values.

    spread_loss, score : Tensor, (B,), what the spread learns by, and its plain Gaussian score per image;
    errors : Errors, of some of the images;
    mismatch : Tensor, scalar, how far the energy of draws is from the error's in each octave.
    """

    spread_loss: Tensor
    score: Tensor
    errors: Errors
    mismatch: Tensor


class ErrorModel(nn.Module):
    """Spread, fields and inference network of one trunk."""

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__()
        self.fields, self.posterior = Fields(config), Posterior(config)

    def terms(self, error: Tensor, scored: Tensor, features: tuple[Tensor, ...], share: int, rng: Rng) -> Side:
        """Return the objectives of spread and energies, and what `explain` takes.

        Parameters
        ----------
        error : Tensor, (B, C, H, W)
            x - m, 0 where not scored.
        scored : Tensor of bool, (B, C, H, W)
            Where x is unknown.
        features : tuple of Tensor
            The trunk's, which this does not change.
        share : int
            Images from the first on that gains and inference network learn from.
        rng : Rng
            Of the latents.
        """
        features, channels = tuple(f.detach() for f in features), error.shape[1]
        context = self.fields.read(features)
        logvar = self.fields.logvar(context, channels)
        error_, scored_, s = error[:share], scored[:share], (0.5 * logvar[:share]).exp()
        mixture = self.fields.mixture(context[:share], channels)
        one, other = (self._errors(s * scored_, mixture, rng.fork(name)) for name in ("one", "other"))
        return Side(
            spread_loss(error, logvar, scored),
            -DiagonalGaussian(torch.zeros_like(error), logvar).log_prob(error, scored),
            Errors((error_ / s).detach(), s.detach().log(), scored_, features[0][:share], mixture),
            mismatch(error_, one, other),
        )

    def explain(self, errors: Errors, rng: Rng, draws: int = 1) -> tuple[Tensor, Inferred]:
        """Return -log p(x | z, y), (draws B,) nats over the unknown values, and the latents it is of."""
        u = errors.u
        white = self.fields.white(rng, draws * len(u), (u.shape[2], u.shape[3]), u.device)
        inferred = self.posterior(u, errors.scored, errors.finest, white)
        return self.distortion(errors, inferred.latents), inferred

    def distortion(self, errors: Errors, latents: list[Tensor]) -> Tensor:
        """Return -log p(x | z, y), (draws B,) nats over the unknown values, for one or more draws of every image."""
        u, logs, scored = (t.repeat(len(latents[0]) // len(t), 1, 1, 1) for t in errors[:3])
        return per_image(logs, scored) - self.fields.likelihood(latents, errors.mixture).log_prob(u, scored)

    def _errors(self, s: Tensor, mixture: Mixture, rng: Rng) -> Tensor:
        """Draw errors of spread s, (B, C, H, W), from the prior."""
        white = self.fields.white(rng, len(s), (s.shape[2], s.shape[3]), s.device)
        return s * self.fields.likelihood(white, mixture).sample(rng)

    def forward(self, features: tuple[Tensor, ...], channels: int) -> Tensor:
        """Return log s^2, (B, C, H, W), off the trunk's features."""
        return self.fields.logvar(self.fields.read(features), channels)

    def draw(
        self, features: tuple[Tensor, ...], shape: tuple[int, int, int], rng: Rng, n: int
    ) -> tuple[Tensor, DiagonalGaussian]:
        """Return s, (B, C, H, W), and p(u | z) of n draws of z from the prior for each image, (n B, C, H, W)."""
        context = self.fields.read(features)
        s = (0.5 * self.fields.logvar(context, shape[0])).exp()
        white = self.fields.white(rng, n * len(s), shape[1:], s.device)
        return s, self.fields.likelihood(white, self.fields.mixture(context, shape[0]))


def spread_loss(error: Tensor, logvar: Tensor, scored: Tensor) -> Tensor:
    """Return the Gaussian score per value, (B,), each value weighted by its standard deviation.

    Unweighted, the many values that are sure outvote the few that are not, whose variance then comes out several
    times too large: beta-NLL with beta = 0.5 (Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
    Estimation with Probabilistic Neural Networks", ICLR 2022).
    """
    s = (0.5 * logvar).exp()
    weight = torch.where(scored, s.detach(), 0.0)
    return per_image(weight * 0.5 * ((error / s) ** 2 + logvar)) / per_image(weight).clamp_min(1e-6)
