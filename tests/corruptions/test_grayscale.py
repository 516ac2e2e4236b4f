import torch

from restorekit.corruptions import Grayscale
from restorekit.noise import Noise
from restorekit.pool import gray


def test_it_is_the_gray_of_the_test_sets():
    x = torch.rand(2, 3, 5, 6)
    o = Grayscale()(x, Noise(0))
    torch.testing.assert_close(o.y, gray(x))
    assert o.shape == (3, 5, 6)
    assert not o.direct


def test_the_first_guess_has_no_colour():
    x = torch.rand(2, 3, 5, 6)
    o = Grayscale()(x, Noise(0))
    torch.testing.assert_close(Grayscale().first_guess(o), o.y.expand_as(x))


def test_a_gray_image_stays_and_is_known():
    x = torch.rand(2, 1, 5, 6)
    o = Grayscale()(x, Noise(0))
    assert torch.equal(o.y, x)
    assert not bool(o.unknown().any())
