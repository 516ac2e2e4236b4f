import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Downsample, Gaussian
from restorekit.uncertainty.noise_level import estimate_sigma


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_the_noise_level_is_estimated_for_each_image(sigma):
    x = torch.linspace(0.3, 0.7, 96).expand(2, 1, 96, 96)
    observation = Gaussian(sigma)(x, Rng(0, ("a", "b")))
    found = estimate_sigma(Problem(observation, Gaussian(sigma)))
    assert found.shape == (2, 1, 1, 1)
    torch.testing.assert_close(found, torch.full_like(found, sigma), rtol=0.15, atol=0)


def test_the_noise_of_a_smaller_image_is_looked_for_where_it_was_seen():
    damage = Chain((Downsample(4), Gaussian(0.1)))
    observation = damage(torch.full((1, 1, 256, 256), 0.5), Rng(0))
    assert float(estimate_sigma(Problem(observation, damage))) == pytest.approx(0.1, rel=0.05)
