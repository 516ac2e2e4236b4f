"""Chains side by side, each of which runs until it has settled.

Reference: Geweke, "Evaluating the Accuracy of Sampling-Based Approaches to the Calculation of Posterior Moments",
Bayesian Statistics 4, 1992: the means of two parts of one chain are compared. When a chain stops depends on itself
alone, so that it does not matter what else is restored with it, but for rounding, which an accept step may magnify into
another draw of the same distribution.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from restorekit.core.errors import RestorekitWarning
from restorekit.core.progress import tell
from restorekit.core.rng import Rng, Step
from restorekit.core.types import Observation

APART = 2.0  # standard errors of two means, were steps independent, within which they agree
Move = Callable[[Any, Observation, Step, Tensor], tuple[Any, Tensor]]


class Ended(NamedTuple):
    """Last states of chains, how many steps each took, and whether it had settled, (B,)."""

    state: Any
    steps: Tensor
    settled: Tensor

    def diagnostics(self, n: int) -> dict[str, Tensor]:
        """Return what is said of the n chains of each image, (B,)."""
        return {name: t.float().view(n, -1).mean(0) for name, t in (("steps", self.steps), ("settled", self.settled))}


@dataclass(frozen=True)
class Chains:
    """How chains are run.

    Parameters
    ----------
    name : str
        Of the sampler.
    window : int
        Steps whose means are compared; a multiple of `noise.AHEAD`. After two that agree, one more is run, so that a
        chain forgets when it stopped.
    most : int
        Steps after which a chain ends, settled or not.
    flat : bool
        As `Noise.steps` takes it.
    """

    name: str
    window: int
    most: int
    flat: bool

    def run(self, move: Move, state: Any, observation: Observation, rng: Rng) -> Ended:
        """Run one chain for each image of the batch.

        Parameters
        ----------
        move : callable
            Takes states, observations, noise of the step and where a chain has settled (which then adapts no more);
            returns new states and their log-densities, (B,), of which settling is told.
        state : tensor, or tuple of states
            Where chains begin, (B, ...) each.
        observation : Observation
            (B, ...).
        rng : Rng
            Of the chains.
        """
        alive = torch.arange(len(observation), device=observation.y.device)
        calm, before, taken = torch.zeros_like(alive, dtype=torch.bool), None, 0
        ended = Ended(rows(state, alive), torch.zeros_like(alive), torch.zeros_like(calm))
        while len(alive):
            tell(self.name, taken, self.most)
            state, trace = self._window(move, state, observation, rng, calm, taken)
            taken += len(trace)
            over, calm = calm | (taken >= self.most), calm | agree(before, trace)
            _put(ended, alive[over], rows(state, over), taken, calm[over])
            left = (~over).nonzero().flatten()
            state, before, calm, alive = rows(state, left), trace[:, left], calm[left], alive[left]
            observation, rng = observation.take(left), rng.take(left.tolist())
        self._warn(ended.settled)
        return ended

    def _window(
        self, move: Move, state: Any, observation: Observation, rng: Rng, calm: Tensor, first: int
    ) -> tuple[Any, Tensor]:
        """Take a window of steps; return states and the log-densities along the way, (window, B)."""
        source, trace = rng.steps(self.flat), list[Tensor]()
        for i in range(first, min(first + self.window, self.most)):
            state, density = move(state, observation, source(i), calm)
            trace.append(density)
        return state, torch.stack(trace)

    def _warn(self, settled: Tensor) -> None:
        """Tell where most chains had not settled."""
        if float(settled.float().mean()) < 0.5:
            warnings.warn(
                f"most chains of {self.name} had not settled after {self.most} steps, so that draws may depend on "
                f"where they began; give it more (restorekit show {self.name}), or use another --sampler",
                RestorekitWarning,
                stacklevel=5,
            )


def agree(before: Tensor | None, now: Tensor) -> Tensor:
    """Say of which chains the mean log-density of two windows, (window, B), is the same but for chance, (B,).

    Of one that stood still nothing can be said.
    """
    if before is None or len(before) != len(now):
        return torch.zeros_like(now[0], dtype=torch.bool)
    chance = ((before.var(0) + now.var(0)) / len(now)).sqrt()
    return ((now.mean(0) - before.mean(0)).abs() <= APART * chance) & (now != now[0]).any(0)


def rows(state: Any, index: Tensor) -> Any:
    """Return some rows, by numbers or True, of every tensor of a state, which may be tuples of tuples."""
    if isinstance(state, Tensor):
        return state[index]
    found = [rows(part, index) for part in state]
    return type(state)(*found) if hasattr(state, "_fields") else tuple(found)


def _put(ended: Ended, index: Tensor, state: Any, steps: int, settled: Tensor) -> None:
    """Keep what chains that are over have come to."""
    ended.steps[index], ended.settled[index] = steps, settled
    _kept(ended.state, state, index)


def _kept(target: Any, source: Any, index: Tensor) -> None:
    if isinstance(target, Tensor):
        target[index] = source
        return
    for one, other in zip(target, source, strict=True):
        _kept(one, other, index)
