import numpy as np
import pytest

from restorekit.uncertainty.conformal import RATIOS, Tally, scores, sums


def test_the_risk_of_one_more_image_is_counted_as_its_worst():
    """conformal risk control, eq. 4: (n R + 1) / (n + 1) <= alpha."""
    tally = Tally()
    for i in range(40):
        tally.add(np.linspace(0.01, 1, 100) * (1 + i % 2))
    factor = float(tally.factors(0.9, 1)[0])
    risk = np.mean([np.mean(np.linspace(0.01, 1, 100) * (1 + i % 2) > factor) for i in range(40)])
    below = RATIOS[np.searchsorted(RATIOS, factor) - 1]
    before = np.mean([np.mean(np.linspace(0.01, 1, 100) * (1 + i % 2) > below) for i in range(40)])
    assert (40 * risk + 1) / 41 <= 0.1 < (40 * before + 1) / 41
    assert np.isnan(Tally().factors(0.9, 1)[0])


def test_scores_from_sums_are_coverage_width_and_winkler():
    factor = float(RATIOS[100])
    error, half = np.array([0.0, 1.0, 3.0]) * factor, np.array([1.0, 1.1, 1.0])
    width = 2 * factor * 3.1 / 3
    assert scores(sums(error, half), factor, 0.9) == pytest.approx((2 / 3, width, width + 20 * 2 * factor / 3))
