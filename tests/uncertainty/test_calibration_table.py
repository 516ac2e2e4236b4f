import dataclasses
import json
from statistics import NormalDist

import numpy as np
import pytest
import torch

from restorekit.core.errors import CheckpointError, RecordError
from restorekit.core.records import parse_json
from restorekit.uncertainty.calibration_table import Axes, Table
from restorekit.uncertainty.conditions import MAX_DISTANCE_PX, Conditions
from tests._helpers.mutations import mutations

AXES = Axes(sigma=(0.0, 0.1, 0.2), missing=(0.0, 0.5, 0.9), distance=(0.0, 1.0, 3.0), std=(0.01, 0.02, 0.04))
LEVELS = (0.5, 0.9)


def _table(factors=None):
    normal = np.broadcast_to([NormalDist().inv_cdf(0.5 + v / 2) for v in LEVELS], (3, 3, 2))
    plain = {"1,1,0,0": normal, "1,1,1,0": 2 * normal, "1,1,0,1": 3 * normal, "1,1,0,2": 5 * normal}
    found = plain if factors is None else factors
    return Table(AXES, LEVELS, {k: np.asarray(v).tolist() for k, v in found.items()}, reach=3.0, images=7)


def _factor(table, sigma=0.0, missing=0.0, distance=0.0, std=0.01, level=0.9):
    seen = Conditions(1, True, sigma, missing, distance)
    assert table.refusal(seen, level) is None
    return float(table.factor(seen, torch.full((1, 1, 1), distance), torch.full((1, 1, 1), std), level))


def test_on_a_node_its_factor_counts_and_between_two_they_are_mixed():
    table = _table()
    assert _factor(table) == pytest.approx(1.645, abs=1e-3)
    assert _factor(table, sigma=0.1) == pytest.approx(2 * 1.645, abs=2e-3)
    assert _factor(table, sigma=0.05) == pytest.approx(1.5 * 1.645, abs=2e-3)
    assert _factor(table, missing=0.7) == pytest.approx(4 * 1.645, abs=2e-3)


def test_sorts_of_damage_that_are_held_to_the_level_apart_are_not_mixed():
    assert _factor(_table(), missing=0.24) == pytest.approx(1.645, abs=1e-3)
    assert _factor(_table(), missing=0.26) == pytest.approx(3 * 1.645, abs=2e-3)


def test_distance_and_spread_are_interpolated_by_their_logarithms_and_held_at_the_ends():
    cell = np.ones((3, 3, 2))
    cell[1], cell[2] = 2, 4
    cell *= np.array([1, 3, 9])[:, None]
    table = _table({"1,1,0,0": cell})
    assert _factor(table, distance=0.0, std=0.01) == pytest.approx(1)
    assert _factor(table, distance=2**0.5 - 1, std=0.01) == pytest.approx(1.5 * 1 + 0 * 2, rel=1e-6)
    assert _factor(table, std=0.01 * 2**0.5) == pytest.approx(2)
    assert _factor(table, distance=3.0, std=0.5) == pytest.approx(36)
    assert _factor(table, std=1e-9) == pytest.approx(1)


@pytest.mark.parametrize("level", [0.5, 0.7, 0.9])
def test_levels_between_follow_the_normal_quantiles(level):
    assert _factor(_table(), level=level) == pytest.approx(NormalDist().inv_cdf(0.5 + level / 2), rel=1e-6)


@pytest.mark.parametrize("level", [0.49, 0.95])
def test_levels_beyond_those_that_were_measured_are_refused(level):
    told = f"the calibration is of intervals that enclose 0.5 to 0.9, not {level}"
    assert _table().refusal(Conditions(1, True, 0.0, 0.0, 0.0), level) == told


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Conditions(1, True, 0.26, 0.0, 0.0), "noise of a level near 66.3/255"),
        (Conditions(1, True, 0.2, 0.5, 1.0), "noise of a level near 51.0/255 and 50% of the pixels missing"),
        (Conditions(1, True, 0.1, 0.9, 1.0), "90% of the pixels missing"),
        (Conditions(1, True, 0.16, 0.0, 0.0), "noise of a level near 40.8/255"),
        (Conditions(1, False, 0.1, 0.0, 0.0), "coarse noise of a level near 25.5/255"),
        (Conditions(3, True, 0.0, 0.0, 0.0), "no colour calibration images had noise of a level near 0.0/255"),
        (Conditions(1, True, 0.0, 0.4, 9.0), "holes reach 9 pixels deep, those of the calibration images 3"),
    ],
)
def test_what_no_calibration_image_was_like_is_refused(seen, told):
    assert told in _table().refusal(seen, 0.9)


def test_half_a_step_beyond_the_last_node_is_still_like_it():
    assert _factor(_table(), missing=1.09) == pytest.approx(5 * 1.645, abs=3e-3)
    assert _table().refusal(Conditions(1, True, 0.0, 1.11, 0.0), 0.9) is not None


def test_a_depth_that_is_told_from_no_greater_one_is_refused():
    table = dataclasses.replace(_table(), reach=float(MAX_DISTANCE_PX))
    assert table.refusal(Conditions(1, True, 0.0, 0.0, MAX_DISTANCE_PX - 1.0), 0.9) is None
    assert f"reach {MAX_DISTANCE_PX} or more pixels deep" in table.refusal(
        Conditions(1, True, 0.0, 0.0, float(MAX_DISTANCE_PX)), 0.9
    )


def test_a_table_comes_back_from_its_card():
    table = _table()
    again = Table.from_json(json.loads(json.dumps(table.to_json())))
    assert again == dataclasses.replace(table)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v.pop("axes"),
        lambda v: v["factors"].update({"1,1,0,0": [[1.0]]}),
        lambda v: v["factors"].update({"1,1,9,0": v["factors"]["1,1,0,0"]}),
        lambda v: v["factors"].update({"one": v["factors"]["1,1,0,0"]}),
        lambda v: v.update({"strange": 1}),
    ],
)
def test_a_spoilt_table_is_told(spoil):
    values = json.loads(json.dumps(_table().to_json()))
    spoil(values)
    with pytest.raises(CheckpointError, match="calibration cannot be read"):
        Table.from_json(values)


def test_every_damaged_table_is_refused_with_a_sentence_or_read():
    seen, refused = Conditions(1, True, 0.0, 0.0, 0.0), 0
    for data in mutations(_table().to_json()):
        try:
            values = parse_json(data)
            table = Table.from_json(values) if isinstance(values, dict) else None
        except (CheckpointError, RecordError) as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert table is None or isinstance(table.refusal(seen, 0.7), str | None)
    assert refused > 500
