import math

import numpy as np
import pytest

from restorekit.core.errors import CheckpointError, UsageError
from restorekit.uncertainty.touch import CAP, LOG_ODDS, SHARES, TouchTable, fit_touch


def clean(count, seed):
    """Shares of pixels touched of pictures that differ in how much they look like damage."""
    generator = np.random.default_rng(seed)
    worst = generator.exponential(1.0, count)[:, None]
    return list(np.minimum(1, 0.004 * worst * np.exp(-0.6 * LOG_ODDS)[None] / math.exp(1)))


def test_the_promised_share_holds_on_average_over_calibrations():
    """Conformal risk control: the mean over calibrations and further pictures is at most the promised share."""
    for share in (1e-3, 5e-3):
        risks = []
        for seed in range(200):
            *some, further = clean(81, seed)
            table = fit_touch(some)
            at = int(np.argmin(np.abs(LOG_ODDS - table.threshold(share))))
            risks.append(min(CAP, further[at]))
        assert share * 0.3 < np.mean(risks) <= share * 1.25  # of 200 draws; the expectation is at most 1


def test_more_images_promise_smaller_shares():
    few, many = fit_touch(clean(20, 0)), fit_touch(clean(400, 0))
    assert few.shares[0] > many.shares[0]
    assert many.shares[-1] == SHARES[-1]
    with pytest.raises(UsageError, match="at least 2 images"):
        fit_touch(clean(1, 0))


def test_a_table_is_read_as_it_was_written():
    table = fit_touch(clean(100, 0), "some pictures")
    assert TouchTable.from_json(table.to_json()) == table
    with pytest.raises(CheckpointError):
        TouchTable.from_json({"shares": "none"})


def test_shares_between_those_of_the_table_are_interpolated_and_others_refused():
    table = TouchTable((1e-3, 1e-2), (4.0, 2.0), (1e-3, 1e-2), 50)
    assert table.threshold(10**-2.5) == pytest.approx(3.0)
    with pytest.raises(UsageError, match=r"from 0\.001 to 0\.01, got 0\.05"):
        table.threshold(0.05)
