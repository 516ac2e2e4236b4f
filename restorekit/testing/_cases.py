"""Models, corruptions and images for the checks of models and samplers.

`TwoLevels` is a minimal hierarchical model: its z is a tuple of two levels, the one nearest the pixels last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from restorekit.core.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.core.distributions import DiagonalGaussian
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Draws, Geometry, Observation, Terms
from restorekit.corruptions import Chain, Clean, Gaussian, Missing
from restorekit.models import VAE
from restorekit.samplers import Gibbs
from restorekit.testing._assertions import names, perturb, random_images

SIDE = 12  # pixels a side of test images, at least
CORRUPTION = Chain((Gaussian(0.1), Missing(0.5)))


def build(cls: type[Model], config: Any = None, channels: int = 1) -> Model:
    """Return a fresh model in evaluation mode, always with the same weights; latent ones with a sampler."""
    settings = cls.fit_config(cls.Config() if config is None else config, (channels, SIDE, SIDE), 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ready(cls(settings))


def channel_counts(cls: type[Model], config: Any = None) -> tuple[int, ...]:
    """Return the channel counts to build for: both where the settings follow the images, else one."""
    gray = build(cls, config, 1).geometry.channels
    colour = build(cls, config, 3).geometry.channels
    return (1,) if gray == colour else (1, 3)


def ready(model: Model) -> Model:
    """Return the model in evaluation mode, with a sampler where it needs one."""
    if isinstance(model, LatentModel):
        model.sampler = Gibbs(sweeps=2)
    return model.eval()


def smallest(model: Model) -> tuple[int, int]:
    """Return the smallest height and width that the model accepts."""
    return model.geometry.size or (model.geometry.multiple,) * 2


def size(model: Model) -> tuple[int, int]:
    """Return a height and a width, which differ if the model accepts any size."""
    multiple = model.geometry.multiple
    height = -(-SIDE // multiple) * multiple
    return model.geometry.size or (height, height + multiple)


def degraded(x: Tensor) -> Observation:
    """Return what is observed of x: noisy, with missing values, each image with a key of its own."""
    return CORRUPTION(x, Rng(0, names(len(x))))


def batches(model: Model, count: int = 4) -> Iterator[Batch]:
    """Yield training batches: noisy ones with gaps and ones with gaps alone, for each channel count."""
    for channels in model.geometry.channels[::-1]:
        x = random_images(count, channels, *size(model))
        for corruption in (CORRUPTION, Missing(0.5)):
            yield Batch(x, corruption(x, Rng(0)), corruption, 1)


def sample(model: Model, o: Observation, n: int, first: int = 0) -> Draws:
    """Return draws `first` to `first + n` of the model."""
    with torch.no_grad():
        return model.sample(o, CORRUPTION, n, Rng(0, names(len(o))).after(first))


Pair = tuple[Tensor, Tensor]
BELOW = -2.0  # log-variance of the lower level of p(z) conditional on the upper one


@dataclass(frozen=True)
class TwoLevelsConfig:
    """Settings.

    Parameters
    ----------
    width : int
        Channels of each level of z.
    """

    width: int = 2


@dataclass(frozen=True, eq=False)
class Ladder:
    """Distribution of z: the upper level, and the lower level conditional on it."""

    top: DiagonalGaussian
    below: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Pair:
        """Mean of each level, conditional on the mean of the level above it."""
        return self.top.mean, self.below(self.top.mean).mean

    def sample(self, rng: Rng, temperature: float = 1.0) -> Pair:
        """Draw z, from the top down."""
        top = self.top.sample(rng, temperature)
        return top, self.below(top).sample(rng, temperature)

    def log_prob(self, z: Pair) -> Tensor:
        """Return log q(z), (B,) nats."""
        return self.top.log_prob(z[0]) + self.below(z[0]).log_prob(z[1])


@dataclass(frozen=True, eq=False)
class LadderPrior:
    """p(z): the upper level is standard normal, the lower one lies about a map of it."""

    like: Tensor  # of the model's device
    width: int
    below: Callable[[Tensor], DiagonalGaussian]

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: float = 1.0) -> Pair:
        """Draw n latents for images of shape (C, H, W)."""
        zeros = self.like.new_zeros(n, self.width, shape[1] // 4, shape[2] // 4)
        return Ladder(_upper(zeros, zeros), self.below).sample(rng, temperature)

    def log_prob(self, z: Pair) -> Tensor:
        """Return log p(z), (B,) nats."""
        zeros = torch.zeros_like(z[0])
        return _upper(zeros, zeros).log_prob(z[0]) + self.below(z[0]).log_prob(z[1])


class TwoLevels(LatentModel):
    """Two levels of spatial latents, linear between them."""

    name: ClassVar[str] = "two-levels"
    Config: ClassVar[type] = TwoLevelsConfig

    def __init__(self, config: TwoLevelsConfig) -> None:
        super().__init__(config)
        width = config.width
        self.geometry = Geometry(None, 4, 8, (1,))
        self.up = nn.Conv2d(1, 2 * width, 2, 2)
        self.upper = nn.Conv2d(2 * width, 2 * width, 2, 2)
        self.down = nn.ConvTranspose2d(width, width, 2, 2)
        self.out = nn.ConvTranspose2d(width, 2, 2, 2)

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Ladder:
        """Return q(z | x); values that were not observed count as 0."""
        h = self.up(x if observed is None else x * observed)
        mean, logvar = h.chunk(2, 1)
        top = _upper(*self.upper(h.tanh()).chunk(2, 1))
        return Ladder(top, lambda z: _lower(mean + self.down(z), logvar))

    def prior(self, label: Tensor | None = None) -> LadderPrior:
        """Return p(z)."""

        def below(z: Tensor) -> DiagonalGaussian:
            mean = self.down(z)
            return _lower(mean, torch.full_like(mean, BELOW))

        return LadderPrior(self.down.weight.detach(), self.config.width, below)

    def decode(self, z: Pair, label: Tensor | None = None) -> DiagonalGaussian:
        """Return p(x | z)."""
        mean, logvar = self.out(z[1] + self.down(z[0])).chunk(2, 1)
        return DiagonalGaussian(mean, logvar + BELOW, "x")

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative ELBO."""
        assert batch.x is not None
        q = self.infer(batch.x)
        z = q.sample(rng)
        distortion = -self.decode(z).log_prob(batch.x).mean()
        rate = (q.log_prob(z) - self.prior().log_prob(z)).mean()
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
        return Terms(distortion + rate, {name: value.detach() for name, value in parts.items()})


