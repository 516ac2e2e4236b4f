"""Hierarchical VAE p(x, z | y): restores in one pass, and draws by a ladder that is given the observation.

References
----------
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NeurIPS 2015,
equation 4 (the objective; the prior is given y).
Child, "Very Deep VAEs", ICLR 2021.
Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021, equation 5 (the
best sigma for the errors at hand, instead of one to tune).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Batch, Corruption, Draws, Estimate, Geometry, Model, Observation, Rng, SpecError, Terms
from restorekit.models import CVAEConfig, DiagonalGaussian, Head, Likelihood, Outlook, Trunk, floored
from restorekit_hvae.config import LadderConfig
from restorekit_hvae.hvae import Rates
from restorekit_hvae.ladder import Ladder, Upward

DENSITIES = ("gaussian", "gaussian-pixel", "logistic")  # the ladder moves a mean, which other likelihoods have not


@dataclass(frozen=True)
class CHVAEConfig(LadderConfig):
    """Sizes and objective of a `CHVAE`: those of `LadderConfig`, and these.

    Parameters
    ----------
    trunk : tuple of int
        Residual blocks, at each scale, of the network that sees the observation.
    blind : float
        Share of training images whose sigma is not told.
    """

    likelihood: str = field(default="gaussian-pixel", metadata={"choices": DENSITIES})
    trunk: tuple[int, ...] = field(default=(1, 1, 1), metadata={"low": 0})
    blind: float = field(default=0.5, metadata={"objective": True, "low": 0, "high": 1})

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) < 2 or len(self.trunk) != len(self.widths):
            raise SpecError(
                f"trunk needs a number of blocks for each of at least two widths, got trunk={self.trunk} for widths "
                f"{self.widths}; set both"
            )

    def looking(self) -> CVAEConfig:
        """Return the settings of the core's U-Net."""
        return CVAEConfig(self.widths, self.trunk, self.trunk[:-1], filling=False, classes=self.classes)


class CHVAE(Model):
    """Hierarchical VAE given the observation: estimate and spread in one pass, draws through a ladder of latents."""

    name: ClassVar[str] = "chvae"
    Config: ClassVar[type] = CHVAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def __init__(self, config: CHVAEConfig) -> None:
        super().__init__(config)
        looking = config.looking()
        self.trunk, self.ladder = Trunk(looking), Ladder(config)
        self.upward = Upward(config, 2 * config.channels)
        self.context = nn.ModuleList(nn.Conv2d(w, w, 1) for w in config.widths)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.leave = nn.Conv2d(config.widths[0], 4 * self.head.numbers, 3, padding=1)
        self.doubt = nn.Conv2d(config.widths[0], 4 * config.channels, 3, padding=1)
        self.spread = self.head.spread()
        nn.init.zeros_(self.leave.weight)  # at first the ladder says nothing beside the mean
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        halo = config.strides[-1] * -(-(config.halo + looking.halo) // config.strides[-1])  # one reads off the other
        self.geometry = Geometry(None, config.strides[-1], halo, (config.channels,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take channels and number of classes from the training images where they are not set."""
        return config.fitted(shape, classes)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative conditional ELBO of what is unknown of x, with the errors of mean and spread beside it.

        The ladder stands around the one-pass mean, to which none of its gradients returns.
        """
        assert batch.x is not None  # without `unseen` nobody asks for more
        o, drop = self._blinded(batch.observation, rng), rng if self.training and self.config.dropout else None
        unknown = o.unknown().expand_as(batch.x)
        outlook = self._look(o, batch.corruption)
        apart = torch.where(unknown, batch.x - outlook.mean, 0.0)
        values = unknown.sum().clamp_min(1)
        regression = 0.5 * values / len(o) * (apart.square().sum() / values + self.config.floor**2).log()
        doubt = -self._doubted(outlook).log_prob(batch.x, unknown).mean()
        around, rates = Outlook(outlook.mean.detach(), tuple(f.detach() for f in outlook.features)), Rates(rng)
        seen = self.upward(torch.cat([batch.x, around.mean], 1), o.label, drop)
        h = self.ladder(self._begin(o), seen, rates, drop, self._told(around))
        distortion = -self._likelihood(h, around.mean).log_prob(batch.x, unknown).mean()
        terms = rates.terms(distortion, self.config, batch.step)
        more = {"squared_error": apart.square().sum() / values, "one_pass": doubt}
        return Terms(terms.loss + regression + doubt, {**terms.parts, **{k: v.detach() for k, v in more.items()}})

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws of p(x | y)."""
        outlook = self._look(observation, corruption)
        many = Outlook(outlook.mean.repeat(n, 1, 1, 1), tuple(f.repeat(n, 1, 1, 1) for f in outlook.features))
        o, own = observation.expand(n), rng.expand(n)
        h = self.ladder(self._begin(o), None, lambda i, p, q: p.sample(own), None, self._told(many))
        found = self._likelihood(h, many.mean)
        mean, variance = o.keep_known(found.mean, o.y), o.keep_known(found.variance, torch.zeros_like(found.mean))
        shape = (n, len(observation), *observation.shape)
        return Draws(mean.view(shape), variance.view(shape))

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and spread of p(x | y) in one pass."""
        outlook = self._look(observation, corruption)
        std = self._doubted(outlook).variance.sqrt()
        return Estimate(
            observation.keep_known(outlook.mean, observation.y),
            observation.keep_known(std, torch.zeros_like(std)),
        )

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the rate of all groups of latents together, nats per image."""
        parts = self.terms(batch, rng).parts
        return {"rate": parts["rate"]}

    def _blinded(self, o: Observation, rng: Rng) -> Observation:
        """Make a share of the training images blind."""
        if not self.training or o.sigma is None:
            return o
        coin = rng.uniform("blind", (len(o), 1, 1, 1), o.y.device)
        return replace(o, sigma=torch.where((coin < self.config.blind) & (o.sigma > 0), torch.nan, o.sigma))

    def _look(self, o: Observation, corruption: Corruption) -> Outlook:
        found: Outlook = self.trunk(o.initial_estimate(corruption), o)
        return found

    def _told(self, outlook: Outlook) -> tuple[Tensor, ...]:
        return tuple(conv(f) for conv, f in zip(self.context, outlook.features, strict=True))

    def _begin(self, o: Observation) -> Tensor:
        stride = self.geometry.multiple
        return self.ladder.begin(len(o), (o.shape[1] // stride, o.shape[2] // stride), o.label)

    def _doubted(self, outlook: Outlook) -> DiagonalGaussian:
        raw = F.pixel_shuffle(self.doubt(outlook.features[0].detach()), 2).float()
        return DiagonalGaussian(outlook.mean.detach(), floored(raw - 4, self.config.floor), "x")

    def _likelihood(self, h: Tensor, mean: Tensor) -> Likelihood:
        raw = F.pixel_shuffle(self.leave(h), 2).float()
        channels = self.config.channels
        return self.head(torch.cat([raw[:, :channels] + mean, raw[:, channels:]], 1), self.spread)
