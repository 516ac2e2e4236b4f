"""Facts about what is known of an image's noise."""

from __future__ import annotations

import numpy as np
import pytest

from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.images.intensity import IntensityRange
from restorekit.restoration.assumptions import WINDOW, estimated
from restorekit.restoration.folder.planes import Plane


@pytest.mark.parametrize("width", [300, WINDOW + 200])
def test_the_estimate_is_near_the_truth(width):
    pixels = (0.5 + np.random.default_rng(0).normal(0, 0.1, (64, width, 1))).astype(np.float32)
    plane = Plane("x", pixels, None, IntensityRange(0.0, 1.0))
    assert estimated(plane, Chain((Gaussian(), Missing()))).sigma == pytest.approx(0.1, rel=0.05)
