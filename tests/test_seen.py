import dataclasses

import pytest
import torch

from restorekit.corruptions import Gaussian, Missing
from restorekit.noise import Noise
from restorekit.seen import FAR, distances, see


def test_distances_are_euclidean_to_the_nearest_seen_value_of_the_same_channel():
    observed = torch.zeros(1, 2, 80, 90, dtype=torch.bool)
    observed[0, 0, 0, 0] = True
    found = distances(observed)
    assert float(found[0, 0, 3, 4]) == 5
    assert float(found[0, 0].max()) == FAR
    assert bool((found[0, 1] == FAR).all())
    assert not distances(torch.ones(1, 1, 4, 4, dtype=torch.bool)).any()


def test_what_is_seen_is_the_level_told_or_estimated_the_share_and_the_farthest():
    x = torch.full((2, 1, 64, 64), 0.5)
    corruption = Gaussian(0.1)
    o = corruption(x, Noise(0))
    told = see(o, corruption, 1, distances(o.observed))
    assert [s.sigma for s in told] == [pytest.approx(0.1)] * 2
    estimated = see(o.blind(), corruption, 1, distances(o.observed))
    assert [s.sigma for s in estimated] == [pytest.approx(0.1, rel=0.1)] * 2
    lost = Missing(0.5)(x, Noise(0))
    found = see(dataclasses.replace(lost, sigma=None), Missing(0.5), 1, distances(lost.observed))
    assert [s.sigma for s in found] == [0, 0]
    assert found[0].missing == pytest.approx(0.5, abs=0.01)
    assert found[0].farthest >= 2
