"""What the distributions of a `LatentModel` promise: p(x | z), q(z | x) and p(z).

z is a tensor or, in a hierarchical model, a tuple with the level nearest the pixels last; each level is drawn given
those before it. `Levelled` and `Tempered` are what distributions of such a z may offer beside, by having the method.
A temperature, which multiplies standard deviations, is then one for all levels, or one for each.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from restorekit.noise import Noise

Temperature = float | tuple[float, ...]  # of all levels of z, or of each


def each(temperature: Temperature, levels: int) -> tuple[float, ...]:
    """Return a temperature for each level of z, where one is given for all."""
    return temperature if isinstance(temperature, tuple) else (temperature,) * levels


class Likelihood(Protocol):
    """p(x | z) of a decoder."""

    @property
    def mean(self) -> Tensor:
        """Mean, (B, C, H, W)."""

    @property
    def variance(self) -> Tensor:
        """Variance, (B, C, H, W)."""

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x | z), (B,) nats, over the observed values (all where None), constants kept."""

    def sample(self, noise: Noise) -> Tensor:
        """Draw x, (B, C, H, W)."""


class Latents(Protocol):
    """q(z | x): a distribution over latents; z is a tensor, or a tuple with the level nearest the pixels last."""

    @property
    def mean(self) -> Any:
        """Mean of z; of a hierarchical z each level's, given the means of those before it."""

    def sample(self, noise: Noise, temperature: float = 1.0) -> Any:
        """Draw z."""

    def log_prob(self, z: Any) -> Tensor:
        """Return log q(z), (B,) nats."""


class Prior(Protocol):
    """p(z)."""

    def sample(self, n: int, shape: tuple[int, ...], noise: Noise, temperature: float = 1.0) -> Any:
        """Draw n latents for images of the given (C, H, W)."""

    def log_prob(self, z: Any) -> Tensor:
        """Return log p(z), (B,) nats."""


@runtime_checkable
class Levelled(Protocol):
    """What q(z | x) and p(z) of a hierarchical z may both offer: the rate of `each` level, and a temperature."""

    def log_probs(self, z: Any) -> tuple[Tensor, ...]:
        """Return the log-density of each level given those before it, (B,) nats each; their sum is `log_prob`."""


@runtime_checkable
class Tempered(Protocol):
    """What q(z | x) may offer, so that restorations can be pulled to what is usual, at each level as far as asked."""

    def tempered(self, temperatures: tuple[float, ...]) -> Any:
        """Return the mean of z had each level's prior, given those before it, so many times its standard deviation.

        One temperature for each level, that nearest the pixels last; all 1 give `mean`. Where the mean of all levels
        together is not known it may be found a level at a time from the top down, as by PnP-HVAE: where q and p are
        Gaussians given the levels before, their product with precision 1 / var_q + (1 / temperature^2 - 1) / var_p.
        """
