"""Hierarchical VAE p(x, z): a prior over images of any size, for samplers.

References
----------
Sonderby, Raiko, Maaloe, Sonderby, Winther, "Ladder Variational Autoencoders", NeurIPS 2016.
Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images", ICLR 2021.
Vahdat, Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", NeurIPS 2020.
Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016, appendix C (free bits).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit import Batch, Geometry, LatentModel, Rng, Terms
from restorekit.models import DiagonalGaussian, Head, Likelihood, per_image
from restorekit.samplers import evidence as observed_log_prob
from restorekit_hvae.config import HVAEConfig, LadderConfig
from restorekit_hvae.ladder import Ladder, Upward
from restorekit_hvae.layers import divergence
from restorekit_hvae.walks import Inferred, LadderPrior, Latents


class HVAE(LatentModel):
    """Hierarchical VAE: groups of latents at several scales, each conditional on those above, inferred top down."""

    name: ClassVar[str] = "hvae"
    Config: ClassVar[type] = HVAEConfig
    self_supervised: ClassVar[Mapping[str, object] | None] = {}  # p(y | z) handles noise and missing values
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # binary digits of 28 x 28: one group without a position above two of 7 x 7 and one of 14 x 14
        "digits": {
            "steps": (2, 4, 28), "widths": (32, 64, 128), "blocks": (1, 2, 1), "encoder": (1, 2, 2), "latent": 16,
            "likelihood": "bernoulli", "dropout": 0.1, "batch": 128, "crop": 0, "optimiser": "adam", "lr": 1e-3,
            "warmup": 200, "weight_decay": 0.03, "augment": False, "gray": 0.0, "kl_warmup": 1000, "explode": 5.0,
            "scales": (1.0,),
        },
    }  # fmt: skip

    def __init__(self, config: HVAEConfig) -> None:
        super().__init__(config)
        self.upward, self.ladder = Upward(config, config.channels), Ladder(config)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.leave = nn.Conv2d(config.widths[0], self.head.numbers * config.strides[0] ** 2, 3, padding=1)
        self.spread = self.head.spread()
        self.geometry = Geometry(None, config.strides[-1], config.halo, (config.channels,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Complete channels and number of classes from the training images."""
        return config.fitted(shape, classes)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Inferred:
        """Return q(z | x), with unobserved values set to 0."""
        evidence = self.upward(x if observed is None else x * observed, label, None)
        return Inferred(self.ladder, self._begin(x, label), evidence)

    def prior(self, label: Tensor | None = None) -> LadderPrior:
        """Return p(z)."""
        return LadderPrior(self.ladder, self.geometry.multiple, label)

    def decode(self, z: Latents, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""
        start = self.ladder.begin(len(z[0]), (z[0].shape[2], z[0].shape[3]), label)
        return self._likelihood(self.ladder(start, None, lambda i, p, q: z[i]))

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO with weighted rates of each group of latents; parts unweighted."""
        o = batch.observation
        drop = rng if self.training and self.config.dropout else None
        x = o.initial_estimate(batch.corruption) if batch.x is None else batch.x
        evidence, rates = self.upward(x, o.label, drop), Rates(rng)
        likelihood = self._likelihood(self.ladder(self._begin(x, o.label), evidence, rates, drop))
        distortion = -(observed_log_prob(likelihood, o) if batch.x is None else likelihood.log_prob(batch.x)).mean()
        return rates.terms(distortion, self.config, batch.step)

    def noise_spec(self) -> str | None:
        """Return the spec of the noise in the training images; None if they are clean."""
        return f"gaussian:sigma={self.config.noise:.6g}" if self.config.noise else None

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the rate of each group of latents, nats per image, top first."""
        o = batch.observation
        x, rates = o.initial_estimate(batch.corruption) if batch.x is None else batch.x, Rates(rng)
        self.ladder(self._begin(x, o.label), self.upward(x, o.label, None), rates)
        return {f"rate_{name}": rate for name, rate in zip(self.ladder.names, rates.found, strict=True)}

    def _begin(self, x: Tensor, label: Tensor | None) -> Tensor:
        stride = self.geometry.multiple
        return self.ladder.begin(len(x), (x.shape[2] // stride, x.shape[3] // stride), label)

    def _likelihood(self, h: Tensor) -> Likelihood:
        return self.head(F.pixel_shuffle(self.leave(h), self.config.strides[0]).float(), self.spread)


class Rates:
    """Draws of z ~ q(z | x) on the way down a ladder, with KL(q || p) of each group: mean nats per image.

    Parameters
    ----------
    rng : Rng
        Random numbers of the draws.
    """

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.found: list[Tensor] = []

    def __call__(self, number: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
        """Draw z of a group, (B, latent, h, w)."""
        assert q is not None  # x is known
        self.found.append(per_image(divergence(q, p)).mean())
        return q.sample(self.rng)

    def terms(self, distortion: Tensor, config: LadderConfig, step: int | None) -> Terms:
        """Return the objective, and its parts unweighted."""
        rates = torch.stack(self.found)
        loss = distortion + config.rate_weight(step) * rates.clamp_min(config.free_bits).sum()
        parts = {"nelbo": distortion + rates.sum(), "distortion": distortion, "rate": rates.sum()}
        return Terms(loss, {name: value.detach() for name, value in parts.items()})
