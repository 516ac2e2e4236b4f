import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Clean


def test_the_image_is_observed_whole_and_known_to_be_exact():
    x = Rng(0).uniform("x", (2, 3, 4, 5), "cpu") * 2 - 0.5  # not clipped either
    observation = Clean()(x, Rng(0, ("a", "b")))
    assert torch.equal(observation.y, x)
    assert observation.observed.shape == (2, 1, 4, 5)
    assert observation.observed.all()
    assert observation.sigma.flatten().tolist() == [0, 0]
    assert not observation.unknown().any()
    assert observation.shape == (3, 4, 5)


def test_it_alters_nothing_and_hides_nothing():
    assert Clean().log_prob(Clean()(torch.zeros(1, 1, 2, 2), Rng(0)), torch.zeros(1, 1, 2, 2)) is None
    assert str(Clean()) == "clean"
