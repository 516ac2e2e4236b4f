import dataclasses

import pytest
import torch

from restorekit.core.errors import RestorekitWarning
from restorekit.core.rng import Rng
from restorekit.corruptions import Blur, Chain, Gaussian, Poisson
from restorekit.samplers import Langevin, Mode
from tests._helpers.linear_gaussian import PCA, PCAConfig
from tests._helpers.toy_models import ALL, Coins, observed


def test_the_length_of_a_step_finds_its_way_from_far_off():
    """The share of accepted proposals is the best one, whether the first step is far too long or too short."""
    model, o = observed(0.4, ALL)
    for step in (0.001, 20.0):
        told = Langevin(step=step)(model, Gaussian(0.4), o, 200, Rng(0)).diagnostics
        assert float(told["acceptance"].mean()) == pytest.approx(0.574, abs=0.12)


class Unbounded(PCA):
    """A decoder whose density is nowhere finite, as that of a training gone wrong."""

    def decode(self, z, label=None):
        found = super().decode(z, label)
        return dataclasses.replace(found, mu=found.mu / 0)


def test_chains_that_diverge_are_warned_of_with_a_way_out():
    model, o = Unbounded(PCAConfig()).requires_grad_(False), observed(0.4, ALL)[1]
    with pytest.warns(RestorekitWarning, match="accepted as few as [01]% of its proposals .* use more steps, or mwg"):
        draws = Langevin(steps=100)(model, Gaussian(0.4), o, 2, Rng(0))
    assert torch.equal(draws.diagnostics["settled"], torch.zeros(2))


@pytest.mark.parametrize("damage", [Poisson(30.0), Chain((Blur(size=0.7), Gaussian(0.1)))], ids=str)
def test_a_decoder_that_is_all_but_sure_is_followed_too(damage):
    """Where a probability rounds to 0 or 1 its standard deviation has no slope, and a mode no end."""
    model = Coins(steep=40.0)
    x = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    o = damage(x, Rng(0, ("a",)))
    draws = Langevin()(model, damage, o, 50, Rng(0, ("a",)))
    assert float(draws.diagnostics["acceptance"].min()) > 0.4
    torch.testing.assert_close(draws.mean.mean(0), x, atol=0.1, rtol=0)
    torch.testing.assert_close(Mode()(model, damage, o, 1, Rng(0, ("a",))).mean[0], x, atol=0.1, rtol=0)
