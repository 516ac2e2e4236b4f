"""Distributions q(z | x) and p(z) of a ladder: each group of latents is conditional on those above it.

Reference for `tempered`: Prost, Houdard, Almansa, Papadakis, "Inverse Problem Regularization with Hierarchical
Variational Autoencoders", ICCV 2023, equations 14 to 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from restorekit import Rng
from restorekit.models import DiagonalGaussian, Temperature, each
from restorekit_hvae.ladder import Ladder

MIN_PRECISION = 1e-3  # of a posterior whose prior is weakened by a temperature above 1
Latents = tuple[Tensor, ...]  # of each group, nearest the pixels last, (B, latent, h, w)


@dataclass(frozen=True, eq=False)
class Walk:
    """Distribution q(z | x) with `evidence` of x, else p(z); see `restorekit.core.distributions`.

    Parameters
    ----------
    ladder : Ladder
        Top-down network.
    start : Tensor, (B, width, h, w)
        Start of the ladder.
    evidence : tuple of Tensor, or None
        As for `Ladder.forward`.
    """

    ladder: Ladder
    start: Tensor
    evidence: tuple[Tensor, ...] | None = None

    @property
    def mean(self) -> Latents:
        """Mean of each group conditional on the means of those above."""
        return self._down(lambda i, p, q: (q or p).mean)

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Latents:
        """Draw z; `temperature`, for all or for each group, multiplies its standard deviation."""
        own = each(temperature, len(self.ladder.names))
        return self._down(lambda i, p, q: (q or p).sample(rng, own[i]))

    def log_probs(self, z: Latents) -> tuple[Tensor, ...]:
        """Return the log-density of each group conditional on those above, (B,) nats."""
        found: list[Tensor] = []

        def fixed(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            found.append((q or p).log_prob(z[i]))
            return z[i]

        self._down(fixed)
        return tuple(found)

    def log_prob(self, z: Latents) -> Tensor:
        """Return the log-density of z, (B,) nats."""
        return sum(self.log_probs(z), z[0].new_zeros(()))

    def _down(self, choose: Callable[[int, DiagonalGaussian, DiagonalGaussian | None], Tensor]) -> Latents:
        """Return the latents that `choose` picks on the way down the ladder."""
        chosen: list[Tensor] = []

        def keep(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            chosen.append(choose(i, p, q))
            return chosen[-1]

        self.ladder(self.start, self.evidence, keep)
        return tuple(chosen)


class Inferred(Walk):
    """Approximate posterior q(z | x)."""

    def tempered(self, temperatures: tuple[float, ...]) -> Latents:
        """Return the means if the standard deviation of each group's prior is multiplied by its temperature."""

        def pulled(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            assert q is not None  # x is known
            own, more = (-q.logvar).exp(), (temperatures[i] ** -2 - 1) * (-p.logvar).exp()
            return (own * q.mu + more * p.mu) / (own + more).clamp_min(MIN_PRECISION)

        return self._down(pulled)


@dataclass(frozen=True, eq=False)
class LadderPrior:
    """Prior p(z) for images of any size; see `restorekit.core.distributions`.

    Parameters
    ----------
    ladder : Ladder
        Top-down network.
    stride : int
        Pixels per grid position at the coarsest scale.
    label : Tensor of int64, (B,), or None
        Classes.
    """

    ladder: Ladder
    stride: int
    label: Tensor | None = None

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: Temperature = 1.0) -> Latents:
        """Draw n latents for images of shape (C, H, W)."""
        grid = shape[1] // self.stride, shape[2] // self.stride
        return Walk(self.ladder, self.ladder.begin(n, grid, self.label)).sample(rng, temperature)

    def log_probs(self, z: Latents) -> tuple[Tensor, ...]:
        """Return the log-density of each group conditional on those above, (B,) nats."""
        return self._of(z).log_probs(z)

    def log_prob(self, z: Latents) -> Tensor:
        """Return the log-density of z, (B,) nats."""
        return self._of(z).log_prob(z)

    def _of(self, z: Latents) -> Walk:
        """Return the walk over images of the size of z."""
        grid = z[0].shape[2], z[0].shape[3]
        return Walk(self.ladder, self.ladder.begin(len(z[0]), grid, self.label))
