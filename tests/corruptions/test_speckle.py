import pytest
import torch
from torch.distributions import Gamma

from restorekit.core.rng import Rng
from restorekit.corruptions import Speckle


@pytest.mark.parametrize("looks", [1, 4, 50])
def test_mean_and_variance_are_those_of_so_many_looks(looks):
    x = torch.full((1, 1, 300, 300), 0.5)
    g = (Speckle(looks)(x, Rng(0, ("a",))).y / x).double()
    error = looks**-0.5 / 300
    assert float(g.mean()) == pytest.approx(1, abs=5 * error)
    assert float(g.var()) == pytest.approx(1 / looks, rel=0.05)


def test_log_prob_is_that_of_a_gamma_law():
    x = torch.linspace(0.05, 1, 48).view(2, 1, 4, 6)
    o = Speckle(7)(x, Rng(0))
    torch.testing.assert_close(Speckle(7).log_prob(o, x), Gamma(7.0, 7 / x).log_prob(o.y).sum((1, 2, 3)))


def test_the_noise_level_is_not_told_as_gaussian():
    assert Speckle()(torch.rand(1, 1, 4, 4), Rng(0)).sigma is None
