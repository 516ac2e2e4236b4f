import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from restorekit.core.contracts import Restorer
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Restoration
from restorekit.corruptions import Downsample, Gaussian, Grayscale, Missing
from restorekit.evaluation.calibration import LEVELS, MIN_IMAGES, fit
from restorekit.evaluation.protocol import TestImage
from restorekit.uncertainty.conditions import Conditions

SIGMA = 16 / 255  # a node of the table, as is a quarter of it


class Observed(Restorer):
    """Takes what it sees for the truth, and tells a spread that is wrong in its own way."""

    name = "observed"

    def __init__(self, spread):
        self.spread = spread

    def __call__(self, observation, corruption, n, rng):
        y = observation.y
        return Restoration(y, std=None if self.spread is None else self.spread.expand_as(y))


def _subjects(count):
    x = torch.full((1, 1, 32, 32), 0.5)
    return [TestImage(f"s{i}", lambda: x) for i in range(count)]


def _fit(spread, count=200, corruption=None):
    corruption = corruption or Gaussian(SIGMA)
    return fit(Observed(spread), _subjects(count), [(str(corruption), corruption)])


@pytest.mark.parametrize("wrong", [0.25, 1.0, 3.0])
def test_a_spread_wrong_by_a_factor_is_put_right(wrong):
    table = _fit(torch.tensor(SIGMA * wrong)).table
    seen, zero = Conditions(1, True, SIGMA, 0.0, 0.0), torch.zeros(1, 1, 1)
    for level, quantile in zip(LEVELS, (0.6745, 1.0364, 1.2816, 1.6449, 1.96), strict=True):
        # with n = 100 images at most 1 is added to 101: at 95 % that makes a tenth of a deviation
        found = float(table.factor(seen, zero, torch.full((1, 1, 1), SIGMA * wrong), level)) * wrong
        assert quantile * 0.97 < found < quantile * 1.13


def test_each_spread_gets_the_factor_it_needs_where_one_scale_would_fail():
    """Half of the values are told four times too sure: coverage holds on both halves, in shorter intervals."""
    spread = torch.full((1, 1, 32, 32), SIGMA)
    spread[..., :16] /= 4
    found = _fit(spread)
    row = found.rows[0]
    assert 0.89 < row.coverage90 < 0.93
    assert row.winkler90 < 0.75 * row.global_winkler90
    assert row.psnr == pytest.approx(-20 * math.log10(SIGMA), abs=0.1)  # the restorer returns what it observed
    seen, zero = Conditions(1, True, SIGMA, 0.0, 0.0), torch.zeros(1, 1, 1)
    sure, right = (float(found.table.factor(seen, zero, torch.full((1, 1, 1), s), 0.9)) for s in (SIGMA / 4, SIGMA))
    assert sure / right == pytest.approx(4, rel=0.05)


def test_the_share_outside_on_new_images_is_at_most_what_was_asked():
    """Whatever the errors are like: here their size changes from image to image and the spread does not know it."""
    x = torch.full((1, 1, 16, 16), 0.5)
    corruption = Gaussian((0.01, 0.2))
    subjects = [TestImage(f"s{i}", lambda: x) for i in range(400)]
    table = fit(Observed(torch.tensor(0.1)), subjects, [("g", corruption)]).table
    outside = []
    for i in range(400):
        o = corruption(x, Rng(1, (f"new{i}",)))
        level = Conditions(1, True, float(o.sigma), 0.0, 0.0)
        half = 0.1 * table.factor(level, torch.zeros(1, 16, 16), torch.full((1, 16, 16), 0.1), 0.9)
        outside.append(float(((o.y - x)[0].abs() > half).double().mean()))
    assert np.mean(outside) < 0.1 + 4 * np.std(outside) / 20


def test_images_are_seen_by_their_share_missing_and_known_values_do_not_count():
    found = _fit(torch.tensor(SIGMA), corruption=Missing(0.5)).table
    assert set(found.factors) == {"1,1,0,2"}
    assert found.reach >= 2
    assert found.refusal(Conditions(1, True, 0.0, 0.5, 1.0), 0.9) is None
    assert found.refusal(Conditions(1, True, 0.3, 0.5, 1.0), 0.9) is not None


def test_gray_and_colour_have_intervals_of_their_own():
    """Errors of colour images are half as large for their spread; a model for both sees them in gray as well."""

    class Both(Observed):
        geometry = Geometry(channels=(1, 3))

        def __call__(self, observation, corruption, n, rng):
            restored = super().__call__(observation, corruption, n, rng)
            return replace(restored, std=2 * restored.std) if observation.shape[0] == 3 else restored

    x = torch.full((1, 3, 32, 32), 0.5)
    subjects = [TestImage(f"s{i}", lambda: x) for i in range(100)]
    found = fit(Both(torch.tensor(SIGMA)), subjects, [("g", Gaussian(SIGMA))])
    assert set(found.table.factors) == {"1,1,3,0", "3,1,3,0"}
    zero = torch.zeros(1, 1, 1)
    gray, colour = (
        float(found.table.factor(Conditions(c, True, SIGMA, 0.0, 0.0), zero, torch.full((1, 1, 1), s), 0.9))
        for c, s in ((1, SIGMA), (3, 2 * SIGMA))
    )
    assert gray == pytest.approx(2 * colour, rel=0.05)
    assert [row.channels for row in found.rows] == [3, 1]


def test_each_sort_of_damage_is_held_to_the_level():
    """Errors of kept values and of filled ones are wrong by factors of their own, on the scaling half as well."""
    damages = [("noise", Gaussian(SIGMA)), ("gaps", Missing(0.5))]
    found = fit(Observed(torch.tensor(SIGMA)), _subjects(200), damages)
    assert set(found.table.factors) == {"1,1,3,0", "1,1,0,2"}
    assert all(0.9 <= row.coverage90 < 0.93 for row in found.rows if row.corruption == "noise")


def test_an_image_that_cannot_be_read_is_told_and_left_out():
    def broken():
        raise ImageError("b.png is cut short; copy it again")

    told = []
    subjects = [*_subjects(100), TestImage("b", broken)]
    found = fit(
        Observed(torch.tensor(SIGMA)), subjects, [("g", Gaussian(SIGMA))], watch=lambda k, e: told.append((k, e))
    )
    assert found.table.images == 100
    assert [(k, e) for k, e in told if e] == [("b", "b.png is cut short; copy it again")]
    assert len(told) == 101


def test_too_few_images_and_no_spread_are_told():
    with pytest.raises(UsageError, match=f"at least {MIN_IMAGES:.0f} clean images, got 10"):
        _fit(torch.tensor(SIGMA), count=10)
    with pytest.raises(UsageError, match="this restorer gives none"):
        _fit(None)


@pytest.mark.parametrize("corruption", [Downsample(), Grayscale()], ids=str)
def test_a_corruption_that_changes_the_shape_is_refused_in_a_sentence(corruption):
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images = [TestImage(f"{i}.png", lambda: x) for i in range(80)]
    with pytest.raises(UsageError, match=r"keep size and channels, expected \(3, 32, 32\), got"):
        fit(Observed(torch.tensor(0.1)), images, [(str(corruption), corruption)])
