"""Variational recurrent autoencoder p(x, z) over the lines of images of one size.

    p(x, z) = N(image; 0, 1) prod_t N(lines_t; 0, 1) p(x_t | image, lines)

A recurrent encoder reads the lines in both directions, with missing values interpolated and marked by a mask; a
recurrent decoder writes them. In training a share of the lines or pixels is hidden from the encoder, never from the
likelihood: for any input of q, E_q log p(x | z) - KL(q, p(z)) is a bound on log p(x), and q learns to infer z with dead
lines.

References
----------
As in `networks`.
Im, Ahn, Memisevic, Bengio, "Denoising Criterion for Variational Auto-Encoding Framework", AAAI 2017 (q gets less).
Mattei, Frellsen, "MIWAE", ICML 2019 (missing values left out of the likelihood, where there are no clean images).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit import Batch, Geometry, LatentModel, Rng, Terms
from restorekit.corruptions import bend, fill
from restorekit.models import DiagonalGaussian, Head, Likelihood
from restorekit.samplers import evidence
from restorekit_vrae.latents import LEGACY_IMAGE_KEY, Inferred, Latent, Standard
from restorekit_vrae.lines import Lines
from restorekit_vrae.networks import Decoder, Encoder
from restorekit_vrae.settings import VRAEConfig


class VRAE(LatentModel):
    """Variational recurrent autoencoder over columns or rows of images, for dead lines and any other corruption."""

    name: ClassVar[str] = "vrae"
    Config: ClassVar[type] = VRAEConfig
    self_supervised: ClassVar[Mapping[str, object] | None] = {}  # noise and missing values keep p(y | z) closed-form
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
        """Complete channels, size and number of classes from the training images."""
        return config.fitted(shape, classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Inferred:
        """Return q(z | x); the encoder gets a mask of observed values, and the others interpolated from them."""
        mask = torch.ones_like(x[:, :1], dtype=torch.bool) if observed is None else observed
        complete = x if observed is None else bend(fill(x, observed), observed)
        lines = torch.cat([self.cut.cut(complete), self.cut.cut(mask.to(x.dtype).expand_as(x))], 2)
        known = self.encoder.read(lines, label)

        def below(image: Tensor) -> DiagonalGaussian:
            mu, logvar = self.encoder.of_lines(known, image).float().chunk(2, 2)
            return DiagonalGaussian(mu, logvar, "lines")

        mu, logvar = self.encoder.of_image(known).float().chunk(2, 1)
        return Inferred(DiagonalGaussian(mu, logvar, LEGACY_IMAGE_KEY), below)

    def prior(self, label: Tensor | None = None) -> Standard:
        """Return p(z), which no label changes."""
        return Standard(self.config.latent, self.cut.count, self.config.local, next(self.parameters()).device)

    def decode(self, z: Latent, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        return self.head(self.cut.joined(self.decoder(*z, label)).float(), self.spread)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rate, over the observed values if there is no x; parts unweighted."""
        o = batch.observation
        q = self.infer(o.y if batch.x is None else batch.x, self._visible(batch, rng), o.label)
        image = q.image.sample(rng)
        lines = q.below(image)
        likelihood = self.decode((image, lines.sample(rng)), o.label)
        distortion = -(evidence(likelihood, o) if batch.x is None else likelihood.log_prob(batch.x)).mean()
        rates = q.image.rates().mean(0), lines.rates().mean(0).sum(0)  # nats of each latent
        cost = self.config.rate_weight(batch.step) * torch.cat(rates).clamp_min(self.config.free_bits).sum()
        rate_image, rate_lines = (found.sum() for found in rates)
        rate = rate_image + rate_lines
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate, "rate_lines": rate_lines}
        return Terms(distortion + cost, {name: value.detach() for name, value in parts.items()})

    def _visible(self, batch: Batch, rng: Rng) -> Tensor | None:
        """Return a mask of the encoder's input values, (B, 1 or C, H, W); None = all.

        In training a share of the lines, or of the pixels, of each image is hidden in addition.
        """
        observed = batch.observation.observed if batch.x is None else None
        if not (self.training and self.config.hide):
            return observed
        o, images, device = batch.observation, len(batch.observation), batch.observation.y.device
        share = self.config.hide * rng.uniform("hide.share", (images, 1, 1, 1), device)
        lines = rng.uniform("hide.lines", self.cut.single(images), device)
        pixels = rng.uniform("hide.pixels", (images, 1, *o.shape[1:]), device)
        by_line = rng.uniform("hide.kind", (images, 1, 1, 1), device) < 0.5
        visible: Tensor = torch.where(by_line, lines, pixels) >= share
        return visible if observed is None else visible & observed

    def noise_spec(self) -> str | None:
        """Return the spec of the noise in the training images; None if they are clean."""
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.noise else None

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the number of active latents of the image and of all lines: their means vary over images."""
        o = batch.observation
        q = self.infer(o.y, o.observed, o.label) if batch.x is None else self.infer(batch.x, None, o.label)
        image, lines = ((level.flatten(1).var(0, correction=0) > 0.01).float().sum() for level in q.mean)
        return {"active_units": image, "active_line_units": lines}
