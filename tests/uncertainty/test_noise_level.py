import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Chain, Downsample, Gaussian, Missing
from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma, expected


def test_what_an_image_is_taken_for_agrees_with_what_is_told_of_its_noise():
    assert expected(None, None) == expected(None, True) == IMAGE
    assert expected(None, False) == Missing()
    for known in (Missing(0.3), Gaussian(0.1), Chain((Gaussian(0.1), Missing(0.3)))):
        assert expected(known, None) == expected(known, False) == known
    assert expected(Missing(0.3), True) == Chain((Gaussian(), Missing(0.3)))
    assert expected(Gaussian(0.1), True) == Gaussian(0.1)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_the_noise_level_is_estimated_for_each_image(sigma):
    x = torch.linspace(0.3, 0.7, 96).expand(2, 1, 96, 96)
    observation = Gaussian(sigma)(x, Rng(0, ("a", "b")))
    found = estimate_sigma(observation, Gaussian(sigma))
    assert found.shape == (2, 1, 1, 1)
    torch.testing.assert_close(found, torch.full_like(found, sigma), rtol=0.15, atol=0)


def test_the_noise_of_a_smaller_image_is_looked_for_where_it_was_seen():
    damage = Chain((Downsample(4), Gaussian(0.1)))
    observation = damage(torch.full((1, 1, 256, 256), 0.5), Rng(0))
    assert float(estimate_sigma(observation, damage)) == pytest.approx(0.1, rel=0.05)
