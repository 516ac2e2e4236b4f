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
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.errors import RestorekitWarning
from restorekit.core.rng import Rng, Step
from restorekit.core.types import Draws, Observation
from restorekit.samplers.base import CheckedSampler, as_draws, total, wide
from restorekit.samplers.chains import Chains, Move
from restorekit.samplers.gibbs import source
from restorekit.samplers.targets import Joint, Marginal, State, target

WANTED = 0.574
WINDOW = 50  # steps between two checks of whether a chain has settled
RECENT = 25  # proposals, about, over which the acceptance of a chain is averaged
MIN_ACCEPTANCE = 0.05  # share of accepted proposals; with less, a chain stands still
Density = Callable[[State], Tensor]


@dataclass(frozen=True)
class Langevin(CheckedSampler):
    """Langevin steps on log p(z | y) with an accept step, then x ~ p(x | z, y).

    For Gaussian noise and missing values the chain is one of z alone, the decoder's variance being part of p(y | z) in
    closed form. For other smooth corruptions it is one of z and of the decoder's own noise e, with x = mean + std e.
    Each draw is a chain of its own, from z ~ q(z | initial estimate) on; the step of each adapts until it has settled.

    Parameters
    ----------
    steps : int
        Proposals of each chain, at most.
    step : float
        First length of a step, in prior standard deviations.
    """

    name: ClassVar[str] = "langevin"
    climbs: ClassVar[bool] = True

    steps: int = field(default=1000, metadata={"low": 1})
    step: float = field(default=0.1, metadata={"low": 1e-6, "high": 100})

    def merit(self, model: Model) -> int:
        """Return 3 for the few latents of images of one size, 1 for the many of large images: it takes long."""
        return 1 if model.geometry.size is None else 3

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Run n chains per image, all as one batch."""
        streams = source(model, rng, n)
        chains = Chains(self.name, WINDOW, self.steps, model.geometry.size is not None)
        with torch.inference_mode(False), torch.enable_grad():
            many = observation.expand(n)
            goal = target(self.name, model, corruption, many, streams.fork("start"))
            here = _look(goal.log_prob, goal.start)
            length = torch.full_like(here.value, math.log(self.step))
            result = chains.run(_moved(goal), ChainState(here, length, torch.full_like(length, WANTED)), many, streams)
        chain: ChainState = result.state
        if bool((chain.acceptance < MIN_ACCEPTANCE).any()):
            warnings.warn(
                f"langevin accepted as few as {float(chain.acceptance.min()):.0%} of its proposals in a chain, whose "
                "draw is where it started; use more steps, or mwg for gaussian noise and missing values",
                RestorekitWarning,
                stacklevel=3,
            )
        diagnostics = {"acceptance": chain.acceptance.view(n, -1).mean(0), **result.diagnostics(n)}
        return as_draws(goal.restored(chain.point.state), n, diagnostics)


class ChainPoint(NamedTuple):
    """A state, its log-density, (B,), and the gradient of that."""

    state: State
    value: Tensor
    slope: State


class ChainState(NamedTuple):
    """Points of chains, log-lengths of their steps, (B,), and acceptance of recent proposals, (B,)."""

    point: ChainPoint
    length: Tensor
    acceptance: Tensor


def _moved(goal: Marginal | Joint) -> Move:
    """Return the move that makes one proposal."""

    def move(chain: ChainState, observation: Observation, rng: Step, settled: Tensor) -> tuple[ChainState, Tensor]:
        density = replace(goal, observation=observation).log_prob
        point, chance, taken = _step(density, chain.point, chain.length.exp(), rng)
        adapted = chain.length + (chance - WANTED) / (1 + rng.number) ** 0.4
        acceptance = chain.acceptance + (taken.float() - chain.acceptance) / RECENT
        return ChainState(point, torch.where(settled, chain.length, adapted), acceptance), point.value

    return move


def _look(density: Density, state: State) -> ChainPoint:
    """Evaluate density and gradient, detached from earlier steps."""
    own = tuple(t.detach().clone().requires_grad_() for t in state)
    value = density(own)
    slope = torch.autograd.grad(value.sum(), own)
    return ChainPoint(tuple(t.detach() for t in own), value.detach(), slope)


def _step(density: Density, here: ChainPoint, length: Tensor, rng: Rng) -> tuple[ChainPoint, Tensor, Tensor]:
    """Propose a step of some length, (B,), and accept or stay; return point, chance of acceptance, acceptance."""
    shift = tuple(
        wide(0.5 * length**2, g) * g + wide(length, g) * rng.normal(f"eps{i}", tuple(g.shape), g.device)
        for i, g in enumerate(here.slope)
    )
    there = _look(density, tuple(t + d for t, d in zip(here.state, shift, strict=True)))
    log_ratio = there.value - here.value + _way(there, here, length) - _way(here, there, length)
    chance = log_ratio.nan_to_num(-torch.inf).clamp(max=0).exp()
    taken = rng.uniform("accept", (len(chance), 1), chance.device).flatten() < chance
    chosen = [tuple(torch.where(wide(taken, a), a, b) for a, b in zip(p, q, strict=True)) for p, q in
              ((there.state, here.state), (there.slope, here.slope))]  # fmt: skip
    return ChainPoint(chosen[0], torch.where(taken, there.value, here.value), chosen[1]), chance, taken


def _way(a: ChainPoint, b: ChainPoint, length: Tensor) -> Tensor:
    """Return log q(b | a), (B,), up to a constant."""
    rest = tuple(t - s - wide(0.5 * length**2, g) * g for t, s, g in zip(b.state, a.state, a.slope, strict=True))
    return -total(rest, torch.square) / (2 * length**2)
