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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel
from restorekit.core.distributions import Latents, Prior
from restorekit.core.errors import RestorekitWarning
from restorekit.core.gaussian import evidence, posterior
from restorekit.core.progress import tell
from restorekit.core.rng import Rng, Step
from restorekit.core.types import Draws, Observation
from restorekit.samplers.base import Conjugate, choose, mapped

MIN_EFFECTIVE = 4.0  # effective proposals; with fewer, draws repeat
ENOUGH = 200.0  # effective proposals at which no more are tried
ROUND = 100  # proposals between two checks of that; a multiple of rng.AHEAD
VALUES = 2**22  # values decoded at a time


@dataclass(frozen=True)
class Importance(Conjugate):
    """Weigh many z by p(y | z) p(z) over what they were proposed from, and draw among them by weight.

    Half of the proposals come from q(z | y), with missing values interpolated, half from the prior, so that no weight
    exceeds twice p(y | z) however narrow q is. Proposals are never held all at once, so that memory does not grow with
    their number; an image has enough of them once two hundred count.

    Parameters
    ----------
    proposals : int
        z tried for each image, at most.
    """

    name: ClassVar[str] = "importance"
    shares: ClassVar[bool] = True

    proposals: int = field(default=1000, metadata={"low": 1})

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Weigh proposals in rounds, and keep one for each of n draws."""
        own = rng if model.geometry.size is None else rng.independent_tiles()
        tried, kept = Proposals.of(model, observation, corruption, own), Reservoir(n, len(observation), own)
        for first in range(0, self.proposals, ROUND):
            tell(self.name, first, self.proposals)
            tried.offered(kept, range(first, min(first + ROUND, self.proposals)))
            if bool((kept.effective() >= ENOUGH).all()):
                break
        _warn(kept.effective(), self.proposals)
        each = [kept.draw(i) for i in range(n)]
        found = [posterior(model.decode(z, observation.label), observation) for z in each]
        mean, variance = (torch.stack(t) for t in zip(*found, strict=True))
        return Draws(mean, variance, {"effective_proposals": kept.effective()})


@dataclass(frozen=True)
class Proposals:
    """Proposals for a batch of images, from q(z | y) at the initial estimate and from the prior."""

    model: LatentModel
    observation: Observation
    q: Latents
    prior: Prior
    step: Callable[[int], Step]

    @classmethod
    def of(cls, model: LatentModel, o: Observation, corruption: Corruption, rng: Rng) -> Proposals:
        """Run the encoder once per image."""
        q = model.infer(o.initial_estimate(corruption), None, o.label)
        flat = model.geometry.size is not None
        return cls(model, o, q, model.prior(o.label), rng.fork("proposals").steps(flat))

    def offered(self, kept: Reservoir, numbers: range) -> None:
        """Offer the proposals of these numbers to images that need more, in chunks that fit into memory."""
        open_to = kept.effective() < ENOUGH
        chunk = max(1, VALUES // self.observation.y.numel())
        for first in range(0, len(numbers), chunk):
            some = numbers[first : first + chunk]
            drawn = [self._drawn(self.step(i)) for i in some]
            z, many = mapped(lambda *zs: torch.cat(zs), *(z for z, _ in drawn)), self.observation.expand(len(some))
            found = evidence(self.model.decode(z, many.label), many).view(len(some), -1)
            weight = found + torch.stack([ratio for _, ratio in drawn])
            kept.offer(z, torch.where(open_to, weight, -torch.inf), some)

    def _drawn(self, rng: Rng) -> tuple[Any, Tensor]:
        """Return one z for each image, and log p(z) less the log-density of proposing it, (B,)."""
        o = self.observation
        own, free = self.q.sample(rng.fork("q")), self.prior.sample(len(o), o.shape, rng.fork("prior"))
        coin = rng.uniform("which", (len(o), 1), o.y.device).flatten() < 0.5
        z = choose(coin, own, free)
        from_prior = self.prior.log_prob(z)
        return z, from_prior - torch.logaddexp(self.q.log_prob(z), from_prior) + math.log(2)


class Reservoir:
    """Weighted sampling in one pass: each draw keeps the item of the largest log-weight plus Gumbel noise.

    Parameters
    ----------
    n, images : int
        Draws for each image.
    rng : Rng
        Of the images.
    """

    z: Any

    def __init__(self, n: int, images: int, rng: Rng) -> None:
        self._n, self._images = n, images
        self._step = rng.expand(n).fork("keep").steps(True)
        self._best = torch.full((n, images), -torch.inf)
        self._sums = torch.full((2, images), -torch.inf)  # log of the sums of weights and of their squares

    def offer(self, z: Any, weight: Tensor, numbers: range) -> None:
        """Offer k items for each image, (k B, ...), with log-weights, (k, B), and the numbers of the items."""
        weight = weight.nan_to_num(-torch.inf, -torch.inf)
        self._best, self._sums = self._best.to(weight.device), self._sums.to(weight.device)
        many = (self._n * self._images, 1)
        u = torch.stack([self._step(i).uniform("keep", many, weight.device) for i in numbers]).clamp_min(1e-20)
        best, which = (weight[:, None] - (-u.log()).log().view(-1, self._n, self._images)).max(0)
        rows = (which * self._images + torch.arange(self._images, device=which.device)).flatten()
        found = mapped(lambda t: t[rows], z)
        self.z = choose((best > self._best).flatten(), found, getattr(self, "z", found))
        self._best = torch.maximum(best, self._best)
        sums = torch.stack([weight.logsumexp(0), (2 * weight).logsumexp(0)])
        self._sums = torch.logaddexp(self._sums, sums)

    def draw(self, i: int) -> Any:
        """Return the z, (B, ...), of draw i of each image."""
        return mapped(lambda t: t[i * self._images : (i + 1) * self._images], self.z)

    def effective(self) -> Tensor:
        """Return how many equally weighted items these are worth, (B,)."""
        one, two = self._sums
        found: Tensor = (2 * one - two).exp().nan_to_num(0.0)
        return found


def _warn(effective: Tensor, proposals: int) -> None:
    """Warn if draws repeat because too few proposals count."""
    if bool((effective < MIN_EFFECTIVE).any()):
        warnings.warn(
            f"of {proposals} proposals as few as {float(effective.min()):.1f} count, so that draws repeat themselves; "
            "use --sampler mwg",
            RestorekitWarning,
            stacklevel=4,
        )
