"""What the classical restorers do with images as arrays."""

import numpy as np
import pytest

from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian
from restorekit.restoration.classical.arrays import channelwise, from_opponent, opponent, padded, triangulate
from restorekit.uncertainty.noise_level import noise_level


def test_triangles_are_exact_on_planes_and_take_the_nearest_outside():
    rows, columns = np.mgrid[:9, :8]
    image = np.stack([0.1 * rows + 0.05 * columns, 0.02 * rows], -1)
    missing = np.zeros((9, 8), bool)
    missing[2:5, 3:6] = True
    assert np.allclose(triangulate(np.where(missing[..., None], 9, image), missing), image)
    line = np.ones((3, 4), bool)
    line[1] = False  # one row alone spans no triangle
    found = triangulate(image[:3, :4], line)
    assert np.allclose(found, np.broadcast_to(image[1:2, :4], (3, 4, 2)))


def test_triangulation_of_one_pixel_is_that_pixel():
    image, missing = np.zeros((3, 4, 1)), np.ones((3, 4), bool)
    image[1, 2], missing[1, 2] = 0.7, False
    assert np.allclose(triangulate(image, missing), 0.7)


def test_opponent_space_is_orthonormal_and_gray_has_no_colour():
    image = np.random.default_rng(0).random((5, 6, 3))
    assert np.allclose(from_opponent(opponent(image)), image)
    assert np.isclose((opponent(image) ** 2).sum(), (image**2).sum())
    assert np.allclose(opponent(np.full((2, 2, 3), 0.5))[..., 1:], 0)
    assert np.array_equal(opponent(image[..., :1]), image[..., :1])
    assert np.array_equal(from_opponent(image[..., :2]), image[..., :2])


def test_small_images_are_mirrored_outwards():
    seen = []
    image = np.arange(6.0).reshape(2, 3, 1)
    result = padded(lambda large: seen.append(large.shape) or large, image, 7)
    assert seen == [(7, 7, 1)]
    assert np.array_equal(result, image)


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255, 0.4])
def test_noise_level_of_smooth_pictures_is_found(sigma, images):
    y = Gaussian(sigma)(images(1, 3, 128, 128), Rng(0, ("a",))).y[0].permute(1, 2, 0).double().numpy()
    assert noise_level(y) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(8, 9, 1), (1, 9, 3), (1, 1, 1)])
def test_a_flat_image_and_one_too_small_to_tell_have_no_noise(shape, value):
    assert noise_level(np.full(shape, value)) < 1e-12


@pytest.mark.filterwarnings("error")
def test_a_flat_channel_hides_the_noise_of_the_others_from_nobody(images):
    y = Gaussian(0.1)(images(1, 3, 64, 64), Rng(0, ("a",))).y[0].permute(1, 2, 0).double().numpy()
    flat = y.copy()
    flat[..., 1] = 0.0
    assert noise_level(flat) == pytest.approx(noise_level(y[..., [0, 2]]))
    assert noise_level(np.zeros((8, 8, 3))) == 0.0


def _blot(image, missing):
    """Fill with the number of channels, so that the caller's way of asking shows."""
    return np.where(missing[..., None], float(image.shape[-1]), image)


def test_gaps_that_all_channels_share_are_filled_together_and_others_channel_by_channel():
    image, shared = np.zeros((4, 5, 3)), np.zeros((4, 5, 3), bool)
    shared[1, 2] = True
    assert (channelwise(_blot, image, shared)[1, 2] == 3).all()
    own = shared.copy()
    own[1, 2, 0] = False
    assert channelwise(_blot, image, own)[1, 2].tolist() == [0, 1, 1]
    one = shared[..., :1]
    assert (channelwise(_blot, image, one)[1, 2] == 3).all()


def test_nothing_is_filled_without_gaps_and_a_channel_without_values_is_gray():
    image, missing = np.random.default_rng(0).random((4, 5, 3)), np.zeros((4, 5, 3), bool)
    assert np.array_equal(channelwise(lambda *_: pytest.fail("nothing to fill"), image, missing), image)
    missing[..., 1] = True
    filled = channelwise(lambda *_: pytest.fail("nothing to go by"), image, missing)
    assert (filled[..., 1] == 0.5).all()
    assert np.array_equal(filled[..., ::2], image[..., ::2])
