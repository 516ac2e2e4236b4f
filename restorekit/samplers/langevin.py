"""Metropolis-adjusted Langevin sampling through the decoder, for every corruption with a smooth log p(y | x).

References
----------
Roberts, Tweedie, "Exponential Convergence of Langevin Distributions and Their Discrete Approximations", Bernoulli 1996.
Roberts, Rosenthal, "Optimal Scaling of Discrete Approximations to Langevin Diffusions", JRSS B 1998: the best share of
accepted proposals is 0.574.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit.contracts import Corruption, LatentModel, Model
from restorekit.errors import RestorekitWarning
from restorekit.noise import Noise
from restorekit.samplers.base import Looking
from restorekit.samplers.latents import total, wide
from restorekit.samplers.targets import State, Target, refusal, target
from restorekit.types import Draws, Observation

WANTED = 0.574
LEAST = 0.05  # share of accepted proposals under which chains stand still
Density = Callable[[State], Tensor]


@dataclass(frozen=True)
class Langevin(Looking):
    """Follow the gradient of log p(z | y) with noise, accept or stay, and draw x ~ p(x | z, y).

    For Gaussian noise and missing values the chain is one of z alone, the decoder's variance being part of p(y | z) in
    closed form. For other smooth corruptions it is one of z and of the decoder's own noise e, with x = mean + std e.
    Each draw is a chain of its own, from z ~ q(z | first guess) on; the step of each adapts over the first half.

    Parameters
    ----------
    steps : int
        Proposals of each chain.
    step : float
        First length of a step, in prior standard deviations.
    """

    name: ClassVar[str] = "langevin"

    steps: int = 300
    step: float = 0.1

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Accept latent models with smooth corruptions and missing values."""
        return refusal(self.name, model, corruption)

    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Run n chains per image, all as one batch."""
        with torch.inference_mode(False), torch.enable_grad():
            streams = noise.expand(n)
            goal = target(self.name, model, corruption, observation.expand(n), streams.fork("start"))
            state, acceptance = self._chain(goal, streams)
        _warn(acceptance)
        mean, variance = goal.restored(state)
        shape = (n, len(observation), *mean.shape[1:])
        return Draws(mean.view(shape), variance.view(shape), {"acceptance": acceptance.view(n, -1).mean(0)})

    def _chain(self, goal: Target, noise: Noise) -> tuple[State, Tensor]:
        """Return the last state, and the share of proposals accepted in the second half, (B,)."""
        here = _look(goal.log_prob, goal.start)
        length = torch.full_like(here.value, math.log(self.step))
        accepted = torch.zeros_like(length)
        for i in range(self.steps):
            here, chance, taken = _step(goal.log_prob, here, length.exp(), noise.fork(f"step{i}"))
            if i < self.steps // 2:
                length = length + (chance - WANTED) / (1 + i) ** 0.4
            else:
                accepted = accepted + taken
        return here.state, accepted / max(1, self.steps - self.steps // 2)


class Place(NamedTuple):
    """A state, its log-density, (B,), and the gradient of that."""

    state: State
    value: Tensor
    slope: State


def _look(density: Density, state: State) -> Place:
    """Evaluate density and gradient, cut off from what led here."""
    own = tuple(t.detach().clone().requires_grad_() for t in state)
    value = density(own)
    slope = torch.autograd.grad(value.sum(), own)
    return Place(tuple(t.detach() for t in own), value.detach(), slope)


def _step(density: Density, here: Place, length: Tensor, noise: Noise) -> tuple[Place, Tensor, Tensor]:
    """Propose a step of the given lengths, (B,), and accept or stay; return place, chance of acceptance, acceptance."""
    shift = tuple(
        wide(0.5 * length**2, g) * g + wide(length, g) * noise.normal(f"eps{i}", tuple(g.shape), g.device)
        for i, g in enumerate(here.slope)
    )
    there = _look(density, tuple(t + d for t, d in zip(here.state, shift, strict=True)))
    log_ratio = there.value - here.value + _way(there, here, length) - _way(here, there, length)
    chance = log_ratio.nan_to_num(-torch.inf).clamp(max=0).exp()
    taken = noise.uniform("accept", (len(chance), 1), chance.device).flatten() < chance
    chosen = [tuple(torch.where(wide(taken, a), a, b) for a, b in zip(p, q, strict=True)) for p, q in
              ((there.state, here.state), (there.slope, here.slope))]  # fmt: skip
    return Place(chosen[0], torch.where(taken, there.value, here.value), chosen[1]), chance, taken


def _way(a: Place, b: Place, length: Tensor) -> Tensor:
    """Return log q(b | a), (B,), up to a constant."""
    apart = tuple(t - s - wide(0.5 * length**2, g) * g for t, s, g in zip(b.state, a.state, a.slope, strict=True))
    return -total(apart, torch.square) / (2 * length**2)


def _warn(acceptance: Tensor) -> None:
    """Tell of chains that stood still."""
    if bool((acceptance < LEAST).any()):
        warnings.warn(
            f"langevin accepted as few as {float(acceptance.min()):.0%} of its proposals in a chain, whose draw is "
            "where it started; use more steps, or mwg for gaussian noise and missing values",
            RestorekitWarning,
            stacklevel=3,
        )
