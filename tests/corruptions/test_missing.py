"""What takes values out: missing, holes, lines."""

import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Holes, Lines, Missing


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_missing_pixels_are_lost_at_their_rate(rate, lost):
    gone = lost(Missing(rate))
    error = math.sqrt(rate * (1 - rate) / gone.numel())
    assert abs(float(gone.double().mean()) - rate) <= 5 * error


def test_missing_pixels_are_lost_independently(lost):
    gone = lost(Missing(0.5), count=8).double() - 0.5
    for shift in ((0, 1), (1, 0), (1, 1)):
        assert abs(float((gone * gone.roll(shift, (2, 3))).mean())) < 5 * 0.25 / math.sqrt(gone.numel())


def test_pixels_or_single_values_are_lost(lost):
    assert lost(Missing(0.5), channels=3).shape[1] == 1
    gone = lost(Missing(0.5, per_channel=True), channels=3)
    assert gone.shape[1] == 3
    both = float((gone[:, 0] & gone[:, 1]).double().mean())
    assert abs(both - 0.25) < 5 * math.sqrt(0.25 * 0.75 / gone[:, 0].numel())


@pytest.mark.parametrize("corruption", [Missing(0.5), Holes(0.3), Lines(0.3)], ids=str)
def test_what_is_left_is_exact_and_said_to_be(corruption):
    x = Rng(0).uniform("x", (2, 3, 20, 20), "cpu")
    observation = corruption(x, Rng(0, ("a", "b")))
    assert corruption.hides
    assert torch.equal(observation.y, x * observation.observed)
    assert (observation.sigma == 0).all()
    assert torch.equal(observation.unknown(), ~observation.observed)
    assert corruption.log_prob(observation, x) is None
