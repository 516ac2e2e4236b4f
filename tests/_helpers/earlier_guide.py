"""The corruption and the model of the plugin guide as it was before the rooms: with new imports, else unchanged.

They take their random numbers as a parameter named ``noise``, as plugins written against that guide do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from restorekit import Batch, Corruption, Geometry, LatentModel, Observation, Ranged, Terms
from restorekit import Rng as Noise
from restorekit.models import DiagonalGaussian, Temperature, Up, down, each, floored, stack


@dataclass(frozen=True)
class Haze(Corruption):
    """Mix x with white, a share `depth` of it, and add noise: y = x + depth (1 - x) + sigma n."""

    name, smooth = "haze", True  # smooth: gradients may follow log_prob
    depth: Ranged = 0.4
    sigma: float = 5 / 255

    def __call__(self, x: Tensor, noise: Noise) -> Observation:
        depth = self.draw("depth", x, noise)  # its value, or one draw of its range for each image
        y = x + depth * (1 - x) + self.sigma * noise.normal("haze", tuple(x.shape), x.device)
        return Observation(y, y[:, :1].isfinite(), tuple(x.shape[1:]), params={"depth": depth}, direct=False)

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor:
        law = DiagonalGaussian(x + observation.params["depth"] * (1 - x), 2 * x.new_tensor(self.sigma).log())
        return law.log_prob(observation.y, observation.observed)


@dataclass(frozen=True)
class TwoStoreysConfig:
    """Settings of `TwoStoreys`.

    Parameters
    ----------
    width : int
        Channels of the hidden layers.
    latent : int
        Latents at each position of either grid, of which one has a position every 2 pixels, the other every 4.
    channels : int
        Channels of the images; taken from the training images where not set.
    """

    width: int = field(default=32, metadata={"low": 1})
    latent: int = field(default=4, metadata={"low": 1})
    channels: int = field(default=0, metadata={"low": 0})


@dataclass(frozen=True, eq=False)
class Storeys:
    """A distribution of both grids: of the coarse one, as large as a given one, and of the fine one given the coarse."""  # noqa: E501

    coarse: Callable[[Tensor | None], DiagonalGaussian]
    fine: Callable[[Tensor], DiagonalGaussian]

    def log_probs(self, z: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.coarse(z[0]).log_prob(z[0]), self.fine(z[0]).log_prob(z[1])

    def log_prob(self, z: tuple[Tensor, Tensor]) -> Tensor:
        return torch.stack(self.log_probs(z)).sum(0)


class Inferred(Storeys):
    """q(z | x)."""

    @property
    def mean(self) -> tuple[Tensor, Tensor]:
        top = self.coarse(None).mean
        return top, self.fine(top).mean

    def sample(self, noise: Noise, temperature: Temperature = 1.0) -> tuple[Tensor, Tensor]:
        above, below = each(temperature, 2)
        top = self.coarse(None).sample(noise, above)
        return top, self.fine(top).sample(noise, below)


class TopDown(Storeys):
    """p(z)."""

    def sample(
        self, n: int, shape: tuple[int, ...], noise: Noise, temperature: Temperature = 1.0
    ) -> tuple[Tensor, Tensor]:
        above, below = each(temperature, 2)
        top = self.coarse(torch.empty(n, 1, shape[1] // 4, shape[2] // 4)).sample(noise, above)
        return top, self.fine(top).sample(noise, below)


class TwoStoreys(LatentModel):
    """Variational autoencoder with a coarse and a fine grid of latents: learns from clean images alone."""

    name, Config = "two-storeys", TwoStoreysConfig

    def __init__(self, config: TwoStoreysConfig) -> None:
        super().__init__(config)
        c, w, k = config.channels, config.width, config.latent
        self.enter, self.climb = nn.Sequential(down(c, w), stack(w, 2)), nn.Sequential(down(w, w), stack(w, 2))
        self.descend = nn.Sequential(nn.Conv2d(k, w, 1), stack(w, 2), Up(w, w))
        self.q_coarse, self.q_fine, self.p_fine = (nn.Conv2d(i, 2 * k, 1) for i in (w, 2 * w, w))
        self.leave = nn.Sequential(nn.Conv2d(w + k, w, 3, padding=1), stack(w, 2), Up(w, c))
        self.spread = nn.Parameter(torch.tensor(-2.0))
        self.geometry = Geometry(size=None, multiple=4, halo=64, channels=(c,))

    @classmethod
    def fit_config(cls, config: TwoStoreysConfig, shape: tuple[int, int, int], classes: int) -> TwoStoreysConfig:
        return replace(config, channels=config.channels or shape[0])

    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Inferred:
        low = self.enter(x if observed is None else x * observed)
        coarse = _gaussian(self.q_coarse(self.climb(low)), "coarse", 4)
        beside = lambda z: torch.cat([low, self.descend(z)], 1)  # noqa: E731
        return Inferred(lambda _: coarse, lambda z: _gaussian(self.q_fine(beside(z)), "fine", 2))

    def prior(self, label: Tensor | None = None) -> TopDown:
        def standard(like: Tensor) -> DiagonalGaussian:
            zeros = self.spread.new_zeros(len(like), self.config.latent, *like.shape[2:])
            return DiagonalGaussian(zeros, zeros, "coarse", 4)

        return TopDown(standard, lambda z: _gaussian(self.p_fine(self.descend(z)), "fine", 2))

    def decode(self, z: tuple[Tensor, Tensor], label: Tensor | None = None) -> DiagonalGaussian:
        mu = self.leave(torch.cat([self.descend(z[0]), z[1]], 1)).float()
        return DiagonalGaussian(mu, floored(2 * self.spread, 1 / 255), "x")

    def terms(self, batch: Batch, noise: Noise, group: str = "model") -> Terms:
        q = self.infer(batch.x)
        z = q.sample(noise)
        distortion = -self.decode(z).log_prob(batch.x).mean()
        rate = (q.log_prob(z) - self.prior().log_prob(z)).mean()
        parts = {"nelbo": distortion + rate, "distortion": distortion, "rate": rate}
        return Terms(distortion + rate, {name: value.detach() for name, value in parts.items()})


def _gaussian(raw: Tensor, name: str, stride: int) -> DiagonalGaussian:
    return DiagonalGaussian(*raw.float().chunk(2, 1), name, stride)
