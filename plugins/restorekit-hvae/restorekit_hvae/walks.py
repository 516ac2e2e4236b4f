"""q(z | x) and p(z) of a ladder: each group of latents is drawn given those above it.

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

LEAST = 1e-3  # precision that is left of a posterior whose prior a temperature above 1 takes away
Latents = tuple[Tensor, ...]  # of each group, nearest the pixels last, (B, latent, h, w)


@dataclass(frozen=True, eq=False)
class Walk:
    """q(z | x) where something is `seen` of x, else p(z); see `restorekit.core.distributions`.

    Parameters
    ----------
    ladder : Ladder
        The top-down network.
    start : Tensor, (B, width, h, w)
        Where it begins.
    seen : tuple of Tensor, or None
        As `Ladder.forward` takes it.
    """

    ladder: Ladder
    start: Tensor
    seen: tuple[Tensor, ...] | None = None

    @property
    def mean(self) -> Latents:
        """Mean of each group given the means of those above."""
        return self._down(lambda i, p, q: (q or p).mean)

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Latents:
        """Draw z; `temperature`, of all or of each group, multiplies its standard deviation."""
        own = each(temperature, len(self.ladder.names))
        return self._down(lambda i, p, q: (q or p).sample(rng, own[i]))

    def log_probs(self, z: Latents) -> tuple[Tensor, ...]:
        """Return the log-density of each group given those above, (B,) nats."""
        found: list[Tensor] = []

        def given(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            found.append((q or p).log_prob(z[i]))
            return z[i]

        self._down(given)
        return tuple(found)

    def log_prob(self, z: Latents) -> Tensor:
        """Return the log-density of z, (B,) nats."""
        return sum(self.log_probs(z), z[0].new_zeros(()))

    def _down(self, choose: Callable[[int, DiagonalGaussian, DiagonalGaussian | None], Tensor]) -> Latents:
        chosen: list[Tensor] = []

        def keep(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            chosen.append(choose(i, p, q))
            return chosen[-1]

        self.ladder(self.start, self.seen, keep)
        return tuple(chosen)


class Inferred(Walk):
    """q(z | x)."""

    def tempered(self, temperatures: tuple[float, ...]) -> Latents:
        """Return the means had each group's prior, given those above, so many times its standard deviation."""

        def pulled(i: int, p: DiagonalGaussian, q: DiagonalGaussian | None) -> Tensor:
            assert q is not None  # x was seen
            own, more = (-q.logvar).exp(), (temperatures[i] ** -2 - 1) * (-p.logvar).exp()
            return (own * q.mu + more * p.mu) / (own + more).clamp_min(LEAST)

        return self._down(pulled)


@dataclass(frozen=True, eq=False)
class Unseen:
    """p(z) for images of any size; see `restorekit.core.distributions`.

    Parameters
    ----------
    ladder : Ladder
        The top-down network.
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
        """Return the log-density of each group given those above, (B,) nats."""
        return self._of(z).log_probs(z)

    def log_prob(self, z: Latents) -> Tensor:
        """Return the log-density of z, (B,) nats."""
        return self._of(z).log_prob(z)

    def _of(self, z: Latents) -> Walk:
        """Return the walk over images as large as those of z."""
        grid = z[0].shape[2], z[0].shape[3]
        return Walk(self.ladder, self.ladder.begin(len(z[0]), grid, self.label))
