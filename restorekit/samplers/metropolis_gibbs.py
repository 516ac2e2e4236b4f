"""Metropolis-within-Gibbs: pseudo-Gibbs with an accept step, exact in the limit.

Reference: Mattei, Frellsen, "Leveraging the Exact Likelihood of Deep Latent Variable Models", NeurIPS 2018, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel
from restorekit.core.distributions import Latents
from restorekit.core.gaussian import density, evidence, posterior, redraw
from restorekit.core.rng import AHEAD, Rng, Step
from restorekit.core.types import Draws, Observation
from restorekit.samplers.base import Conjugate, as_draws, choose
from restorekit.samplers.chains import Chains, Move
from restorekit.samplers.gibbs import source, swept
from restorekit.samplers.importance import Importance

State = tuple[Tensor, Any, Tensor]


@dataclass(frozen=True)
class MetropolisWithinGibbs(Conjugate):
    """Propose z' ~ q(z | x), accept or keep z, and draw x ~ p(x | z, y).

    The chance of acceptance is the weight p(x, z') / q(z' | x) over that of z.

    Whatever q is, chains forget their start and end in p(x | y); a poor q makes them slow, and the share of proposals
    that are accepted tells. Between modes that q does not connect they may not move at all: begin them there by
    importance resampling, then each mode has its share of the chains. Under noise the first two moments of a decoder
    other than Gaussian stand for it, where x is drawn and where it is weighed.

    Parameters
    ----------
    sweeps : int
        Maximum number of proposals. Each draw is one chain, which ends once it has settled.
    warm : int
        Sweeps of pseudo-Gibbs before.
    proposals : int
        If above 0, chains begin with images resampled from this number of proposals, as `importance` does, instead of
        the initial estimate.
    """

    name: ClassVar[str] = "mwg"

    sweeps: int = field(default=200, metadata={"low": 1})
    warm: int = field(default=20, metadata={"low": 0})
    proposals: int = field(default=0, metadata={"low": 0})

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Run n chains per image, all as one batch."""
        many, streams = observation.expand(n), source(model, rng, n)
        chains = Chains(self.name, AHEAD, self.sweeps, model.geometry.size is not None)
        x = self._begin(model, corruption, observation, n, rng)
        state = (x, model.infer(x, None, many.label).sample(streams))
        steps, gibbs = streams.fork("warm").steps(model.geometry.size is not None), swept(model)
        settled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for i in range(self.warm):
            state, _ = gibbs(state, many, steps(i), settled)
        accepted = torch.zeros(len(many), device=many.y.device)
        ended = chains.run(_moved(model), (*state, accepted), many, streams)
        diagnostics = {
            "acceptance": (ended.state[2] / ended.steps.clamp_min(1)).view(n, -1).mean(0),
            **ended.diagnostics(n),
        }
        return as_draws(posterior(model.decode(ended.state[1], many.label), many), n, diagnostics)

    def _begin(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Tensor:
        """Return where n chains of each image begin, (n B, C, H, W)."""
        if not self.proposals:
            return observation.expand(n).initial_estimate(corruption)
        found = Importance(self.proposals)(model, corruption, observation, n, rng.fork("begin"))
        assert found.variance is not None
        x = found.mean.flatten(0, 1)
        white = rng.fork("begin").expand(n).normal("x", tuple(x.shape), x.device)
        return x + found.variance.flatten(0, 1).sqrt() * white


def _moved(model: LatentModel) -> Move:
    """Return the move that makes one proposal from a state (x, z, proposals accepted)."""

    def move(state: State, o: Observation, rng: Step, _: Tensor) -> tuple[State, Tensor]:
        x, z, accepted = state
        q = model.infer(x, None, o.label)
        proposal = q.sample(rng)
        gain = _weight(model, q, x, proposal, o) - _weight(model, q, x, z, o)
        taken = rng.uniform("accept", (len(x), 1), x.device).flatten().log() < gain  # NaN, of a z far off, is no
        z = choose(taken, proposal, z)
        likelihood = model.decode(z, o.label)
        height = evidence(likelihood, o) + model.prior(o.label).log_prob(z)
        return (redraw(likelihood, o, rng), z, accepted + taken), height

    return move


def _weight(model: LatentModel, q: Latents, x: Tensor, z: Any, o: Observation) -> Tensor:
    """Return log p(x, z) - log q(z | x), (B,)."""
    return density(model.decode(z, o.label), o, x) + model.prior(o.label).log_prob(z) - q.log_prob(z)
