import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Stripes


@pytest.mark.parametrize(("axis", "along"), [("columns", 2), ("rows", 3)])
def test_a_line_is_offset_as_a_whole(axis, along):
    x = torch.rand(2, 3, 200, 300)
    offset = Stripes(0.1, axis)(x, Rng(0, ("a", "b"))).y - x
    torch.testing.assert_close(offset, offset.narrow(along, 0, 1).expand_as(offset))
    assert float(offset.std()) == pytest.approx(0.1, rel=0.1)


def test_it_can_only_be_simulated():
    x = torch.rand(1, 1, 4, 4)
    o = Stripes()(x, Rng(0))
    assert o.sigma is None
    assert Stripes().log_prob(o, x) is None
