"""The draws and intervals of the shipped weights, on crops of BSD68, which they were not trained or calibrated on."""

import os
from pathlib import Path

import numpy as np
import pytest

from restorekit.core.devices import Compute
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Gaussian, Holes, Missing
from restorekit.evaluation.metrics.uncertainty import Coverage90
from restorekit.restoration.loading import open_restorer
from restorekit.uncertainty.intervals import enclose
from tests.benchmarks.shipped import drawn, middles

pytestmark = pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
DATA = Path(os.environ.get("RESTOREKIT_DATA", ""))
OCTAVES = 5  # down to waves of 32 to 64 pixels


@pytest.fixture(scope="module")
def pictures():
    return middles(DATA)


@pytest.fixture(scope="module", params=["default", "large"])
def opened(request):
    return open_restorer(request.param, compute=Compute("cpu"))


@pytest.mark.parametrize("name", ["default", "large"])
@pytest.mark.parametrize("corruption", [Missing(0.8), Holes(area=0.15), Gaussian(25 / 255)], ids=str)
def test_a_draw_differs_from_the_estimate_as_the_truth_does_at_every_scale_and_half_of_it_is_structure(
    corruption, name, pictures
):
    """3.01 dB is ideal: as far from the estimate as the truth is, and independent of it."""
    d = drawn(pictures, corruption, name)
    assert max(map(abs, d.spectrum()[:OCTAVES])) < 2
    if corruption.hides:
        assert 2.7 < d.under(d.latent + d.own)[0] < 3.3
        assert d.under(d.latent)[0] > 1.5


DAMAGES = [
    *(Gaussian(level / 255) for level in (15, 25, 50)),
    *(Missing(rate) for rate in (0.5, 0.8, 0.9)),
    Holes(area=0.15),
    Chain((Gaussian(25 / 255), Missing(0.5))),
]


def _coverage(opened, pictures, corruption, level, told=False):
    """The share within the interval of each picture, and how many the calibration does not cover."""
    found, beyond = [], 0
    for i, x in enumerate(pictures):
        rng = Rng(7, (f"p{i}",))
        seen = corruption(x[None], rng)
        seen = seen if told else seen.blind()
        restored = opened.restorer(seen, corruption, 0, rng)
        (enclosed, (refusal,)) = enclose(restored, Problem(seen, corruption), len(x), opened.table, level)
        beyond += refusal is not None
        found += [] if refusal else [Coverage90()(enclosed, x[None], seen)]
    return np.array(found), beyond


@pytest.mark.parametrize("corruption", DAMAGES, ids=str)
@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_nine_tenths_of_the_truth_lie_within_the_calibrated_interval(corruption, kind, opened):
    found, beyond = _coverage(opened, middles(DATA, kind), corruption, 0.9)
    assert beyond <= 2  # crops that are all fine texture look as if their noise were coarse
    assert 0.88 <= found.mean() <= 0.92
    assert 0.80 <= np.median(found) <= 0.97


@pytest.mark.parametrize(("level", "told"), [(0.5, False), (0.8, False), (0.95, False), (0.9, True)])
def test_other_levels_hold_too_and_noise_that_is_told(level, told, opened, pictures):
    found, beyond = _coverage(opened, pictures, Gaussian(25 / 255), level, told)
    assert beyond <= 2
    assert found.mean() == pytest.approx(level, abs=0.03)
