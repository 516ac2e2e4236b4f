"""Markov chains run in parallel, each until it has settled.

Reference: Geweke, "Evaluating the Accuracy of Sampling-Based Approaches to the Calculation of Posterior Moments",
Bayesian Statistics 4, 1992: the means of two parts of one chain are compared. A chain stops by its own values alone, so
the rest of the batch has no influence, except for rounding, which an accept step may magnify into another draw of the
same distribution.
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

AGREEMENT = 2.0  # standard errors, as if steps were independent, within which two means agree
Move = Callable[[Any, Observation, Step, Tensor], tuple[Any, Tensor]]


class ChainResult(NamedTuple):
    """Last states of chains; number of steps and whether the chain had settled, (B,)."""

    state: Any
    steps: Tensor
    settled: Tensor

    def diagnostics(self, n: int) -> dict[str, Tensor]:
        """Return the means over the n chains of each image, (B,)."""
        return {name: t.float().view(n, -1).mean(0) for name, t in (("steps", self.steps), ("settled", self.settled))}


@dataclass(frozen=True)
class Chains:
    """Runner of Markov chains.

    Parameters
    ----------
    name : str
        Name of the sampler.
    window : int
        Steps whose means are compared; a multiple of `restorekit.core.rng.AHEAD`. After two windows that agree one more
        is run, so that the end of a chain does not depend on the moment at which it settled.
    most : int
        Maximum number of steps.
    flat : bool
        Passed to `Rng.steps`.
    """

    name: str
    window: int
    most: int
    flat: bool

    def run(self, move: Move, state: Any, observation: Observation, rng: Rng) -> ChainResult:
        """Run one chain for each image of the batch.

        Parameters
        ----------
        move : callable
            Takes states, observations, random numbers of the step, and where a chain has settled and adapts no more.
            Returns new states and their log-densities, (B,), by which settling is decided.
        state : tensor, or tuple of states
            First states, (B, ...) each.
        observation : Observation
            (B, ...).
        rng : Rng
            Random numbers of the chains.
        """
        alive = torch.arange(len(observation), device=observation.y.device)
        calm, before, taken = torch.zeros_like(alive, dtype=torch.bool), None, 0
        result = ChainResult(rows(state, alive), torch.zeros_like(alive), torch.zeros_like(calm))
        while len(alive):
            tell(self.name, taken, self.most)
            source, heights = rng.steps(self.flat), list[Tensor]()
            for i in range(taken, min(taken + self.window, self.most)):
                state, height = move(state, observation, source(i), calm)
                heights.append(height)
            trace = torch.stack(heights)  # log-densities along the way, (window, B)
            taken += len(trace)
            over, calm = calm | (taken >= self.most), calm | agree(before, trace)
            result.steps[alive[over]], result.settled[alive[over]] = taken, calm[over]
            _copy_rows(result.state, rows(state, over), alive[over])
            left = (~over).nonzero().flatten()
            state, before, calm, alive = rows(state, left), trace[:, left], calm[left], alive[left]
            observation, rng = observation.take(left), rng.take(left.tolist())
        if float(result.settled.float().mean()) < 0.5:
            warnings.warn(
                f"most chains of {self.name} had not settled after {self.most} steps, so that draws may depend on "
                f"where they began; increase the number (restorekit show {self.name}), or use another --sampler",
                RestorekitWarning,
                stacklevel=4,
            )
        return result


def agree(before: Tensor | None, now: Tensor) -> Tensor:
    """Return which chains have the same mean log-density, but for chance, in two windows, (window, B).

    A chain that stood still counts as different.
    """
    if before is None or len(before) != len(now):
        return torch.zeros_like(now[0], dtype=torch.bool)
    chance = ((before.var(0) + now.var(0)) / len(now)).sqrt()
    return ((now.mean(0) - before.mean(0)).abs() <= AGREEMENT * chance) & (now != now[0]).any(0)


def rows(state: Any, index: Tensor) -> Any:
    """Index every tensor of a state, which may be nested tuples, by row numbers or a mask."""
    if isinstance(state, Tensor):
        return state[index]
    found = [rows(part, index) for part in state]
    return type(state)(*found) if hasattr(state, "_fields") else tuple(found)


def _copy_rows(target: Any, source: Any, index: Tensor) -> None:
    """Copy the tensors of a state into some rows of another."""
    if isinstance(target, Tensor):
        target[index] = source
        return
    for one, other in zip(target, source, strict=True):
        _copy_rows(one, other, index)
