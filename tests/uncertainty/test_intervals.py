import numpy as np
import pytest
import torch

from restorekit.core.errors import RestorekitWarning, UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Problem, Restoration
from restorekit.corruptions import Gaussian, Missing
from restorekit.uncertainty.calibration_table import Axes, Table
from restorekit.uncertainty.intervals import enclose, enclose_or_warn

AXES = Axes(sigma=(0.0, 0.1, 0.2), missing=(0.0, 0.5), distance=(0.0, 1.0, 64.0), std=(0.01, 0.02, 0.04))


def _table(**factors):
    found = {key.lstrip("_").replace("_", ","): np.full((3, 3, 2), v).tolist() for key, v in factors.items()}
    return Table(AXES, (0.5, 0.9), found, reach=40.0)


def _noisy(count=1, channels=1, sigma=0.1):
    x = torch.full((count, channels, 64, 64), 0.5)
    o = Gaussian(sigma)(x, Rng(0, tuple(f"i{i}" for i in range(count))))
    return Restoration(x, std=torch.full_like(x, 0.01)), o


@pytest.mark.parametrize("told", [True, False])
def test_the_ends_lie_so_many_deviations_about_the_estimate(told):
    """Whether the level was told or not: it is looked up by what the image itself says."""
    restoration, o = _noisy()
    found, refusals = enclose(
        restoration, Problem(o if told else o.blind(), Gaussian(0.1)), 1, _table(_1_1_1_0=3.0), 0.9
    )
    assert refusals == [None]
    torch.testing.assert_close(found.high - found.mmse, torch.full_like(o.y, 0.03))
    torch.testing.assert_close(found.mmse - found.low, found.high - found.mmse)


def test_where_the_table_does_not_reach_the_ends_are_nan_and_others_stand():
    (restoration, o), (_, far) = _noisy(), _noisy(sigma=0.5)
    both = type(o)(torch.cat([o.y, far.y]), torch.cat([o.observed, far.observed]), o.shape, None)
    twice = Restoration(torch.cat([restoration.mmse] * 2), std=torch.cat([restoration.std] * 2))
    found, refusals = enclose(twice, Problem(both, Gaussian(0.1)), 1, _table(_1_1_1_0=3.0), 0.9)
    assert refusals[0] is None
    assert "no gray calibration images had noise of a level near" in refusals[1]
    assert bool(found.low[0].isfinite().all())
    assert bool(found.low[1].isnan().all())
    with pytest.warns(RestorekitWarning, match="low and high are NaN: no gray calibration images"):
        enclose_or_warn(twice, Problem(both, Gaussian(0.1)), 1, _table(_1_1_1_0=3.0), 0.9)


def test_channels_that_are_restored_one_by_one_are_looked_up_one_by_one():
    """One channel of two lacks half of its pixels."""
    restoration, o = _noisy(channels=2)
    observed = torch.ones(1, 2, 64, 64, dtype=torch.bool)
    observed[:, 1, ::2] = False
    o = type(o)(o.y * observed, observed, o.shape, None)
    table = _table(_1_1_1_0=3.0, _1_1_0_1=5.0, _1_1_1_1=5.0)
    found, refusals = enclose(restoration, Problem(o, Gaussian(0.1)), 1, table, 0.9)
    assert refusals == [None]
    assert [float((found.high - found.mmse)[0, c].mean()) for c in (0, 1)] == pytest.approx([0.03, 0.05])


def test_gaps_between_exact_values_are_without_noise():
    x = torch.full((1, 1, 64, 64), 0.5)
    o = Missing(0.5)(x, Rng(0))
    found, refusals = enclose(Restoration(x, std=x / 50), Problem(o, Missing(0.5)), 1, _table(_1_1_0_1=2.0), 0.9)
    assert refusals == [None]
    torch.testing.assert_close(found.high - found.mmse, x / 25)


def test_what_has_no_spread_or_no_calibration_or_is_no_level_is_told():
    restoration, o = _noisy()
    with pytest.raises(UsageError, match="this restorer gives none"):
        enclose(Restoration(restoration.mmse), Problem(o, Gaussian(0.1)), 1, _table(_1_1_1_0=3.0), 0.9)
    with pytest.raises(UsageError, match="run restorekit calibrate on it"):
        enclose_or_warn(restoration, Problem(o, Gaussian(0.1)), 1, None, 0.9)
    for level in (90, "0.9", 0):
        with pytest.raises(UsageError, match="a share between 0 and 1"):
            enclose_or_warn(restoration, Problem(o, Gaussian(0.1)), 1, _table(_1_1_1_0=3.0), level)
