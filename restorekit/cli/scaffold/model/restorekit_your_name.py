"""A conditional variational autoencoder p(x, z | y) of which mean and variance are known in closed form.

A small U-Net maps the observation y to the mean m, a variance s^2, and gains a_k of random fields z_k:

    p(z) = N(0, I),   p(x | z, y) = N(m + sum_k a_k z_k, s^2),

so that p(x | y) has mean m and variance s^2 + sum_k a_k^2, and z adds the correlations of the errors.

References
----------
Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10 (the objective).
Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NeurIPS 2015.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from restorekit import Batch, Corruption, Draws, Estimate, Geometry, Model, Observation, Rng, Terms, hookimpl
from restorekit.models import DiagonalGaussian, Up, down, floored, per_image, stack

CELL = 4  # pixels a side that share their latents


@dataclass(frozen=True)
class YourNameConfig:
    """Settings of `YourName`.

    Parameters
    ----------
    width : int
        Channels of the hidden layers; twice as many at half of the resolution.
    depth : int
        Residual blocks at either resolution.
    latent : int
        Latents for each cell of 4 x 4 pixels.
    beta : float
        Weight of the rate.
    channels : int
        Channels of the images; taken from the training images where not set.
    """

    width: int = field(default=24, metadata={"low": 1})
    depth: int = field(default=2, metadata={"low": 1})
    latent: int = field(default=8, metadata={"low": 1})
    beta: float = field(default=1.0, metadata={"low": 0, "objective": True})
    channels: int = field(default=0, metadata={"low": 0})


class Prediction(NamedTuple):
    """Output of the network for an observation: features and the parameters of p(x | z, y)."""

    features: Tensor  # (B, width, H, W)
    mean: Tensor  # (B, C, H, W)
    logvar: Tensor  # (B, C, H, W)
    gains: Tensor  # (B, latent, C, H, W)

    def likelihood(self, z: Tensor) -> DiagonalGaussian:
        """Return p(x | z, y) of a grid of latents, (B, latent, H / CELL, W / CELL)."""
        wide = z.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)
        return DiagonalGaussian(self.mean + (self.gains * wide[:, :, None]).sum(1), self.logvar)


class UNet(nn.Module):
    """Look at an image at its own resolution and at half of it."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter, self.fine = nn.Conv2d(inputs, width, 3, padding=1), stack(width, depth)
        self.coarse = nn.Sequential(down(width, 2 * width), stack(2 * width, depth), Up(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, width, H, W)."""
        h = self.fine(self.enter(x))
        out: Tensor = h + self.coarse(h)
        return out


class YourName(Model):
    """Conditional variational autoencoder, linear in its latents: one pass gives the mean and its spread."""

    name: ClassVar[str] = "your-name"
    Config: ClassVar[type] = YourNameConfig

    def __init__(self, config: YourNameConfig) -> None:
        super().__init__(config)
        c, w, k = config.channels, config.width, config.latent
        self.unet = UNet(2 * c, w, config.depth)
        self.head = nn.Conv2d(w, c * (2 + k), 3, padding=1)
        self.recogniser = nn.Sequential(
            nn.Conv2d(c + w, 2 * w, CELL, stride=CELL), nn.ReLU(), nn.Conv2d(2 * w, 2 * k, 1)
        )
        reach = 3 * (2 * config.depth + 1)  # a block sees 2 pixels to each side, or 4 at half of the resolution
        self.geometry = Geometry(size=None, multiple=CELL, halo=reach, channels=(c,))

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Take the number of channels from the training images where it is not set."""
        return replace(config, channels=config.channels or shape[0])

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO of the values that are not known exactly, in nats per image."""
        assert batch.x is not None  # only models with `self_supervised` settings learn without clean images
        predicted = self._predict(batch.observation, batch.corruption)
        q = self._posterior(batch.x - predicted.mean, predicted.features)
        distortion = -predicted.likelihood(q.sample(rng)).log_prob(batch.x, batch.observation.unknown()).mean()
        rate = per_image(q.rates()).mean()
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
        return Terms(distortion + self.config.beta * rate, {name: value.detach() for name, value in parts.items()})

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and standard deviation of p(x | y), which are exact."""
        predicted = self._predict(observation, corruption)
        return Estimate(predicted.mean, (predicted.logvar.exp() + predicted.gains.square().sum(1)).sqrt())

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws: the network runs once, and z is drawn n times."""
        predicted = self._predict(observation, corruption)
        b, _, h, w = predicted.mean.shape
        z = rng.expand(n).normal("z", (n * b, self.config.latent, h // CELL, w // CELL), predicted.mean.device, CELL)
        means = torch.stack([predicted.likelihood(one).mean for one in z.chunk(n)])
        return Draws(means, predicted.logvar.exp().expand_as(means))

    def _predict(self, observation: Observation, corruption: Corruption) -> Prediction:
        """Run the network on the initial estimate and the mask of observed values; it is not passed the noise level."""
        initial = observation.initial_estimate(corruption)
        shown = observation.observed if observation.y.shape[1:] == observation.shape else torch.ones_like(initial)
        features = self.unet(torch.cat([initial, shown.expand_as(initial).to(initial.dtype)], 1))
        c = initial.shape[1]
        change, logvar, gains = self.head(features).float().tensor_split((c, 2 * c), 1)
        gains = 0.1 * gains.unflatten(1, (-1, c))
        return Prediction(features, initial + change, floored(logvar - 4, 1 / 255), gains)

    def _posterior(self, error: Tensor, features: Tensor) -> DiagonalGaussian:
        """Return q(z | x, y), which is needed to learn and not to restore."""
        mu, logvar = self.recogniser(torch.cat([10 * error, features], 1)).float().chunk(2, 1)
        return DiagonalGaussian(mu, logvar, "z", CELL)


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Return what this plugin provides."""
    return [YourName]
