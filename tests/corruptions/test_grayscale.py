import pytest
import torch

from restorekit.core.errors import ImageError
from restorekit.core.rng import Rng
from restorekit.corruptions import Grayscale
from restorekit.training.crops import gray


def test_it_is_the_gray_of_the_test_sets():
    x = torch.rand(2, 3, 5, 6)
    o = Grayscale()(x, Rng(0))
    torch.testing.assert_close(o.y, gray(x))
    assert o.shape == (3, 5, 6)
    assert not o.direct


def test_the_first_guess_has_no_colour():
    x = torch.rand(2, 3, 5, 6)
    o = Grayscale()(x, Rng(0))
    torch.testing.assert_close(Grayscale().initial_estimate(o), o.y.expand_as(x))


def test_a_gray_image_stays_and_is_known():
    x = torch.rand(2, 1, 5, 6)
    o = Grayscale()(x, Rng(0))
    assert torch.equal(o.y, x)
    assert not bool(o.unknown().any())


def test_an_observation_is_of_an_image_of_as_many_channels_as_are_wanted():
    assert Grayscale().clean_shape((1, 5, 6), 3) == (3, 5, 6)
    assert Grayscale().clean_shape((1, 5, 6), 1) == (1, 5, 6)
    with pytest.raises(ImageError, match="leaves 1 channel, got 3"):
        Grayscale().clean_shape((3, 5, 6), 3)
