"""Facts about the jackknife over blocks."""

import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.uncertainty.selfcheck.jackknife import BLOCKS, block_sums, jackknife


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 3, 7, 300), (4, 1, 33, 50), (1, 1, 1000, 9)])
def test_blocks_lose_nothing(shape):
    fields = torch.rand(2, *shape)
    sums = block_sums(fields)
    assert torch.allclose(sums.sum(1), fields.double().flatten(1).sum(1))
    assert sums.shape[1] <= 3 * BLOCKS


def test_of_a_mean_it_is_the_textbook_standard_error():
    sums = torch.stack([torch.rand(20).double(), torch.ones(20).double()])
    mean, error = jackknife(lambda s: s[0] / s[1], sums)
    assert mean == pytest.approx(float(sums[0].mean()))
    assert error == pytest.approx(float(sums[0].std()) / 20**0.5)


def test_blocks_without_values_do_not_matter_and_one_alone_tells_no_error():
    sums = torch.tensor([[1.0, 0, 3], [1, 0, 1]]).double()
    assert jackknife(lambda s: s[0] / s[1], sums) == jackknife(lambda s: s[0] / s[1], sums[:, [0, 2]])
    value, error = jackknife(lambda s: s[0] / s[1], sums[:, :2])
    assert value == 1
    assert math.isnan(error)


def test_it_sees_that_neighbours_go_together():
    """Means of fields that are constant over 16 x 16 pixels: the naive error is 16 times too small, this one is not."""
    means, errors = [], []
    for seed in range(200):
        coarse = Rng(seed).normal("f", (1, 1, 8, 8), "cpu")
        field = coarse.repeat_interleave(16, 2).repeat_interleave(16, 3)
        mean, error = jackknife(lambda s: s[0] / s[1], block_sums(torch.stack([field, torch.ones_like(field)])))
        means.append(mean)
        errors.append(error)
    assert sum(errors) / 200 == pytest.approx(float(torch.tensor(means).std()), rel=0.15)
