"""Self-normalised importance sampling of p(x | y), as MIWAE imputes.

References
----------
Mattei, Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", ICML 2019, section 3.
Owen, Zhou, "Safe and Effective Importance Sampling", JASA 2000: proposals from the prior among q's bound the weights.
Efraimidis, Spirakis, "Weighted Random Sampling with a Reservoir", 2006: drawing by weight in one pass.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.conjugate import evidence, posterior
from restorekit.contracts import Corruption, LatentModel
from restorekit.errors import RestorekitWarning
from restorekit.noise import Noise
from restorekit.samplers.base import Conjugate
from restorekit.samplers.latents import mapped, wide
from restorekit.types import Draws, Observation

FEW = 4.0  # effective proposals under which draws are the same few over and over


@dataclass(frozen=True)
class Importance(Conjugate):
    """Weigh many z by p(y | z) p(z) over what they were proposed from, and draw among them by weight.

    Half of the proposals come from q(z | y), with missing values interpolated, half from the prior, so that no weight
    exceeds twice p(y | z) however narrow q is. Proposals are never held all at once.

    Parameters
    ----------
    proposals : int
        z tried for each image.
    chunk : int
        How many of them at a time.
    """

    name: ClassVar[str] = "importance"

    proposals: int = 1000
    chunk: int = 50

    def drawn(
        self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, noise: Noise
    ) -> Draws:
        """Try proposals chunk by chunk, and keep for each of n draws the one that wins."""
        guess, kept = observation.first_guess(corruption), Reservoir(n, len(observation))
        for first in range(0, self.proposals, self.chunk):
            count = min(self.chunk, self.proposals - first)
            z, weight = _proposed(model, observation, guess, count, noise.fork("proposals").after(first))
            kept.offer(z, weight.view(count, -1), noise.fork(f"offer{first}"))
        _warn(kept.effective(), self.proposals)
        many = observation.expand(n)
        mean, variance = posterior(model.decode(kept.z, many.label), many)
        shape = (n, len(observation), *mean.shape[1:])
        return Draws(mean.view(shape), variance.view(shape), {"effective_proposals": kept.effective()})


def _proposed(
    model: LatentModel, observation: Observation, guess: Tensor, count: int, noise: Noise
) -> tuple[Any, Tensor]:
    """Return `count` proposals for each image, (count B, ...), and their log-weights, (count B,)."""
    many, streams = observation.expand(count), noise.expand(count)
    q = model.infer(guess.repeat(count, 1, 1, 1), None, many.label)
    prior = model.prior(many.label)
    own, free = q.sample(streams.fork("q")), prior.sample(len(many), observation.shape, streams.fork("prior"))
    coin = streams.uniform("which", (len(many), 1), guess.device).flatten() < 0.5
    z = mapped(lambda a, b: torch.where(wide(coin, a), a, b), own, free)
    from_prior = prior.log_prob(z)
    proposal = torch.logaddexp(q.log_prob(z), from_prior) - math.log(2)
    return z, evidence(model.decode(z, many.label), many) + from_prior - proposal


class Reservoir:
    """Draws by weight among items that come by once: each keeps that with the largest log-weight plus Gumbel noise.

    Parameters
    ----------
    n, images : int
        Draws for each image.
    """

    z: Any

    def __init__(self, n: int, images: int) -> None:
        self._n, self._images = n, images
        self._best = torch.full((n, images), -torch.inf)
        self._sums = torch.full((2, images), -torch.inf)  # log of the sums of weights and of their squares

    def offer(self, z: Any, weight: Tensor, noise: Noise) -> None:
        """Show k items for each image, (k B, ...), with log-weights, (k, B)."""
        k = len(weight)
        weight = weight.nan_to_num(-torch.inf, -torch.inf)
        self._best, self._sums = self._best.to(weight.device), self._sums.to(weight.device)
        u = noise.expand(self._n).uniform("keep", (self._n * self._images, k), weight.device).clamp_min(1e-20)
        keys = weight[:, None] - (-u.view(self._n, self._images, k).movedim(2, 0).log()).log()
        best, which = keys.max(0)
        rows = (which * self._images + torch.arange(self._images, device=which.device)).flatten()
        better = (best > self._best).flatten()
        found = mapped(lambda t: t[rows], z)
        self.z = mapped(lambda a, b: torch.where(wide(better, a), a, b), found, getattr(self, "z", found))
        self._best = torch.maximum(best, self._best)
        sums = torch.stack([weight.logsumexp(0), (2 * weight).logsumexp(0)])
        self._sums = torch.logaddexp(self._sums, sums)

    def effective(self) -> Tensor:
        """Return how many equally weighted items these are worth, (B,)."""
        one, two = self._sums
        found: Tensor = (2 * one - two).exp()
        return found


def _warn(effective: Tensor, proposals: int) -> None:
    """Tell where draws cannot be trusted."""
    if bool((effective < FEW).any()):
        warnings.warn(
            f"of {proposals} proposals as few as {float(effective.min()):.1f} count, so that draws repeat themselves; "
            "use --sampler mwg",
            RestorekitWarning,
            stacklevel=3,
        )
