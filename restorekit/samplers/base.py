"""What the built-in samplers have in common: they look at the pair before they begin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from restorekit import conjugate
from restorekit.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.errors import UsageError
from restorekit.noise import Noise
from restorekit.types import Draws, Observation


class Looking(Sampler):
    """Raises a UsageError for a pair that it refuses."""

    needs_sigma: ClassVar[bool] = True

    def __call__(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Return n draws for each image, all as one batch."""
        if reason := self.refuse(model, corruption):
            raise UsageError(reason)
        return self.drawn(model, corruption, observation, n, noise)

    @abstractmethod
    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Return n draws of a pair that is not refused."""


class Conjugate(Looking):
    """Accepts latent models with Gaussian noise, missing values, both, or nothing."""

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Say why this pair cannot be sampled, and what would work."""
        return conjugate.refusal(self.name, model, corruption)


def as_draws(moments: tuple[Tensor, Tensor], n: int, told: Mapping[str, Tensor]) -> Draws:
    """Return means and variances of n draws of each image, (n B, C, H, W), draws outermost, with what is told."""
    mean, variance = (t.view(n, -1, *t.shape[1:]) for t in moments)
    return Draws(mean, variance, told)
