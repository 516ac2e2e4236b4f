"""Pseudo-Gibbs sampling of p(x | y) with an unconditional VAE.

Reference: Rezende, Mohamed, Wierstra, "Stochastic Backpropagation and Approximate Inference in Deep
Generative Models", ICML 2014, appendix F. It is exact only where q(z | x) is the true posterior; elsewhere
its draws are biased by how far q is from it: `mwg` is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.gaussian import evidence, posterior, redraw
from restorekit.core.rng import AHEAD, Rng, Step
from restorekit.core.types import Draws, Observation
from restorekit.samplers.base import Conjugate, as_draws
from restorekit.samplers.chains import Chains, Move


@dataclass(frozen=True)
class Gibbs(Conjugate):
    """Alternate z ~ q(z | x) and x ~ p(x | z, y), the latter a product of two Gaussians in closed form.

    Parameters
    ----------
    sweeps : int
        Maximum number of alternations. Each draw is one chain, which ends once it has settled.
    """

    name: ClassVar[str] = "gibbs"

    sweeps: int = field(default=200, metadata={"low": 1})

    def merit(self, model: Model) -> int:
        """Return 2: it is quick, whatever the size of images."""
        return 2

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Run n chains per image, all as one batch."""
        many, streams = observation.expand(n), source(model, rng, n)
        x = many.initial_estimate(corruption)
        z = model.infer(x, None, many.label).sample(streams)
        chains = Chains(self.name, AHEAD, self.sweeps, model.geometry.size is not None)
        ended = chains.run(swept(model), (x, z), many, streams)
        return as_draws(posterior(model.decode(ended.state[1], many.label), many), n, ended.diagnostics(n))


def source(model: LatentModel, rng: Rng, n: int) -> Rng:
    """Return the random numbers of n chains per image; a model of one fixed size restores each tile independently."""
    return (rng if model.geometry.size is None else rng.independent_tiles()).expand(n)


def swept(model: LatentModel) -> Move:
    """Return the move that alternates a state (x, z) once."""

    def move(state: tuple[Tensor, Any], o: Observation, rng: Step, _: Tensor) -> tuple[tuple[Tensor, Any], Tensor]:
        z = model.infer(state[0], None, o.label).sample(rng)
        likelihood = model.decode(z, o.label)
        density = evidence(likelihood, o) + model.prior(o.label).log_prob(z)
        return (redraw(likelihood, o, rng), z), density

    return move
