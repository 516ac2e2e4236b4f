"""What the checks look through: pictures, comparisons, and guards that see what they are for."""

import json
import random
import re

import numpy as np
import pytest
import torch
from torch import nn

from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Observation
from restorekit.corruptions import Gaussian
from restorekit.testing._assertions import (
    SIZES,
    difference,
    expect,
    global_randomness_untouched,
    names,
    observations,
    only,
    perturb,
    promise,
    random_images,
    tensors,
    unobserved,
)


def _observation():
    x = random_images(3, 3, 4, 5)
    observed = Rng(0).uniform("observed", (3, 1, 4, 5), "cpu") < 0.5
    sigma = torch.tensor([0.1, torch.nan, 0.0]).view(3, 1, 1, 1)
    return Observation(
        x * observed, observed, (3, 4, 5), sigma, torch.tensor([2, -1, 0]), {"peak": torch.arange(3.0)}, x
    )


def test_what_is_expected_and_true_passes_and_else_the_message_is_raised():
    expect(True, "never seen")
    with pytest.raises(AssertionError, match="must be so"):
        expect(False, "must be so")


def test_pictures_are_always_the_same_and_span_their_range():
    x = random_images(2, 3, 40, 50, 0.4, 0.6)
    assert x.shape == (2, 3, 40, 50)
    assert torch.equal(x, random_images(2, 3, 40, 50, 0.4, 0.6))
    assert 0.4 <= float(x.min()) < 0.41
    assert 0.59 < float(x.max()) <= 0.6
    assert not torch.equal(x[0], x[1])


def test_observations_come_in_every_size_gray_and_colour():
    shapes = [tuple(x.shape) for x, _ in observations(Gaussian(0.1))]
    assert shapes == [(2, channels, *size) for channels in (1, 3) for size in SIZES]
    assert all(o.shape == tuple(x.shape[1:]) and len(o) == 2 for x, o in observations(Gaussian(0.1)))


def test_one_image_of_an_observation_takes_all_its_parts_along():
    o = _observation()
    found = only(o, 2)
    assert found.shape == o.shape
    assert difference(tensors(found), {name: value[2:] for name, value in tensors(o).items()}) is None
    assert tensors(found).keys() == {"y", "observed", "sigma", "label", "initial", "params['peak']"}


def test_an_unseen_observation_holds_nothing_of_the_image():
    found = unobserved(_observation())
    assert not found.observed.any()
    assert not found.y.any()
    assert found.initial is None


def test_tensors_are_named_and_what_is_not_there_is_left_out():
    assert list(tensors(Draws(torch.zeros(1), None))) == ["mean"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"y": torch.tensor([1.0, 2.0])}, None),
        ({"y": torch.tensor([1.0, 2.5])}, "y differs by 0.5"),
        ({"y": torch.tensor([1.0, torch.nan])}, "y differs"),
        ({"y": torch.tensor([[1.0, 2.0]])}, r"y of shape \(2,\) against \(1, 2\)"),
        ({"z": torch.tensor([1.0, 2.0])}, r"\['y'\] against \['z'\]"),
    ],
)
def test_a_difference_is_told_by_name(other, told):
    first = {"y": torch.tensor([1.0, 2.0])}
    found = difference(first, other)
    assert (found is None) if told is None else re.match(told, found)


def test_unknown_equals_unknown_and_small_differences_are_allowed_where_asked():
    first = {"sigma": torch.tensor([torch.nan, 10.0])}
    assert difference(first, first) is None
    second = {"sigma": torch.tensor([torch.nan, 10.01])}
    assert difference(first, second) is not None
    assert difference(first, second, allowed=1e-2) is None  # of 1 and of the value
    assert difference(first, second, allowed=5e-4) is not None


def test_shaking_moves_every_parameter_and_always_in_the_same_way():
    def shaken():
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        for p in module.parameters():
            nn.init.zeros_(p)
        module.scale = nn.Parameter(torch.tensor(0.0))
        perturb(module)
        return list(module.parameters())

    assert all(bool(p.all()) for p in shaken())
    assert all(torch.equal(a, b) for a, b in zip(shaken(), shaken(), strict=True))


def _numpy():
    np.random.rand()  # noqa: NPY002, this is what the guard is for


@pytest.mark.parametrize(
    ("draw", "name"), [(lambda: torch.rand(()), "torch"), (_numpy, "numpy"), (random.random, "Python")]
)
def test_a_draw_from_a_global_generator_is_seen_and_named(draw, name):
    told = f"Blur must draw from the Rng .* used that of {name};"
    with pytest.raises(AssertionError, match=told), global_randomness_untouched("Blur"):
        draw()


def test_draws_from_noise_leave_global_generators_alone():
    with global_randomness_untouched("Blur"):
        Rng(0, names(2)).normal("z", (2, 3), "cpu")
        torch.rand((), generator=Rng(0).generator("z"))


def test_what_raises_is_told_with_its_place_in_the_authors_own_file():
    @promise
    def breaks(thing):
        """Expect nothing."""
        thing.go()

    class Strange:
        def go(self):
            json.loads("{")

    with pytest.raises(AssertionError, match=rf"JSONDecodeError: .* in {re.escape(__file__)}, line \d+$"):
        breaks(Strange())
