import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Downsample


def test_a_value_is_the_mean_of_its_square():
    x = torch.arange(24.0).view(1, 1, 4, 6)
    assert Downsample(2)(x, Rng(0)).y.flatten().tolist() == [3.5, 5.5, 7.5, 15.5, 17.5, 19.5]


def test_squares_at_the_border_may_be_cut_off():
    x = torch.arange(15.0).view(1, 1, 3, 5)
    y = Downsample(2)(x, Rng(0)).y
    assert y.shape[2:] == (2, 3)
    assert float(y[..., -1, -1]) == 14
    assert float(y[..., 0, -1]) == (4 + 9) / 2


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_first_guess_is_as_large_as_the_image_and_near_it_where_it_is_smooth(factor):
    ramp = torch.linspace(0, 1, 48).expand(1, 1, 48, 48)
    corruption = Downsample(factor)
    initial = corruption.initial_estimate(corruption(ramp, Rng(0)))
    assert initial.shape == ramp.shape
    assert (
        float((initial - ramp)[..., 8:-8, 8:-8].abs().max()) < 0.25 / 47
    )  # of a step: cubic interpolation is not exact


def test_a_flat_image_goes_there_and_back():
    flat = torch.full((1, 3, 7, 9), 0.4)
    corruption = Downsample(4)
    o = corruption(flat, Rng(0))
    torch.testing.assert_close(corruption.initial_estimate(o), flat)
    torch.testing.assert_close(corruption.operator(o).adjoint(o.y).sum((2, 3)), o.y.sum((2, 3)))


@pytest.mark.parametrize(("factor", "shape"), [(2, (3, 4, 6)), (3, (1, 6, 9)), (2, (1, 5, 6))])
def test_an_observation_is_of_an_image_whose_squares_are_whole(factor, shape):
    y = Downsample(factor)(torch.zeros(1, *shape), Rng(0)).y
    clean = Downsample(factor).clean_shape(tuple(y.shape[1:]), 0)
    assert clean == (shape[0], *(-(-side // factor) * factor for side in shape[1:]))
