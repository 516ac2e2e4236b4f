"""Each check passes what is sound, and fails on a corruption with that one fault, in a sentence."""

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorekit import Corruption, Ranged
from restorekit.corruptions import Gaussian, Missing
from restorekit.testing import CORRUPTION_CHECKS, _fake_device, check_corruption, corruption
from restorekit.testing import corruption as corruptions
from restorekit.testing.density import DENSITY_CHECKS
from restorekit.testing.traits import TRAIT_CHECKS
from tests._helpers.broken_corruptions import Motion, broken, changed, keeps
from tests._helpers.check_failures import caught


@dataclass(frozen=True)
class Halve(Corruption):
    """Half the height and width: y is smaller than x."""

    name, resizes = "halve", True

    def __call__(self, x, rng):
        return replace(keeps(F.avg_pool2d(x, 2, ceil_mode=True)), shape=tuple(x.shape[1:]))

    def clean_shape(self, shape, channels):
        return shape[0], 2 * shape[1], 2 * shape[2]

    def initial_estimate(self, observation):
        return F.interpolate(observation.y, size=observation.shape[1:])


@dataclass
class Melts(Corruption):
    name = "melts"

    def __call__(self, x, rng):
        return keeps(x)


@dataclass(frozen=True)
class OneDraw(Corruption):
    """Draws its range once for the whole batch."""

    name = "onedraw"
    sigma: Ranged = 0.1

    def __call__(self, x, rng):
        sigma = self.draw("sigma", x, rng)[:1].expand(len(x), 1, 1, 1)
        return replace(keeps(x), y=x + sigma * rng.normal("n", tuple(x.shape), x.device), sigma=sigma)


def _numpy_global(x):
    return keeps(x + float(np.random.rand()))  # noqa: NPY002, this is the fault


def _global(x):
    return keeps(x + 0.1 * torch.rand(x.shape))


@dataclass(frozen=True)
class Lists(Missing):
    """Has a field that cannot be hashed."""

    sizes: list = field(default_factory=list)


@dataclass(frozen=True)
class Undocumented(Missing):
    pass


BROKEN = [
    (corruptions.is_a_frozen_dataclass, Lists()),
    (corruptions.is_a_frozen_dataclass, Undocumented()),
    (corruptions.stays_on_the_scale_of_x, broken(Gaussian, __call__=changed(Gaussian, y=lambda o: 255 * o.y))),
    (
        _fake_device.works_on_a_gpu,
        broken(Gaussian, __call__=changed(Gaussian, y=lambda o: o.y + torch.zeros(o.y.shape))),
    ),
    (_fake_device.works_on_a_gpu, broken(Gaussian, initial_estimate=lambda self, o: torch.zeros(len(o), *o.shape))),
    (corruptions.is_a_frozen_dataclass, Melts()),
    (corruptions.is_a_frozen_dataclass, broken(Gaussian, name="")),
    (corruptions.has_shapes_and_types, broken(Gaussian, __call__=changed(Gaussian, y=lambda o: o.y.double()))),
    (corruptions.has_shapes_and_types, broken(Gaussian, __call__=changed(Gaussian, y=lambda o: o.y[0]))),
    (
        corruptions.has_shapes_and_types,
        broken(Gaussian, __call__=changed(Gaussian, observed=lambda o: o.observed.float())),
    ),
    (
        corruptions.has_shapes_and_types,
        broken(Gaussian, __call__=changed(Gaussian, observed=lambda o: o.observed[..., :1])),
    ),
    (
        corruptions.has_shapes_and_types,
        broken(Gaussian, __call__=changed(Gaussian, sigma=lambda o: o.sigma.flatten())),
    ),
    (corruptions.has_shapes_and_types, broken(Gaussian, __call__=changed(Gaussian, shape=lambda o: o.y.shape))),
    (
        corruptions.has_shapes_and_types,
        broken(Gaussian, __call__=changed(Gaussian, params=lambda o: {"a": torch.tensor(1.0)})),
    ),
    (corruptions.is_finite, broken(Gaussian, __call__=changed(Gaussian, y=lambda o: o.y / 0))),
    (corruptions.is_finite, broken(Gaussian, __call__=changed(Gaussian, sigma=lambda o: -o.sigma))),
    (corruptions.is_zero_where_missing, broken(Missing, __call__=changed(Missing, y=lambda o: o.y + 0.5))),
    (corruptions.leaves_its_input_alone, broken(Gaussian, __call__=lambda self, x, rng: keeps(x.add_(0.1)))),
    (corruptions.leaves_global_randomness_alone, broken(Gaussian, __call__=lambda self, x, rng: _global(x))),
    (
        corruptions.leaves_global_randomness_alone,
        broken(Gaussian, __call__=lambda s, x, n: keeps(x + random.random())),
    ),
    (
        corruptions.leaves_global_randomness_alone,
        broken(Gaussian, __call__=lambda s, x, n: _numpy_global(x)),
    ),
    (corruptions.repeats_itself, broken(Gaussian, __call__=lambda self, x, rng: _global(x))),
    (corruptions.ignores_the_batch, broken(Gaussian, __call__=lambda self, x, rng: keeps(x - x.mean()))),
    (
        corruptions.ignores_the_batch,
        broken(Gaussian, __call__=lambda s, x, rng: keeps(x + torch.rand(x.shape, generator=rng.generator("n")))),
    ),
    (corruption.draws_its_ranges_per_image, OneDraw()),
    (corruptions.comes_back_from_its_spec, broken(Gaussian, __str__=lambda self: "broken:sigma=0.5")),
    (
        corruptions.estimates_in_the_shape_of_x,
        broken(Missing, initial_estimate=lambda self, o: o.y / o.observed.float().mean()),
    ),
    (corruptions.estimates_in_the_shape_of_x, broken(Missing, initial_estimate=lambda self, o: o.y[:, :1])),
    (corruptions.knows_the_shape_of_x, broken(Halve, clean_shape=Corruption.clean_shape)),
    (corruptions.knows_the_shape_of_x, broken(Gaussian, clean_shape=lambda self, shape, channels: (2, *shape[1:]))),
    (corruptions.only_hides, broken(Gaussian, hides=True)),
    (corruptions.only_hides, broken(Missing, __call__=changed(Missing, sigma=lambda o: None))),
]


@pytest.mark.parametrize("corruption", [Motion(), Halve(), Gaussian(0.1), Gaussian((0.0, 0.3))], ids=str)
def test_sound_corruptions_pass(corruption):
    check_corruption(corruption)


@pytest.mark.parametrize(("check", "faulty"), BROKEN, ids=lambda v: getattr(v, "__name__", ""))
def test_a_broken_corruption_is_caught(check, faulty):
    caught(check, faulty)


def test_every_check_has_been_seen_to_fail():
    assert {*CORRUPTION_CHECKS} - {*DENSITY_CHECKS} - {*TRAIT_CHECKS} == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_corruption(OneDraw())
