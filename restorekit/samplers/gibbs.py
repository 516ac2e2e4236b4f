"""Pseudo-Gibbs sampling of p(x | y) with an unconditional VAE.

Reference: Rezende, Mohamed, Wierstra, "Stochastic Backpropagation and Approximate Inference in Deep
Generative Models", ICML 2014, appendix F. It is exact only where q(z | x) is the true posterior; elsewhere
its draws are biased by how far q is from it: `mwg` is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restorekit.conjugate import posterior, redraw
from restorekit.contracts import Corruption, LatentModel
from restorekit.noise import Noise
from restorekit.samplers.base import Conjugate
from restorekit.types import Draws, Observation


@dataclass(frozen=True)
class Gibbs(Conjugate):
    """Alternate z ~ q(z | x) and x ~ p(x | z, y), the latter a product of two Gaussians in closed form.

    Parameters
    ----------
    sweeps : int
        Alternations before the draw is taken; each draw is a chain of its own.
    """

    name: ClassVar[str] = "gibbs"

    sweeps: int = 40

    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Run n chains per image, all as one batch."""
        many, streams = observation.expand(n), noise.expand(n)
        x = chain(model, many, many.first_guess(corruption), self.sweeps - 1, streams)
        last = streams.fork(f"sweep{self.sweeps - 1}")
        likelihood = model.decode(model.infer(x, None, many.label).sample(last), many.label)
        mean, variance = posterior(likelihood, many)
        shape = (n, len(observation), *mean.shape[1:])
        return Draws(mean.view(shape), variance.view(shape))


def chain(model: LatentModel, observation: Observation, x: Tensor, sweeps: int, noise: Noise) -> Tensor:
    """Alternate z ~ q(z | x) and x ~ p(x | z, y) from x, (B, C, H, W), on; return the last x."""
    for sweep in range(sweeps):
        step = noise.fork(f"sweep{sweep}")
        likelihood = model.decode(model.infer(x, None, observation.label).sample(step), observation.label)
        x = redraw(likelihood, observation, step)
    return x
