"""Plug-and-play with a (hierarchical) VAE: fit the data, pass through the VAE, and again; no backpropagation.

Reference: Prost, Houdard, Almansa, Papadakis, "Inverse Problem Regularization with Hierarchical Variational
Autoencoders", ICCV 2023, algorithm 1 (PnP-HVAE). Conjugate gradients: Hestenes, Stiefel 1952, here of a
batch of images at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restorekit.conjugate import level, posterior
from restorekit.contracts import Corruption, LatentModel, Latents, Likelihood, Model, is_linear, parts_of
from restorekit.likelihoods import DiagonalGaussian
from restorekit.noise import Noise
from restorekit.samplers.base import Looking
from restorekit.types import Draws, Linear, Observation

EXACT = 1 / 255  # noise that stands for none behind a linear map, whose equations need not be solvable
TOLERANCE = 1e-4  # root mean square of a change on [0, 1] at which it is done
SOLVES = 30  # steps of conjugate gradients


@dataclass(frozen=True)
class PlugAndPlay(Looking):
    """Alternate z = mean of q(z | x), tempered, and x = argmax p(x | z) p(y | x), by conjugate gradients if need be.

    For a VAE whose q is the true posterior this climbs to the joint mode of x and z. It gives one answer: all n draws
    are the same, and the spread is the decoder's own.

    Parameters
    ----------
    sweeps : int
        Alternations, at most; it ends where an image no longer changes.
    temperature : float
        Standard deviation of the prior on z relative to the model's: under 1 pulls restorations to what is usual.
    """

    name: ClassVar[str] = "pnp"

    sweeps: int = 100
    temperature: float = 1.0

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Accept latent models with linear maps, Gaussian noise and missing values."""
        if not isinstance(model, LatentModel):
            return f"pnp samples unconditional models, {model.name!r} is conditional; leave --sampler out"
        parts = parts_of(corruption)
        other = [p.name for p in parts if not (is_linear(p) or p.hides or p.name in ("gaussian", "clean"))]
        if not other:
            return None
        return f"pnp works with linear maps, gaussian noise and missing values, not {other[0]}; use --sampler langevin"

    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Restore all images as one batch."""
        x, operator = corruption.first_guess(observation), corruption.operator(observation)
        for _ in range(self.sweeps):
            before, likelihood = x, self._decoded(model, x, observation.label)
            x, variance = fitted(likelihood, observation, operator)
            if bool(((x - before) ** 2).mean() < TOLERANCE**2):
                break
        return Draws(x.expand(n, *x.shape), variance.expand(n, *x.shape))

    def _decoded(self, model: LatentModel, x: Tensor, label: Tensor | None) -> Likelihood:
        """Return p(x | z) at the tempered mean of q(z | x)."""
        return model.decode(tempered(model.infer(x, None, label), self.temperature), label)


def tempered(q: Latents, temperature: float) -> Tensor:
    """Return the mean of q(z | x) had the prior been N(0, temperature^2); of other kinds of q as it is."""
    if not isinstance(q, DiagonalGaussian) or temperature == 1:
        found: Tensor = q.mean
        return found
    precision = 1 / q.variance
    return q.mean * precision / (precision - 1 + 1 / temperature**2).clamp_min(1e-3)


def fitted(likelihood: Likelihood, observation: Observation, operator: Linear | None) -> tuple[Tensor, Tensor]:
    """Return the x, (B, C, H, W), that maximises p(x | z) p(y | x), and the decoder's variance there."""
    if operator is None:
        return posterior(likelihood, observation)
    sigma = level(observation, "pnp").clamp_min(EXACT)
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
