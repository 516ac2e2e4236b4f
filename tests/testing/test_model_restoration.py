"""Each check fails on a model that restores with that one fault, in a sentence."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from restorekit import Draws, Estimate, Geometry
from restorekit.core.distributions import DiagonalGaussian
from restorekit.testing import build, model_restoration
from restorekit.testing.model_restoration import RESTORING_CHECKS
from tests._helpers.check_failures import caught
from tests._helpers.tiny_model import Tiny


class Crops(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean[..., :-1], None)


class Halves(Tiny):
    def estimate(self, observation, corruption):
        return Estimate(super().estimate(observation, corruption).mean.double(), None)


class Divides(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean / observation.observed.float().mean(), found.std)


class Negative(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean, -found.std)


class NeedsSigma(Tiny):
    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return (
            found if observation.sigma is None else DiagonalGaussian(found.mu * (1 + observation.sigma), found.logvar)
        )


class Wanders(Tiny):
    def sample(self, observation, corruption, n, rng):
        draws = super().sample(observation, corruption, n, rng)
        return Draws(draws.mean + torch.rand(()), None)


class Numbers(Tiny):
    """Draws all n at once from one stream, so that portions are other draws."""

    def sample(self, observation, corruption, n, rng):
        found = self.look(observation, corruption)
        eps = torch.randn((n, *found.mu.shape), generator=rng.generator("all"))
        return Draws(found.mu + eps, None)


class Averages(Tiny):
    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return DiagonalGaussian(found.mu - found.mu.mean(), found.logvar)


class SharesNoise(Tiny):
    def sample(self, observation, corruption, n, rng):
        found = self.look(observation, corruption)
        return Draws(found.mu + torch.randn(n, *found.mu.shape, generator=rng.generator("all")), None)


class Scribbles(Tiny):
    def sample(self, observation, corruption, n, rng):
        draws = super().sample(observation, corruption, n, rng)
        observation.y.mul_(0.5)
        return draws


class Uneven(Tiny):
    """Claims to take any size, and takes even ones."""

    def __init__(self, config):
        super().__init__(config)
        self.geometry = Geometry(None, 1, 8, (1,))

    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        mean = F.interpolate(F.avg_pool2d(found.mu, 2), scale_factor=2)
        return DiagonalGaussian(mean, found.logvar)


class Far(Tiny):
    """Looks farther than it says."""

    def __init__(self, config):
        super().__init__(config)
        self.net = nn.Conv2d(2, config.width, 3, padding=6, dilation=6)


class Off(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(255 * found.mean, found.std)


class Hides(Tiny):
    """Keeps something that matters outside its state."""

    made = 0

    def __init__(self, config):
        super().__init__(config)
        Hides.made += 1
        self.offset = Hides.made

    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return DiagonalGaussian(found.mu + self.offset, found.logvar)


BROKEN = [
    (model_restoration.restores_in_the_shape_of_x, Crops),
    (model_restoration.restores_in_the_shape_of_x, Halves),
    (model_restoration.restores_in_the_shape_of_x, Divides),
    (model_restoration.restores_in_the_shape_of_x, Negative),
    (model_restoration.restores_without_knowing_sigma, NeedsSigma),
    (model_restoration.repeats_its_draws, Wanders),
    (model_restoration.repeats_its_draws, Numbers),
    (model_restoration.ignores_the_batch, Averages),
    (model_restoration.ignores_the_batch, SharesNoise),
    (model_restoration.repeats_its_draws, Scribbles),
    (model_restoration.restores_files_of_any_size, Uneven),
    (model_restoration.looks_no_farther_than_its_halo, Far),
    (model_restoration.estimates_the_mean_of_its_draws, Off),
    (model_restoration.comes_back_from_its_file, Hides),
]


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_restoration_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    assert {*RESTORING_CHECKS} == {check for check, _ in BROKEN}