def _upper(mu: Tensor, logvar: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(mu, logvar, "top", 4)


def _lower(mu: Tensor, logvar: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(mu, logvar, "below", 2)


OFFERED: tuple[Corruption, ...] = (Chain((Gaussian(0.1), Missing(0.5))), Gaussian(0.1), Missing(0.5), Clean())


def latent_model() -> LatentModel:
    """Return a small model, always the same."""
    model = build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    assert isinstance(model, LatentModel)
    perturb(model)
    return model


def accepted(sampler: Sampler) -> list[Corruption]:
    """Return the corruptions of `OFFERED` that a sampler accepts."""
    return [c for c in OFFERED if sampler.refuse(latent_model(), c) is None]


def observed(corruption: Corruption, channels: int = 1) -> Observation:
    """Return the observation of two images, always the same."""
    return corruption(random_images(2, channels, 8, 12), Rng(0, names(2)))


def drawn(
    sampler: Sampler, corruption: Corruption, o: Observation, n: int, first: int = 0, model: Model | None = None
) -> Draws:
    """Return draws `first` to `first + n` of a sampler."""
    latent = latent_model() if model is None else model
    assert isinstance(latent, LatentModel)
    with torch.no_grad():
        return sampler(latent, corruption, o, n, Rng(0, names(len(o))).after(first))
