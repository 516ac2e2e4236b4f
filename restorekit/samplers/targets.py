"""Target densities of gradient samplers: of z if p(y | z) is known, else of z and the decoder's noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, parts_of
from restorekit.core.distributions import LOG_2PI, DiagonalGaussian, Likelihood, per_image
from restorekit.core.errors import UsageError
from restorekit.core.gaussian import evidence, level, other_than_gaussian, posterior
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.samplers.base import choose, like, parts

State = tuple[Tensor, ...]
MIN_VARIANCE = 1e-4  # of a value on [0, 1], for decoders other than Gaussian


@dataclass(frozen=True, eq=False)
class Marginal:
    """log p(z) + log p(y | z), for Gaussian noise and missing values."""

    model: LatentModel
    observation: Observation
    z: Any  # where it starts

    @property
    def start(self) -> State:
        """The tensors of z."""
        return parts(self.z)

    def log_prob(self, state: State) -> Tensor:
        """Return log p(y, z), (B,) nats."""
        z, label = like(self.z, state), self.observation.label
        return self.model.prior(label).log_prob(z) + evidence(self.model.decode(z, label), self.observation)

    def restored(self, state: State) -> tuple[Tensor, Tensor]:
        """Return the moments of p(x | z, y)."""
        with torch.no_grad():
            return posterior(self.model.decode(like(self.z, state), self.observation.label), self.observation)


@dataclass(frozen=True, eq=False)
class Joint:
    """log p(z) + log N(e; 0, 1) + log p(y | x) at x = mean(z) + std(z) e, by the decoder's first two moments."""

    model: LatentModel
    corruption: Corruption
    observation: Observation
    z: Any
    e: Tensor

    @property
    def start(self) -> State:
        """The tensors of z, and e."""
        return (*parts(self.z), self.e)

    def image(self, state: State) -> tuple[Likelihood, Tensor]:
        """Return the decoder's distribution, and x."""
        likelihood = self.model.decode(like(self.z, state[:-1]), self.observation.label)
        return likelihood, likelihood.mean + spread(likelihood).sqrt() * state[-1]

    def prior(self, state: State) -> Tensor:
        """Return log p(z), (B,) nats."""
        return self.model.prior(self.observation.label).log_prob(like(self.z, state[:-1]))

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Return log p(y | x), (B,) nats."""
        found = self.corruption.log_prob(self.observation, x)
        assert found is not None, "`target` has checked it"
        return found

    def log_prob(self, state: State) -> Tensor:
        """Return log p(y, z, e), (B,) nats."""
        free = per_image(-0.5 * (state[-1] ** 2 + LOG_2PI))
        return self.prior(state) + free + self.log_likelihood(self.image(state)[1])

    def restored(self, state: State) -> tuple[Tensor, Tensor]:
        """Return x, a function of the state, and a variance of 0."""
        with torch.no_grad():
            x = self.image(state)[1]
        return x, torch.zeros_like(x)


def spread(likelihood: Likelihood) -> Tensor:
    """Return the decoder's variance, (B, C, H, W); of one that may be all but sure of a value, some of it is kept.

    Where a Bernoulli's probability rounds to 0 or 1 its standard deviation has no slope to follow.
    """
    return (
        likelihood.variance if isinstance(likelihood, DiagonalGaussian) else likelihood.variance.clamp_min(MIN_VARIANCE)
    )


def target(
    name: str, model: LatentModel, corruption: Corruption, observation: Observation, rng: Rng, free: float = 0.0
) -> Marginal | Joint:
    """Return the density that belongs to a pair, with a start drawn from q(z | initial estimate).

    A share `free` of the starts comes from the prior instead, which may lead to other modes.

    Raises
    ------
    UsageError
        Noise of unknown level, or none under a corruption that needs some.
    """
    initial = corruption.initial_estimate(observation)
    with torch.no_grad():
        z = model.infer(initial, None, observation.label).sample(rng)
        other = model.prior(observation.label).sample(len(initial), observation.shape, rng.fork("free"))
        z = choose(rng.uniform("free", (len(initial), 1), initial.device).flatten() < free, other, z)
    if other_than_gaussian(corruption) is None:
        level(observation)
        return Marginal(model, observation, z)
    joint = Joint(model, corruption, observation, z, torch.zeros_like(initial))
    if corruption.log_prob(observation, initial) is None:
        # Each part has a density or is exact, but the chain of them has none.
        if all(part.linear or part.hides for part in parts_of(corruption)):
            raise UsageError(
                f"{name} needs noise behind {corruption}, as a part of it; write {corruption}+gaussian:sigma=5/255"
            )
        raise UsageError(
            f"{name} knows no density of {corruption}, which adds more than one kind of noise; remove the weaker one"
        )
    return joint
