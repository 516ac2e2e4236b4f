"""Metropolis-within-Gibbs: pseudo-Gibbs with an accept step, exact in the limit.

Reference: Mattei, Frellsen, "Leveraging the Exact Likelihood of Deep Latent Variable Models", NeurIPS 2018, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.conjugate import posterior, redraw
from restorekit.contracts import Corruption, LatentModel, Latents
from restorekit.noise import Noise
from restorekit.samplers.base import Conjugate
from restorekit.samplers.gibbs import chain
from restorekit.samplers.importance import Importance
from restorekit.samplers.latents import choose
from restorekit.types import Draws, Observation


@dataclass(frozen=True)
class MetropolisWithinGibbs(Conjugate):
    """Propose z' ~ q(z | x), accept it by its weight p(x, z') / q(z' | x) over that of z, and draw x ~ p(x | z, y).

    Whatever q is, chains forget their start and end in p(x | y); a poor q makes them slow, and the share of proposals
    that are accepted tells. Between modes that q does not connect they may not move at all: begin them there by
    importance resampling, then each mode has its share of the chains.

    Parameters
    ----------
    sweeps : int
        Proposals before the draw is taken; each draw is a chain of its own.
    warm : int
        Sweeps of pseudo-Gibbs before.
    proposals : int
        Where above 0, chains begin with images resampled from so many, as `importance` does, not with the first guess.
    """

    name: ClassVar[str] = "mwg"

    sweeps: int = 60
    warm: int = 20
    proposals: int = 0

    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Run n chains per image, all as one batch."""
        many, streams = observation.expand(n), noise.expand(n)
        begin = self._begin(model, corruption, observation, n, noise)
        x = chain(model, many, begin, self.warm, streams.fork("warm"))
        z = model.infer(x, None, many.label).sample(streams.fork("warm"))
        accepted = torch.zeros(len(many), device=x.device)
        for sweep in range(self.sweeps):
            step = streams.fork(f"sweep{sweep}")
            z, taken = _moved(model, x, z, many.label, step)
            accepted += taken
            x = redraw(model.decode(z, many.label), many, step)
        mean, variance = posterior(model.decode(z, many.label), many)
        shape = (n, len(observation), *mean.shape[1:])
        told = {"acceptance": accepted.view(n, -1).mean(0) / max(self.sweeps, 1)}
        return Draws(mean.view(shape), variance.view(shape), told)

    def _begin(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Tensor:
        """Return where n chains of each image begin, (n B, C, H, W)."""
        if not self.proposals:
            return observation.expand(n).first_guess(corruption)
        found = Importance(self.proposals)(model, corruption, observation, n, noise.fork("begin"))
        assert found.variance is not None
        x = found.mean.flatten(0, 1)
        grain = noise.fork("begin").expand(n).normal("x", tuple(x.shape), x.device)
        return x + found.variance.flatten(0, 1).sqrt() * grain


def _moved(model: LatentModel, x: Tensor, z: Any, label: Tensor | None, noise: Noise) -> tuple[Any, Tensor]:
    """Return z after one proposal, and which images, (B,), took it."""
    q = model.infer(x, None, label)
    proposal = q.sample(noise)
    gain = _weight(model, q, x, proposal, label) - _weight(model, q, x, z, label)
    taken = noise.uniform("accept", (len(x), 1), x.device).flatten().log() < gain  # NaN, of a z far off, is no
    return choose(taken, proposal, z), taken


def _weight(model: LatentModel, q: Latents, x: Tensor, z: Any, label: Tensor | None) -> Tensor:
    """Return log p(x, z) - log q(z | x), (B,)."""
    return model.decode(z, label).log_prob(x) + model.prior(label).log_prob(z) - q.log_prob(z)
