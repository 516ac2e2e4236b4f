"""Base classes of the built-in samplers, and operations on latents.

Latents are a tensor or, in a hierarchical model, a tuple of tensors; both are handled alike.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.core import gaussian
from restorekit.core.contracts import Corruption, LatentModel, Model, Sampler, parts_of
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Observation


class CheckedSampler(Sampler):
    """Sampler that raises a UsageError for a pair of model and corruption that it refuses."""

    needs_sigma: ClassVar[bool] = True
    scope: ClassVar[str] = "smooth corruptions and missing values"  # in error messages
    climbs: ClassVar[bool] = False  # follows gradients in z

    def accepts(self, part: Corruption) -> bool:
        """Return whether the sampler can undo one part of a chain of corruptions."""
        return part.smooth or part.hides or part.noise_law == "none"

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Return why this pair cannot be sampled, and what would work; None if it can."""
        if not isinstance(model, LatentModel):
            return f"{self.name} samples unconditional models, {model.name!r} is conditional; remove --sampler"
        if self.climbs and model.discrete:
            return (
                f"{self.name} follows gradients, and a part of this {model.name!r}'s latents is a class, which has "
                "none; use --sampler gibbs, or a model without alpha"
            )
        rough = [part.name for part in parts_of(corruption) if not CheckedSampler.accepts(self, part)]
        if rough:
            return f"no sampler undoes {rough[0]}, which has no smooth log p(y | x); train a cvae for it"
        other = [part.name for part in parts_of(corruption) if not self.accepts(part)]
        return f"{self.name} works with {self.scope}, not {other[0]}; use --sampler langevin" if other else None

    def __call__(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Return n draws for each image, all as one batch."""
        if reason := self.refuse(model, corruption):
            raise UsageError(reason)
        return self.drawn(model, corruption, observation, n, rng)

    @abstractmethod
    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Return n draws of a pair that is not refused."""


class Conjugate(CheckedSampler):
    """Sampler of latent models under Gaussian noise, missing values, both, or neither."""

    scope: ClassVar[str] = "gaussian noise and missing values"

    def accepts(self, part: Corruption) -> bool:
        """Return whether the part has a closed-form posterior."""
        return gaussian.has_closed_form(part)


def as_draws(moments: tuple[Tensor, Tensor], n: int, diagnostics: Mapping[str, Tensor]) -> Draws:
    """Return n draws per image from their means and variances, (n B, C, H, W), draws outermost."""
    mean, variance = (t.view(n, -1, *t.shape[1:]) for t in moments)
    return Draws(mean, variance, diagnostics)


def parts(z: Any) -> tuple[Tensor, ...]:
    """Return the tensors of z, (B, ...) each."""
    return tuple(z) if isinstance(z, tuple | list) else (z,)


def like(z: Any, tensors: tuple[Tensor, ...]) -> Any:
    """Return tensors in the structure of z: one tensor or a tuple."""
    return type(z)(tensors) if isinstance(z, tuple | list) else tensors[0]


def mapped(work: Callable[..., Tensor], z: Any, *others: Any) -> Any:
    """Apply a function to the tensors of z, and of others like it, level by level."""
    return like(z, tuple(work(*some) for some in zip(parts(z), *map(parts, others), strict=True)))


def wide(values: Tensor, t: Tensor) -> Tensor:
    """Return values, (B,), with as many dimensions as t."""
    return values.view(-1, *[1] * (t.dim() - 1))


def choose(condition: Tensor, one: Any, other: Any) -> Any:
    """Return `one` for the images where condition, (B,), is True, and `other` for the rest."""
    return mapped(lambda a, b: torch.where(wide(condition, a), a, b), one, other)


def total(z: Any, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum what a function makes of z's tensors over everything but the batch, (B,)."""
    return torch.stack([work(t).flatten(1).sum(1) for t in parts(z)]).sum(0)
