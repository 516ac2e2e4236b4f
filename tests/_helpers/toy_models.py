"""Small models and observations whose p(x | y) is known."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from restorekit import LatentModel
from restorekit.core.distributions import Bernoulli, DiagonalGaussian
from restorekit.core.gaussian import evidence, posterior
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation
from tests._helpers.linear_gaussian import PCA, StandardNormal

SEEN = torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool).view(1, 1, 2, 3)
ALL, NONE = torch.ones_like(SEEN), torch.zeros_like(SEEN)
TAU = 0.1


def observed(sigma, seen, operator=None, cls=PCA):
    """A linear model, and what is observed of two draws of it with the noise and the gaps asked for."""
    model, rng = cls(cls.Config()).eval().requires_grad_(False), Rng(5)
    x = model.decode(model.prior().sample(2, (1, 2, 3), rng)).sample(rng)
    clean = x if operator is None else operator.apply(x)
    y = clean + sigma * rng.normal("y", tuple(clean.shape), "cpu")
    seen = seen.expand(2, -1, -1, -1)
    level = torch.full((2, 1, 1, 1), sigma)
    return model, Observation(y * seen, seen, (1, 2, 3), level, direct=operator is None)


@dataclass(frozen=True)
class ForkConfig:
    pass


class Fork(LatentModel):
    """Two values: (z - 0.5)^2, of which two z give the same, and z itself, which tells them apart."""

    name = "fork"
    Config = ForkConfig

    def __init__(self):
        super().__init__(ForkConfig())
        self.unused = nn.Parameter(torch.zeros(()))
        self.geometry = Geometry((1, 2), 1, 0, (1,))

    def infer(self, x, observed=None, label=None):
        """A poor q: it knows one of the two z alone."""
        return DiagonalGaussian(x[:, :, 0, 1], torch.full_like(x[:, :, 0, 1], 2 * math.log(0.3)))

    def prior(self, label=None):
        return StandardNormal(1)

    def decode(self, z, label=None):
        mu = torch.stack([(z - 0.5) ** 2, z], -1).view(-1, 1, 1, 2)
        return DiagonalGaussian(mu, torch.full_like(mu, 2 * math.log(TAU)), "x")

    def terms(self, batch, rng, group="model"):
        raise AssertionError("nothing here asks for it")


def forked():
    """The model, an observation of its first value, and the probability of the larger z."""
    model, y = Fork(), 1.0
    seen = torch.tensor([True, False]).view(1, 1, 1, 2)
    o = Observation(torch.tensor([y, 0.0]).view(1, 1, 1, 2), seen, (1, 1, 2), torch.zeros(1, 1, 1, 1))
    z = torch.linspace(-4, 4, 20001, dtype=torch.float64)
    weight = torch.exp(-0.5 * z**2 - 0.5 * ((y - (z - 0.5) ** 2) / TAU) ** 2)
    return model, o, float(weight[z > 0.5].sum() / weight.sum())


class Coins(Fork):
    """Two values that are 0 or 1, the likelier the larger, or the smaller, z is; its q is a poor one."""

    name = "coins"

    def infer(self, x, observed=None, label=None):
        mu = 0.5 * (x[:, :, 0, 0] - x[:, :, 0, 1])
        return DiagonalGaussian(mu, torch.full_like(mu, 2 * math.log(0.8)))

    def decode(self, z, label=None):
        return Bernoulli(self.steep * torch.stack([z, -z], -1).view(-1, 1, 1, 2))

    def __init__(self, steep=3.0):
        super().__init__()
        self.steep = steep


def coins(sigma):
    """The model, a noisy observation of a 1 and a 0, and the mean of its draws, by sums over a grid of z."""
    model = Coins()
    o = Observation(
        torch.tensor([0.8, 0.3]).view(1, 1, 1, 2), torch.ones(1, 1, 1, 2, dtype=torch.bool), (1, 1, 2),
        torch.full((1, 1, 1, 1), sigma),
    )  # fmt: skip
    z = torch.linspace(-5, 5, 4001)[:, None]
    many = o.expand(len(z))
    weight = (model.prior().log_prob(z) + evidence(model.decode(z), many)).softmax(0)
    return model, o, (weight[:, None] * posterior(model.decode(z), many)[0].flatten(1)).sum(0)
