"""Hierarchical VAE p(x, z | y): restores in one pass, and draws by a ladder conditional on the observation.

References
----------
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NeurIPS 2015,
equation 4 (the objective; the prior depends on y).
Child, "Very Deep VAEs", ICLR 2021.
Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021, equation 5 (the
optimal sigma for the current errors, instead of a tuned one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Batch, Corruption, Draws, Estimate, Geometry, Model, Observation, Rng, SpecError, Terms
from restorekit.models import CVAEConfig, DiagonalGaussian, Head, Likelihood, Prediction, Trunk, floored
from restorekit_hvae.config import LadderConfig
from restorekit_hvae.hvae import Rates
from restorekit_hvae.ladder import Ladder, Upward

DENSITIES = ("gaussian", "gaussian-pixel", "logistic")  # the ladder shifts a mean, which other likelihoods lack


@dataclass(frozen=True)
class CHVAEConfig(LadderConfig):
    """Sizes and objective of a `CHVAE`, in addition to `LadderConfig`.

    Parameters
    ----------
    trunk : tuple of int
        Residual blocks at each scale of the network for the observation.
    blind : float
        Share of training images with unknown sigma.
    """

    likelihood: str = field(default="gaussian-pixel", metadata={"choices": DENSITIES})
    trunk: tuple[int, ...] = field(default=(1, 1, 1), metadata={"low": 0})
    blind: float = field(default=0.5, metadata={"objective": True, "low": 0, "high": 1})

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) < 2 or len(self.trunk) != len(self.widths):
            raise SpecError(
                f"trunk expects a number of blocks for each of at least two widths, got trunk={self.trunk} for widths "
                f"{self.widths}; set both"
            )

    def trunk_config(self) -> CVAEConfig:
        """Return the settings of the core's U-Net."""
        return CVAEConfig(self.widths, self.trunk, self.trunk[:-1], filling=False, classes=self.classes)


class CHVAE(Model):
    """Hierarchical VAE conditional on the observation: estimate in one pass, draws through a ladder of latents."""

    name: ClassVar[str] = "chvae"
    Config: ClassVar[type] = CHVAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def __init__(self, config: CHVAEConfig) -> None:
        super().__init__(config)
        trunk_config = config.trunk_config()
        self.trunk, self.ladder = Trunk(trunk_config), Ladder(config)
        self.upward = Upward(config, 2 * config.channels)
        self.context = nn.ModuleList(nn.Conv2d(w, w, 1) for w in config.widths)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.leave = nn.Conv2d(config.widths[0], 4 * self.head.numbers, 3, padding=1)
        self.doubt = nn.Conv2d(config.widths[0], 4 * config.channels, 3, padding=1)
        self.spread = self.head.spread()
        nn.init.zeros_(self.leave.weight)  # at first the ladder adds nothing to the mean
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        halo = config.strides[-1] * -(
            -(config.halo + trunk_config.halo) // config.strides[-1]
        )  # the ladder uses the trunk's features
        self.geometry = Geometry(None, config.strides[-1], halo, (config.channels,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Complete channels and number of classes from the training images."""
        return config.fitted(shape, classes)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative conditional ELBO of the unknown values of x, plus the objectives of mean and spread.

        The ladder models the error of the one-pass mean, which gets none of its gradients.
        """
        assert batch.x is not None  # without `self_supervised` there is always an x
        o, drop = self._hide_sigma(batch.observation, rng), rng if self.training and self.config.dropout else None
        unknown = o.unknown().expand_as(batch.x)
        prediction = self._predict(o, batch.corruption)
        error = torch.where(unknown, batch.x - prediction.mean, 0.0)
        values = unknown.sum().clamp_min(1)
        regression = 0.5 * values / len(o) * (error.square().sum() / values + self.config.floor**2).log()
        one_pass = -self._one_pass(prediction).log_prob(batch.x, unknown).mean()
        fixed, rates = Prediction(prediction.mean.detach(), tuple(f.detach() for f in prediction.features)), Rates(rng)
        evidence = self.upward(torch.cat([batch.x, fixed.mean], 1), o.label, drop)
        h = self.ladder(self._begin(o), evidence, rates, drop, self._context(fixed))
        distortion = -self._likelihood(h, fixed.mean).log_prob(batch.x, unknown).mean()
        terms = rates.terms(distortion, self.config, batch.step)
        more = {"squared_error": error.square().sum() / values, "one_pass": one_pass}
        return Terms(terms.loss + regression + one_pass, {**terms.parts, **{k: v.detach() for k, v in more.items()}})

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws of p(x | y)."""
        prediction = self._predict(observation, corruption)
        many = Prediction(prediction.mean.repeat(n, 1, 1, 1), tuple(f.repeat(n, 1, 1, 1) for f in prediction.features))
        o, own = observation.expand(n), rng.expand(n)
        h = self.ladder(self._begin(o), None, lambda i, p, q: p.sample(own), None, self._context(many))
        found = self._likelihood(h, many.mean)
        mean, variance = o.keep_known(found.mean, o.y), o.keep_known(found.variance, torch.zeros_like(found.mean))
        shape = (n, len(observation), *observation.shape)
        return Draws(mean.view(shape), variance.view(shape))

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and spread of p(x | y) in one pass."""
        prediction = self._predict(observation, corruption)
        std = self._one_pass(prediction).variance.sqrt()
        return Estimate(
            observation.keep_known(prediction.mean, observation.y),
            observation.keep_known(std, torch.zeros_like(std)),
        )

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the total rate of all groups of latents, nats per image."""
        parts = self.terms(batch, rng).parts
        return {"rate": parts["rate"]}

    def _hide_sigma(self, o: Observation, rng: Rng) -> Observation:
        """Hide sigma of a share of the training images."""
        if not self.training or o.sigma is None:
            return o
        coin = rng.uniform("blind", (len(o), 1, 1, 1), o.y.device)
        return replace(o, sigma=torch.where((coin < self.config.blind) & (o.sigma > 0), torch.nan, o.sigma))

    def _predict(self, o: Observation, corruption: Corruption) -> Prediction:
        """Return the trunk's mean and features."""
        found: Prediction = self.trunk(o.initial_estimate(corruption), o)
        return found

    def _context(self, prediction: Prediction) -> tuple[Tensor, ...]:
        """Return the trunk's features for the ladder, finest first."""
        return tuple(conv(f) for conv, f in zip(self.context, prediction.features, strict=True))

    def _begin(self, o: Observation) -> Tensor:
        stride = self.geometry.multiple
        return self.ladder.begin(len(o), (o.shape[1] // stride, o.shape[2] // stride), o.label)

    def _one_pass(self, prediction: Prediction) -> DiagonalGaussian:
        """Return the one-pass p(x | y); its mean gets no gradients."""
        raw = F.pixel_shuffle(self.doubt(prediction.features[0].detach()), 2).float()
        return DiagonalGaussian(prediction.mean.detach(), floored(raw - 4, self.config.floor), "x")

    def _likelihood(self, h: Tensor, mean: Tensor) -> Likelihood:
        raw = F.pixel_shuffle(self.leave(h), 2).float()
        channels = self.config.channels
        return self.head(torch.cat([raw[:, :channels] + mean, raw[:, channels:]], 1), self.spread)
