"""Variational recurrent autoencoder p(x, z) over the lines of images of one size.

    p(x, z) = N(whole; 0, 1) prod_t N(lines_t; 0, 1) p(x_t | whole, lines)

A recurrent network reads the lines in both directions, with missing values interpolated and told where; another
one writes them. In training a share of the lines or pixels is hidden from the one that reads, never from the
likelihood: whatever q saw, E_q log p(x | z) - KL(q, p(z)) is a bound on log p(x), and q learns to say what z may be
where a line is dead.

References
----------
Those of `networks`.
Im, Ahn, Memisevic, Bengio, "Denoising Criterion for Variational Auto-Encoding Framework", AAAI 2017 (q sees less).
Mattei, Frellsen, "MIWAE", ICML 2019 (missing values left out of the likelihood, where there are no clean images).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit import Batch, Geometry, LatentModel, Observation, Rng, Terms
from restorekit.corruptions import bend, fill
from restorekit.models import DiagonalGaussian, Head, Likelihood
from restorekit.samplers import evidence
from restorekit_vrae.latents import Inferred, Latent, Standard
from restorekit_vrae.lines import Lines
from restorekit_vrae.networks import Decoder, Encoder
from restorekit_vrae.settings import VRAEConfig


class VRAE(LatentModel):
    """Variational recurrent autoencoder over the columns or rows of images: for dead lines, and any other damage."""

    name: ClassVar[str] = "vrae"
    Config: ClassVar[type] = VRAEConfig
    unseen: ClassVar[Mapping[str, object] | None] = {}  # noise and gaps enter through p(y | z) in closed form
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "fashion": {
            "width": 64, "hidden": 64, "middle": 216, "latent": 40, "local": 8, "likelihood": "gaussian-pixel",
            "floor": 0.02, "batch": 128, "crop": 0, "optimiser": "adam", "lr": 1e-3, "augment": False,
        },
    }  # fmt: skip

    def __init__(self, config: VRAEConfig) -> None:
        super().__init__(config)
        height, width = config.size
        self.cut = Lines(config.axis, config.channels, height, width)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.encoder = Encoder(config, self.cut.count, 2 * self.cut.values)
        self.decoder = Decoder(config, self.cut.count, self.cut.values * self.head.numbers // config.channels)
        self.spread = self.head.spread()
        self.reads_gaps = config.hide > 0
        self.geometry = Geometry((height, width), channels=(config.channels,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take channels, size and number of classes from the training images where they are not set."""
        return config.fitted(shape, classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Inferred:
        """Return q(z | x); it is told which values were not observed, and shown others interpolated from the rest."""
        seen = torch.ones_like(x[:, :1], dtype=torch.bool) if observed is None else observed
        shown = x if observed is None else bend(fill(x, observed), observed)
        told = torch.cat([self.cut.cut(shown), self.cut.cut(seen.to(x.dtype).expand_as(x))], 2)
        known = self.encoder.read(told, label)

        def below(whole: Tensor) -> DiagonalGaussian:
            mu, logvar = self.encoder.of_lines(known, whole).float().chunk(2, 2)
            return DiagonalGaussian(mu, logvar, "lines")

        mu, logvar = self.encoder.of_whole(known).float().chunk(2, 1)
        return Inferred(DiagonalGaussian(mu, logvar, "whole"), below)

    def prior(self, label: Tensor | None = None) -> Standard:
        """Return p(z), which no label changes."""
        return Standard(self.config.latent, self.cut.count, self.config.local, next(self.parameters()).device)

    def decode(self, z: Latent, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        return self.head(self.cut.joined(self.decoder(*z, label)).float(), self.spread)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rate, of the observed values where there is no x; parts unweighted."""
        o = batch.observation
        q = self.infer(o.y if batch.x is None else batch.x, self._shown(batch, rng), o.label)
        whole = q.whole.sample(rng)
        lines = q.below(whole)
        likelihood = self.decode((whole, lines.sample(rng)), o.label)
        seen = evidence(likelihood, o) if batch.x is None else likelihood.log_prob(batch.x)
        rates = q.whole.rates().mean(0), lines.rates().mean(0).sum(0)  # nats of each latent
        costs = torch.cat(rates).clamp_min(self.config.free_bits).sum()
        return _terms(
            -seen.mean(),
            (rates[0].sum(), rates[1].sum()),
            self.config.rate_weight(batch.step) * costs,
        )

    def _shown(self, batch: Batch, rng: Rng) -> Tensor | None:
        """Return which values q is shown, (B, 1 or C, H, W): in training fewer than there are; None = all."""
        seen = batch.observation.observed if batch.x is None else None
        if not (self.training and self.config.hide):
            return seen
        left = self._left(batch.observation, rng)
        return left if seen is None else left & seen

    def _left(self, observation: Observation, rng: Rng) -> Tensor:
        """Return what is left when a share of the lines, or of the pixels, of each image is hidden."""
        (_, height, width), images, device = observation.shape, len(observation), observation.y.device
        share = self.config.hide * rng.uniform("hide.share", (images, 1, 1, 1), device)
        lines = rng.uniform("hide.lines", self.cut.single(images), device)
        pixels = rng.uniform("hide.pixels", (images, 1, height, width), device)
        by_line = rng.uniform("hide.kind", (images, 1, 1, 1), device) < 0.5
        left: Tensor = torch.where(by_line, lines, pixels) >= share
        return left

    def noise_spec(self) -> str | None:
        """Return what was told of the noise."""
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.noise else None

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return how many latents are active, of the image and of all its lines: their means vary over images."""
        o = batch.observation
        q = self.infer(o.y, o.observed, o.label) if batch.x is None else self.infer(batch.x, None, o.label)
        whole, lines = ((level.flatten(1).var(0, correction=0) > 0.01).float().sum() for level in q.mean)
        return {"active_units": whole, "active_line_units": lines}


def _terms(distortion: Tensor, rates: tuple[Tensor, Tensor], cost: Tensor) -> Terms:
    rate = rates[0] + rates[1]
    parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate, "rate_lines": rates[1]}
    return Terms(distortion + cost, {name: value.detach() for name, value in parts.items()})
