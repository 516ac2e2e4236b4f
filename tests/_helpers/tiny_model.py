"""A conditional model as small as can be, for tests to break."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from restorekit import Draws, Estimate, Geometry, Model, Terms
from restorekit.core.distributions import DiagonalGaussian


@dataclass(frozen=True)
class TinyConfig:
    width: int = 4


class Tiny(Model):
    """A conditional model as small as can be: a mean, a spread, and one latent per pixel pair."""

    name = "tiny"
    Config: ClassVar[type] = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.net = nn.Conv2d(2, config.width, 3, padding=1)
        self.head = nn.Conv2d(config.width, 2, 1)
        self.geometry = Geometry(None, 2, 2, (1,))

    def look(self, observation, corruption):
        initial = observation.initial_estimate(corruption)
        h = self.net(torch.cat([initial, observation.observed.expand_as(initial).float()], 1)).relu()
        mean, logvar = self.head(h).chunk(2, 1)
        return DiagonalGaussian(mean, logvar.clamp(-10, 2))

    def terms(self, batch, rng, group="model"):
        score = -self.look(batch.observation, batch.corruption).log_prob(batch.x).mean()
        return Terms(score, {"distortion": score.detach()})

    def estimate(self, observation, corruption):
        found = self.look(observation, corruption)
        return Estimate(found.mean, found.variance.sqrt())

    def sample(self, observation, corruption, n, rng):
        found = self.look(observation, corruption)
        many = DiagonalGaussian(found.mu.repeat(n, 1, 1, 1), found.logvar.repeat(n, 1, 1, 1))
        return Draws(many.sample(rng.expand(n)).view(n, *found.mu.shape), None)
