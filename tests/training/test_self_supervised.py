import numpy as np
import pytest
import torch

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.corruptions import JPEG, Chain, Gaussian, Missing
from restorekit.images.dataset import load_images
from restorekit.training.self_supervised import CorruptedImages, KnownNoise, assumed_noise


@pytest.fixture
def images(tmp_path):
    np.save(tmp_path / "images.npy", np.full((8, 96, 96, 1), 120, np.uint8))
    return load_images(tmp_path / "images.npy")


def test_nan_is_missing_and_the_rest_is_observed_with_the_noise_that_is_told():
    x = torch.tensor([0.2, torch.nan, 0.7]).view(1, 1, 1, 3)
    o = KnownNoise(0.1)(x, Rng(0))
    assert o.observed.flatten().tolist() == [True, False, True]
    assert o.y.flatten().tolist() == pytest.approx([0.2, 0, 0.7])
    assert o.sigma.flatten().tolist() == pytest.approx([0.1])


def test_an_image_is_damaged_once_and_by_its_name(images):
    corruption = Chain((Gaussian(0.1), Missing(0.3)))
    one, again, other = (CorruptedImages(images, corruption, seed) for seed in (0, 0, 1))
    assert torch.equal(one.raw(2).nan_to_num(9), again.raw(2).nan_to_num(9))
    assert not torch.equal(one.raw(2).nan_to_num(9), one.raw(3).nan_to_num(9))
    assert not torch.equal(one.raw(2).nan_to_num(9), other.raw(2).nan_to_num(9))
    assert one.fingerprint != images.fingerprint
    lost = torch.stack([one.raw(i) for i in range(8)]).isnan()
    assert float(lost.float().mean()) == pytest.approx(0.3, abs=0.02)


def test_a_mask_in_a_file_is_what_is_missing(tmp_path):
    stack = np.random.default_rng(0).random((2, 12, 12)).astype(np.float32)
    stack[1, 3] = np.nan
    np.save(tmp_path / "images.npy", stack)
    damaged = CorruptedImages(load_images(tmp_path / "images.npy", range=(0.0, 1.0)), None, 0)
    assert damaged.raw(1)[..., 0].isnan().any(1).nonzero().flatten().tolist() == [3]
    assert damaged.missing(1) is None


@pytest.mark.parametrize(
    ("corruption", "sigma", "expected"),
    [
        (Gaussian(0.1), None, 0.1),
        (Chain((Gaussian(0.3), Missing(0.5), Gaussian(0.4))), None, 0.5),
        (Missing(0.5), None, 0.0),
        (None, "0.2", 0.2),
    ],
)
def test_the_level_is_that_of_the_corruption_or_as_told(corruption, sigma, expected, images):
    assert assumed_noise(images, range(8), corruption, sigma).sigma == pytest.approx(expected)


def test_the_level_is_estimated(images):
    noisy = CorruptedImages(images, Gaussian(0.1), 0)
    assert assumed_noise(noisy, range(8), None, "auto").sigma == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("corruption", "words"),
    [(JPEG(), "got jpeg"), (Gaussian((0.0, 0.1)), "one noise level"), (None, "pass --sigma 0")],
)
def test_what_cannot_be_learnt_from_is_an_error_in_a_sentence(corruption, words, images):
    with pytest.raises(UsageError, match=words):
        assumed_noise(images, range(8), corruption, None)
