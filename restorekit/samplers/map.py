"""The joint mode of image and latents: one answer, by gradients from many starts.

References
----------
Bora, Jalal, Price, Dimakis, "Compressed Sensing using Generative Models", ICML 2017: latents by gradients.
Gonzalez, Almansa, Tan, "Solving Inverse Problems by Joint Posterior Maximization with Autoencoding Prior", SIAM J.
Imaging Sciences 2022: the mode of x and z together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.distributions import per_image
from restorekit.core.gaussian import posterior
from restorekit.core.progress import tell
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Observation
from restorekit.samplers.base import CheckedSampler, like
from restorekit.samplers.targets import Joint, Marginal, State, spread, target


@dataclass(frozen=True)
class Mode(CheckedSampler):
    """Maximise log p(x, z | y) by Adam from several starts; all n draws are the best.

    The result is no draw: a mode says nothing about other modes, however likely, and the spread is that of the decoder
    alone. Use it if one sharp answer is wanted.

    Parameters
    ----------
    steps : int
        Steps of the climb; their length falls to 0 along a cosine.
    starts : int
        Starting points, half of them drawn from q(z | initial estimate) and half from the prior.
    rate : float
        First length of a step, in prior standard deviations.
    """

    name: ClassVar[str] = "map"
    climbs: ClassVar[bool] = True
    answers: ClassVar[str] = "joint mode"

    steps: int = field(default=300, metadata={"low": 1})
    starts: int = field(default=8, metadata={"low": 1})
    rate: float = field(default=0.1, metadata={"low": 1e-6, "high": 100})

    def merit(self, model: Model) -> int:
        """Return -1: a mode is no draw."""
        return -1

    def drawn(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Climb from all starts of all images as one batch."""
        streams = rng.fork("map").after(0).expand(self.starts)
        with torch.inference_mode(False), torch.enable_grad():
            goal = target(self.name, model, corruption, observation.expand(self.starts), streams, 0.5)
            state = tuple(t.detach().clone().requires_grad_() for t in goal.start)
            adam = torch.optim.Adam(state, lr=self.rate)
            for i in range(self.steps):
                tell(self.name, i, self.steps)
                for settings in adam.param_groups:
                    settings["lr"] = 0.5 * self.rate * (1 + math.cos(math.pi * i / self.steps))
                slopes = torch.autograd.grad(-_height(goal, state).sum(), state)
                for t, slope in zip(state, slopes, strict=True):
                    t.grad = slope
                adam.step()
            state = tuple(t.detach() for t in state)
        with torch.no_grad():
            height = _height(goal, state).view(self.starts, -1)
            if isinstance(goal, Joint):
                likelihood, x = goal.image(state)
                restored = x, spread(likelihood)  # the decoder's variance leaves out how uncertain z is
            else:
                restored = goal.restored(state)
            mean, variance = (_best(t, height) for t in restored)
        return Draws(mean.expand(n, *mean.shape[1:]), variance.expand(n, *mean.shape[1:]))


def _height(goal: Marginal | Joint, state: State) -> Tensor:
    """Return log p(y, x, z), (B,) nats up to a constant; of the best x for that z where it is known in closed form."""
    if isinstance(goal, Joint):
        likelihood, x = goal.image(state)
        free = per_image(-0.5 * (state[-1] ** 2 + spread(likelihood).log()))  # log p(x | z) by its first two moments
        return goal.prior(state) + free + goal.log_likelihood(x)
    z, o = like(goal.z, state), goal.observation
    likelihood = goal.model.decode(z, o.label)
    x, _ = posterior(likelihood, o)
    assert o.sigma is not None, "`target` has checked it"
    misfit = torch.where(o.sigma > 0, 0.5 * ((o.y - x) / o.sigma.clamp_min(1e-6)) ** 2, 0.0)
    return goal.model.prior(o.label).log_prob(z) + likelihood.log_prob(x) - per_image(misfit, o.observed)


def _best(t: Tensor, height: Tensor) -> Tensor:
    """Return of t, (starts B, ...), what is highest for each image, (1, B, ...)."""
    starts, images = height.shape
    rows = height.nan_to_num(-torch.inf).argmax(0), torch.arange(images, device=t.device)
    return t.view(starts, images, *t.shape[1:])[rows][None]
