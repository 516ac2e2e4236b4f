"""Facts about what is known of an image's noise."""

from __future__ import annotations

import numpy as np
import pytest

from restorekit.core.plugins import registry
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.corruptions.spec import parse
from restorekit.images.intensity import IntensityRange
from restorekit.restoration.assumptions import WINDOW, Level, estimated, level_of
from restorekit.restoration.folder.planes import Plane


@pytest.mark.parametrize(
    ("spec", "level"),
    [
        ("gaussian:sigma=25/255", Level(pytest.approx(25 / 255), True)),
        ("gaussian:sigma=25/255+missing:rate=0.5", Level(pytest.approx(25 / 255), True)),
        ("gaussian:sigma=0..50/255", Level(None, True)),
        ("gaussian:sigma=0", Level(0.0, True)),
        ("missing:rate=0.9", Level(0.0, True)),
        ("holes+lines", Level(0.0, True)),
        ("clean", Level(0.0, True)),
        ("poisson", Level(None, True)),
        ("saltpepper", Level(None, True)),
        ("quantise:bits=3", Level(pytest.approx(1 / (7 * 12**0.5)), True)),
    ],
)
def test_what_a_corruption_always_does(spec, level):
    assert level_of(parse(spec, registry.corruptions())) == level


@pytest.mark.parametrize("width", [300, WINDOW + 200])
def test_the_estimate_is_near_the_truth(width):
    pixels = (0.5 + np.random.default_rng(0).normal(0, 0.1, (64, width, 1))).astype(np.float32)
    plane = Plane("x", pixels, None, IntensityRange(0.0, 1.0))
    assert estimated(plane, Chain((Gaussian(), Missing()))).sigma == pytest.approx(0.1, rel=0.05)
