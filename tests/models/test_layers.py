import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.models.layers import ResidualBlock, Up, down, dropout, stack

X = torch.linspace(-1, 1, 2 * 4 * 6 * 8).view(2, 4, 6, 8)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_residual_blocks_start_as_the_identity():
    torch.testing.assert_close(stack(4, 3)(X), X)
    assert len(stack(4, 3)) == 3


def test_a_residual_block_adds_what_it_has_learnt():
    block = ResidualBlock(4)
    torch.nn.init.ones_(block.outer.bias)
    torch.testing.assert_close(block(X), X + 1)
    assert torch.equal(X, torch.linspace(-1, 1, X.numel()).view_as(X)), "the input is left alone"


def test_down_and_up_change_the_size_by_two():
    assert down(4, 7)(X).shape == (2, 7, 3, 4)
    assert Up(4, 5)(X).shape == (2, 5, 12, 16)


def test_dropout_zeroes_at_its_rate_and_keeps_the_mean():
    x = torch.ones(1, 1, 200, 200)
    found = dropout(x, 0.3, Rng(0), "d")
    assert set(found.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.7)}
    assert abs(float(found.mean()) - 1) < 5 * math.sqrt(0.3 / 0.7 / x.numel())
    assert torch.equal(found, dropout(x, 0.3, Rng(0), "d"))
    assert dropout(x, 0.0, Rng(0), "d") is x
