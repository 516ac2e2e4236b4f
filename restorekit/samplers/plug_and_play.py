"""Plug-and-play restoration with a VAE: alternate data fit and reconstruction, without gradients.

Reference: Prost, Houdard, Almansa, Papadakis, "Inverse Problem Regularization with Hierarchical Variational
Autoencoders", ICCV 2023, algorithm 1 (PnP-HVAE). Conjugate gradients: Hestenes, Stiefel 1952, here of a
batch of images at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.distributions import DiagonalGaussian, Latents, Likelihood, Tempered
from restorekit.core.errors import UsageError
from restorekit.core.gaussian import has_closed_form, level, posterior
from restorekit.core.progress import tell
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Linear, Observation
from restorekit.samplers.base import CheckedSampler, parts

EXACT = 1 / 255  # noise that stands for none behind a linear map, whose equations need not be solvable
TOLERANCE = 1e-4  # root mean square of a change on [0, 1] at which it is done
SOLVES = 30  # steps of conjugate gradients


@dataclass(frozen=True)
class PlugAndPlay(CheckedSampler):
    """Alternate z = mean of q(z | x), tempered, and x = argmax p(x | z) p(y | x).

    Behind a linear map x is found by conjugate gradients. For a VAE whose q is the true posterior this climbs to the
    joint mode of x and z. There is one answer: all n draws are equal, and the spread is that of the decoder.

    Parameters
    ----------
    sweeps : int
        Alternations, at most. An image that no longer changes stops.
    temperature : tuple of float
        Standard deviation of the prior on z relative to the model's: under 1 pulls restorations to what is usual. One
        for all levels of z, or one for each, that nearest the pixels last.
    """

    name: ClassVar[str] = "pnp"
    scope: ClassVar[str] = "linear maps, gaussian noise and missing values"
    answers: ClassVar[str] = "joint mode"

    sweeps: int = field(default=100, metadata={"low": 1})
    temperature: tuple[float, ...] = (1.0,)

    def merit(self, model: Model) -> int:
        """Return -1: a mode is no draw."""
        return -1

    def accepts(self, part: Corruption) -> bool:
        """Return whether the part is a linear map, Gaussian noise, or hides values."""
        return part.linear or has_closed_form(part)

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Restore all images as one batch."""
        x, operator = corruption.initial_estimate(observation), corruption.operator(observation)
        label, temperatures = observation.label, self._temperatures(model, x, observation.label)
        variance, still = x, x.new_zeros(len(x), 1, 1, 1, dtype=torch.bool)
        for sweep in range(self.sweeps):
            tell(self.name, sweep, self.sweeps)
            z = tempered(model.infer(x, None, label), temperatures)
            there, spread = most_probable(model.decode(z, label), observation, operator)
            moved = ((there - x) ** 2).mean((1, 2, 3), keepdim=True)
            x, variance = torch.where(still, x, there), torch.where(still, variance, spread)
            still = still | (moved < TOLERANCE**2)  # each image stops by itself, whatever else is in the batch
            if bool(still.all()):
                break
        return Draws(x.expand(n, *x.shape), variance.expand(n, *x.shape))

    def _temperatures(self, model: LatentModel, x: Tensor, label: Tensor | None) -> tuple[float, ...]:
        """Return one temperature for each level of the model's latents."""
        levels = len(parts(model.infer(x[:1], None, None if label is None else label[:1]).mean))
        each = self.temperature * levels if len(self.temperature) == 1 else self.temperature
        if len(each) != levels or min(each) <= 0:
            raise UsageError(
                f"pnp takes a temperature above 0 for all levels of latents, or one for each of the {levels} of "
                f"{model.name!r} with that nearest the pixels last, got {self.temperature}; give one number"
            )
        return each


def tempered(q: Latents, temperatures: tuple[float, ...]) -> Any:
    """Return the mean of q(z | x) had the prior of each level so many times its standard deviation.

    In closed form for a diagonal Gaussian whose prior is N(0, 1); others have the method `tempered`.
    """
    if all(t == 1 for t in temperatures):
        return q.mean
    if isinstance(q, Tempered):
        return q.tempered(temperatures)
    if not isinstance(q, DiagonalGaussian):
        raise UsageError(
            f"pnp tempers diagonal Gaussians and latents with a method `tempered`, got {type(q).__name__}; use "
            "temperature 1"
        )
    precision = 1 / q.variance
    return q.mean * precision / (precision - 1 + 1 / temperatures[0] ** 2).clamp_min(1e-3)


def most_probable(likelihood: Likelihood, observation: Observation, operator: Linear | None) -> tuple[Tensor, Tensor]:
    """Return the x, (B, C, H, W), that maximises p(x | z) p(y | x), and the decoder's variance there."""
    if operator is None:
        return posterior(likelihood, observation)
    sigma = level(observation).clamp_min(EXACT)
    weight = observation.observed / sigma**2
    precision = 1 / likelihood.variance.clamp_min(1e-8)

    def normal(x: Tensor) -> Tensor:
        return operator.adjoint(weight * operator.apply(x)) + precision * x

    wanted = operator.adjoint(weight * observation.y) + precision * likelihood.mean
    return _solved(normal, wanted, likelihood.mean), likelihood.variance


def _solved(normal: Callable[[Tensor], Tensor], wanted: Tensor, x: Tensor) -> Tensor:
    """Solve normal(x) = wanted, (B, C, H, W), for a symmetric positive map, from x on."""
    residual = wanted - normal(x)
    direction, power = residual, _dot(residual, residual)
    for _ in range(SOLVES):
        mapped = normal(direction)
        length = power / _dot(direction, mapped).clamp_min(1e-30)
        x, residual = x + length * direction, residual - length * mapped
        before, power = power, _dot(residual, residual)
        direction = residual + power / before.clamp_min(1e-30) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2, 3), keepdim=True)
