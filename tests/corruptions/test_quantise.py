import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Quantise


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_quantised_values_lie_on_the_grid_and_nearest(bits):
    x = torch.linspace(-0.1, 1.1, 500).view(1, 1, 20, 25)
    y = Quantise(bits)(x, Rng(0)).y
    steps = y * (2**bits - 1)
    torch.testing.assert_close(steps, steps.round(), atol=1e-2, rtol=0)
    assert float((y - x.clamp(0, 1)).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6


def test_a_share_of_images_is_quantised_whole():
    x = Rng(0).uniform("x", (200, 1, 6, 6), "cpu")
    y = Quantise(2, share=0.5)(x, Rng(0)).y
    stored = (y != x).flatten(1).any(1)
    assert torch.equal(stored, (y != x).flatten(1).all(1))
    assert abs(float(stored.double().mean()) - 0.5) < 5 * math.sqrt(0.25 / 200)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_sigma_is_that_of_the_rounding_and_zero_where_nothing_was_stored(bits):
    x = Rng(0).uniform("x", (20, 1, 50, 50), "cpu")
    observation = Quantise(bits, share=0.5)(x, Rng(0))
    error, sigma = (observation.y - x).flatten(1), observation.sigma.flatten()
    assert 0 < int((sigma == 0).sum()) < 20
    assert not error[sigma == 0].any()
    assert float(error[sigma > 0].square().mean().sqrt()) == pytest.approx(float(sigma.max()), rel=0.03)
    assert observation.observed.all()
    assert Quantise(bits).log_prob(observation, x) is None
