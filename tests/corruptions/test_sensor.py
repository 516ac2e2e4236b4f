import pytest
import torch
from torch import distributions

from restorekit.core.rng import Rng
from restorekit.corruptions import Sensor
from restorekit.corruptions.sensor import smeared


@pytest.mark.parametrize("blur", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_the_variance_grows_with_the_light_however_far_the_noise_is_smeared(blur, level):
    x = torch.full((1, 1, 300, 300), level)
    error = Sensor(gain=0.01, sigma=0.02, blur=blur)(x, Rng(0)).y - x
    assert float(error.square().mean()) == pytest.approx(0.01 * level + 0.02**2, rel=0.12)


@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_neighbours_correlate_as_under_a_gaussian_kernel(blur):
    """exp(-1 / (4 blur^2)) for neighbours at continuous positions; on the grid the sum over its taps."""
    field = smeared(Rng(0).normal("f", (1, 1, 400, 400), "cpu"), torch.full((1, 1, 1, 1), blur))[0, 0]
    taps = torch.exp(-0.5 * (torch.arange(-4, 5) / blur) ** 2)
    expected = float((taps[1:] * taps[:-1]).sum() / taps.square().sum())
    assert float((field[:, 1:] * field[:, :-1]).mean()) == pytest.approx(expected, abs=0.02)
    assert float(field.square().mean()) == pytest.approx(1, abs=0.03)


def test_without_smear_the_density_is_that_of_the_poissonian_gaussian():
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    corruption = Sensor(gain=0.01, sigma=0.03, blur=0.0)
    observation = corruption(x, Rng(0))
    normal = distributions.Normal(x, (0.01 * x + 0.03**2).sqrt())
    expected = normal.log_prob(observation.y).flatten(1).sum(1)
    torch.testing.assert_close(corruption.log_prob(observation, x), expected)
    assert observation.sigma is None


@pytest.mark.parametrize("silent", [{"blur": 0.5}, {"blur": 0.0, "sigma": 0.0}])
def test_smeared_noise_and_none_have_no_density(silent):
    x = torch.rand(1, 1, 8, 8)
    corruption = Sensor(**silent)
    assert corruption.log_prob(corruption(x, Rng(0)), x) is None
