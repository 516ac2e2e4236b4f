import dataclasses
import json
from statistics import NormalDist

import numpy as np
import pytest
import torch

from restorekit.corruptions import Gaussian
from restorekit.errors import CheckpointError, UsageError
from restorekit.intervals import Axes, Table, enclose
from restorekit.seen import Seen
from restorekit.types import Observation, Restoration

AXES = Axes(sigma=(0.0, 0.1, 0.2), missing=(0.0, 0.5), distance=(0.0, 1.0, 3.0), std=(0.01, 0.02, 0.04))
LEVELS = (0.5, 0.9)


def _table(factors=None):
    normal = np.broadcast_to([NormalDist().inv_cdf(0.5 + v / 2) for v in LEVELS], (3, 3, 2))
    found = {"1,0,0": normal, "1,1,0": 2 * normal, "1,0,1": 3 * normal} if factors is None else factors
    return Table(AXES, LEVELS, {k: np.asarray(v).tolist() for k, v in found.items()}, reach=3.0, images=7)


def _factor(table, sigma=0.0, missing=0.0, distance=0.0, std=0.01, level=0.9):
    seen = Seen(1, sigma, missing, distance)
    assert table.refusal(seen) is None
    return float(table.factor(seen, torch.full((1, 1, 1), distance), torch.full((1, 1, 1), std), level))


def test_on_a_node_its_factor_counts_and_between_two_they_are_mixed():
    table = _table()
    assert _factor(table) == pytest.approx(1.645, abs=1e-3)
    assert _factor(table, sigma=0.1) == pytest.approx(2 * 1.645, abs=2e-3)
    assert _factor(table, sigma=0.05) == pytest.approx(1.5 * 1.645, abs=2e-3)
    assert _factor(table, missing=0.25) == pytest.approx(2 * 1.645, abs=2e-3)


def test_distance_and_spread_are_interpolated_by_their_logarithms_and_held_at_the_ends():
    cell = np.ones((3, 3, 2))
    cell[1], cell[2] = 2, 4
    cell *= np.array([1, 3, 9])[:, None]
    table = _table({"1,0,0": cell})
    assert _factor(table, distance=0.0, std=0.01) == pytest.approx(1)
    assert _factor(table, distance=2**0.5 - 1, std=0.01) == pytest.approx(1.5 * 1 + 0 * 2, rel=1e-6)
    assert _factor(table, std=0.01 * 2**0.5) == pytest.approx(2)
    assert _factor(table, distance=3.0, std=0.5) == pytest.approx(36)
    assert _factor(table, std=1e-9) == pytest.approx(1)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.7, 0.9, 0.99])
def test_levels_between_and_beyond_follow_the_normal_quantiles(level):
    assert _factor(_table(), level=level) == pytest.approx(NormalDist().inv_cdf(0.5 + level / 2), rel=1e-6)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Seen(1, 0.26, 0.0, 0.0), "noise level near 66.3/255"),
        (Seen(1, 0.2, 0.5, 1.0), "noise level near 51.0/255 and 50% of the pixels missing"),
        (Seen(1, 0.0, 0.9, 1.0), "90% of the pixels missing"),
        (Seen(3, 0.0, 0.0, 0.0), "no colour calibration images had a noise level near 0.0/255"),
        (Seen(1, 0.0, 0.4, 9.0), "holes reach 9 pixels deep, those of the calibration images 3"),
    ],
)
def test_what_no_calibration_image_was_like_is_refused(seen, told):
    assert told in _table().refusal(seen)


def test_half_a_step_beyond_the_last_node_is_still_like_it():
    assert _factor(_table(), missing=0.74) == pytest.approx(3 * 1.645, abs=3e-3)
    assert _table().refusal(Seen(1, 0.0, 0.76, 0.0)) is not None


def test_a_table_comes_back_from_its_card():
    table = _table()
    again = Table.from_json(json.loads(json.dumps(table.to_json())))
    assert again == dataclasses.replace(table)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v.pop("axes"),
        lambda v: v["factors"].update({"1,0,0": [[1.0]]}),
        lambda v: v["factors"].update({"1,9,0": v["factors"]["1,0,0"]}),
        lambda v: v["factors"].update({"one": v["factors"]["1,0,0"]}),
        lambda v: v.update({"strange": 1}),
    ],
)
def test_a_spoilt_table_is_told(spoil):
    values = json.loads(json.dumps(_table().to_json()))
    spoil(values)
    with pytest.raises(CheckpointError, match="calibration cannot be read"):
        Table.from_json(values)


def _restored(std):
    x = torch.full((1, 1, 8, 8), 0.5)
    sigma = torch.full((1, 1, 1, 1), 0.1)
    o = Observation(x, torch.ones(1, 1, 8, 8, dtype=torch.bool), (1, 8, 8), sigma)
    return Restoration(x, std=None if std is None else torch.full_like(x, std)), o


def test_the_ends_lie_so_many_deviations_about_the_estimate():
    restoration, o = _restored(0.01)
    found = enclose(restoration, o, Gaussian(0.1), 1, _table(), 0.9)
    torch.testing.assert_close(found.high - found.mmse, torch.full_like(o.y, 0.0329), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.mmse - found.low, found.high - found.mmse)


def test_where_the_table_does_not_reach_there_are_no_ends_and_without_spread_it_is_told():
    restoration, o = _restored(0.01)
    far = dataclasses.replace(o, sigma=torch.full((1, 1, 1, 1), 0.4))
    assert enclose(restoration, far, Gaussian(0.4), 1, _table(), 0.9).low is None
    with pytest.raises(UsageError, match="this restorer gives none"):
        enclose(_restored(None)[0], o, Gaussian(0.1), 1, _table(), 0.9)
