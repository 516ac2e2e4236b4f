"""Facts about the corruption `your-name`."""

import pytest
import torch
from restorekit_your_name import YourName

from restorekit import Rng
from restorekit.testing import CORRUPTION_CHECKS


@pytest.mark.parametrize("check", CORRUPTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("corruption", [YourName(), YourName(rate=(0.1, 0.6), side=3)], ids=str)
def test_it_keeps_the_promises_of_a_corruption(corruption, check):
    check(corruption)


def test_complete_blocks_are_lost_at_the_set_rate():
    observed = YourName(rate=0.3, side=4)(torch.ones(4, 1, 160, 160), Rng(0)).observed.float()
    blocks = torch.nn.functional.avg_pool2d(observed, 4)
    assert set(blocks.unique().tolist()) == {0.0, 1.0}
    assert abs(float(blocks.mean()) - 0.7) < 5 * (0.3 * 0.7 / blocks.numel()) ** 0.5


@pytest.mark.parametrize(("rate", "left"), [(0.0, 1.0), (1.0, 0.0)])
def test_at_the_ends_all_or_nothing_is_left(rate, left):
    observed = YourName(rate=rate)(torch.ones(2, 3, 20, 30), Rng(0)).observed
    assert float(observed.float().mean()) == left
