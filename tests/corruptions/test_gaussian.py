import math
from dataclasses import replace

import pytest
import torch
from torch import distributions

from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian

X = torch.linspace(-0.2, 1.2, 48).view(2, 1, 4, 6)


def test_log_prob_is_the_normal_one():
    corruption = Gaussian(0.13)
    observation = corruption(X, Rng(0))
    expected = distributions.Normal(X, 0.13).log_prob(observation.y).sum((1, 2, 3))
    torch.testing.assert_close(corruption.log_prob(observation, X), expected)


def test_log_prob_uses_the_sigma_that_was_drawn():
    corruption = Gaussian((0.05, 0.5))
    observation = corruption(X, Rng(0, ("a", "b")))
    expected = distributions.Normal(X, observation.sigma).log_prob(observation.y).sum((1, 2, 3))
    torch.testing.assert_close(corruption.log_prob(observation, X), expected)
    first, second = observation.sigma.flatten().tolist()
    assert first != second


def test_the_noise_is_neither_clipped_nor_quantised_and_has_its_sigma():
    x = torch.full((1, 1, 300, 300), 0.98)
    y = Gaussian(0.1)(x, Rng(0, ("a",))).y
    assert y.max() > 1.2
    assert len(y.unique()) > 80000
    error = 0.1 / math.sqrt(2 * y.numel())
    assert abs(float((y - x).double().std()) - 0.1) < 5 * error
    assert abs(float((y - x).double().mean())) < 5 * 0.1 / 300


def test_without_noise_the_image_is_exact_and_there_is_no_density():
    observation = Gaussian(0.0)(X, Rng(0))
    assert torch.equal(observation.y, X)
    assert Gaussian(0.0).log_prob(observation, X) is None


def test_where_sigma_is_unknown_there_is_no_density():
    observation = Gaussian(0.1)(X, Rng(0)).blind()
    assert Gaussian(0.1).log_prob(observation, X) is None


@pytest.mark.parametrize("other", [0.0, math.nan])
def test_where_any_sigma_is_zero_or_unknown_there_is_no_density(other):
    observation = Gaussian((0.1, 0.2))(X, Rng(0, ("a", "b")))
    assert bool(Gaussian((0.1, 0.2)).log_prob(observation, X).isfinite().all())
    sigma = torch.tensor([0.1, other]).view(2, 1, 1, 1)
    assert Gaussian((0.1, 0.2)).log_prob(replace(observation, sigma=sigma), X) is None


def test_draws_of_a_range_are_uniform_on_it():
    sigma = Gaussian((0.1, 0.3)).draw("sigma", torch.zeros(4000, 1, 1, 1), Rng(0))
    assert sigma.shape == (4000, 1, 1, 1)
    assert 0.1 <= float(sigma.min()) < float(sigma.max()) <= 0.3
    assert abs(float(sigma.mean()) - 0.2) < 5 * 0.2 / math.sqrt(12 * 4000)
