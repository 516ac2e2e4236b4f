"""Pseudo-Gibbs sampling of p(x | y) with an unconditional VAE.

Reference: Rezende, Mohamed, Wierstra, "Stochastic Backpropagation and Approximate Inference in Deep
Generative Models", ICML 2014, appendix F. It is exact only where q(z | x) is the true posterior; elsewhere
its draws are biased by how far q is from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Corruption, LatentModel, Likelihood, Model, Sampler
from restorekit.errors import UsageError
from restorekit.noise import Noise
from restorekit.types import Draws, Observation


@dataclass(frozen=True)
class Gibbs(Sampler):
    """Alternate z ~ q(z | x) and x ~ p(x | z, y), the latter a product of two Gaussians in closed form.

    Parameters
    ----------
    sweeps : int
        Alternations before the draw is taken; each draw is a chain of its own.
    """

    name: ClassVar[str] = "gibbs"
    needs_sigma: ClassVar[bool] = True

    sweeps: int = 40

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Accept latent models with Gaussian noise, missing values, both, or nothing."""
        if not isinstance(model, LatentModel):
            return f"gibbs samples unconditional models, {model.name!r} is conditional; leave --sampler out"
        parts = getattr(corruption, "parts", (corruption,))
        other = [p.name for p in parts if not (p.hides or p.name in ("gaussian", "clean"))]
        if other:
            return f"gibbs works with gaussian noise and missing values, not {other[0]}; use a conditional model"
        return None

    def __call__(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Run n chains per image, all as one batch."""
        refusal = self.refuse(model, corruption)
        if refusal is not None:
            raise UsageError(refusal)
        many, streams = observation.expand(n), noise.expand(n)
        x = many.first_guess(corruption)
        for sweep in range(self.sweeps):
            step = streams.fork(f"sweep{sweep}")
            likelihood = model.decode(model.infer(x, None, many.label).sample(step), many.label)
            mean, variance = posterior(likelihood, many)
            x = mean + variance.sqrt() * step.normal("x", tuple(x.shape), x.device)
        shape = (n, len(observation), *x.shape[1:])
        return Draws(mean.view(shape), variance.view(shape))


def posterior(likelihood: Likelihood, observation: Observation) -> tuple[Tensor, Tensor]:
    """Return mean and variance, (B, C, H, W), of p(x | z, y): the decoder's Gaussian times the noise's.

    Precisions add where a value was observed with noise; it is exact where sigma is 0; the decoder stands
    alone where it is missing. The decoder's first two moments stand for its distribution.
    """
    if observation.sigma is None or bool(observation.sigma.isnan().any()):
        raise UsageError("gibbs must know the noise level, which is unknown here; give --sigma auto or a number")
    noise = observation.sigma**2
    gain = torch.where(observation.observed, likelihood.variance / (likelihood.variance + noise).clamp_min(1e-12), 0.0)
    mean = likelihood.mean + gain * (observation.y - likelihood.mean)
    return mean, (1 - gain) * likelihood.variance
