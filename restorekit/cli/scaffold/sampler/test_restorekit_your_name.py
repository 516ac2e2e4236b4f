"""Facts about the sampler `your-name`."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from restorekit_your_name import YourName
from torch import nn

from restorekit import Geometry, LatentModel, Observation, Rng
from restorekit.corruptions import Gaussian
from restorekit.models import DiagonalGaussian, StandardPrior
from restorekit.testing import SAMPLER_CHECKS

TAU, SIGMA = 0.5, 0.5
OBSERVED = torch.ones(1, 1, 1, 2, dtype=torch.bool)


@dataclass(frozen=True)
class BlindConfig:
    pass


class Blind(LatentModel):
    """Both pixels are z plus noise of standard deviation TAU; q(z | x) never looks at x, and is the prior."""

    name = "blind"
    Config: ClassVar[type] = BlindConfig

    def __init__(self):
        super().__init__(BlindConfig())
        self.scale = nn.Parameter(torch.ones(()))
        self.geometry = Geometry((1, 2), 1, 0, (1,))

    def infer(self, x, observed=None, label=None):
        return DiagonalGaussian(x.new_zeros(len(x), 1), x.new_zeros(len(x), 1))

    def prior(self, label=None):
        return StandardPrior(1, 0, self.scale.device)

    def decode(self, z, label=None):
        mu = (self.scale * z).view(-1, 1, 1, 1).expand(-1, 1, 1, 2)
        return DiagonalGaussian(mu, mu.new_tensor(2 * math.log(TAU)), "x")

    def terms(self, batch, rng, group="model"):
        raise AssertionError("nothing here trains it")


@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_promises_of_a_sampler(check):
    check(YourName())


@torch.no_grad()
def test_many_proposals_give_the_posterior_that_is_known():
    y = torch.tensor([1.0, 2.0])
    o = Observation(
        y.view(1, 1, 1, 2), torch.ones(1, 1, 1, 2, dtype=torch.bool), (1, 1, 2), torch.full((1, 1, 1, 1), SIGMA)
    )
    draws = YourName(proposals=2000)(Blind(), Gaussian(SIGMA), o, 1000, Rng(0))
    noise, gain = TAU**2 + SIGMA**2, TAU**2 / (TAU**2 + SIGMA**2)
    precision = 1 + 2 / noise
    mean = float(y.sum()) / noise / precision
    found, effective = draws.mean[:, 0, 0, 0], float(draws.diagnostics["effective_proposals"])
    error = (1 - gain) / precision**0.5 * (1 / effective + 1 / len(found)) ** 0.5
    assert (found.mean(0) - (mean + gain * (y - mean))).abs().max() < 5 * error
    assert found.std(0).tolist() == pytest.approx([(1 - gain) / precision**0.5] * 2, rel=0.15)
    assert float(draws.variance[0].max()) == pytest.approx((1 - gain) * TAU**2)


@torch.no_grad()
def test_one_proposal_is_every_draw():
    o = Observation(torch.ones(1, 1, 1, 2), OBSERVED, (1, 1, 2), torch.ones(1, 1, 1, 1))
    draws = YourName(proposals=1)(Blind(), Gaussian(1.0), o, 3, Rng(0)).mean
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[0], draws[2])
