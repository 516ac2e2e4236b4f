import pytest
import torch

from restorekit.core.errors import UndefinedMetricError
from restorekit.core.types import Restoration
from restorekit.evaluation.metrics import uncertainty
from tests._helpers.observations import draw, seen


def test_coverage_of_the_right_spread_is_090():
    x = draw(1, 1, 300, 300)
    error = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    right = Restoration(x + error, std=torch.full_like(x, 0.1))
    assert uncertainty.Coverage90()(right, x, seen(x, sigma=0.1)) == pytest.approx(0.9, abs=0.004)  # 4 standard errors
    assert uncertainty.Width90()(right, x, seen(x, sigma=0.1)) == pytest.approx(0.32897, abs=1e-5)


def test_coverage_counts_only_missing_or_noisy_values():
    x = draw(1, 1, 4, 4)
    observed = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    observed[..., 0, :] = False
    std = torch.ones_like(x)
    std[..., 0, :2] = 0.001
    wrong = Restoration(x + 0.1, std=std)
    assert uncertainty.Coverage90()(wrong, x, seen(x, observed, sigma=0.0)) == 0.5
    assert uncertainty.Coverage90()(wrong, x, seen(x, observed, sigma=0.2)) == pytest.approx(14 / 16)
    assert uncertainty.Coverage90()(wrong, x, seen(x, observed)) == pytest.approx(14 / 16)


def test_a_calibrated_interval_goes_before_the_spread():
    x = draw(1, 1, 4, 4)
    both = Restoration(x, std=torch.full_like(x, 0.3), low=x + 0.1, high=x + 0.3)
    assert uncertainty.Coverage90()(both, x, seen(x)) == 0.0
    assert uncertainty.Width90()(both, x, seen(x)) == pytest.approx(0.2)


def test_coverage_needs_a_spread_and_something_unknown():
    x = draw(1, 1, 4, 4)
    for metric in (uncertainty.Coverage90(), uncertainty.Width90()):
        with pytest.raises(UndefinedMetricError, match="no spread"):
            metric(Restoration(x), x, seen(x))
        with pytest.raises(UndefinedMetricError, match="nothing was missing or noisy"):
            metric(Restoration(x, std=x), x, seen(x, sigma=0.0))


def test_coverage_counts_everything_where_the_corruption_changes_the_shape():
    x = draw(1, 3, 4, 4)
    std = torch.ones_like(x)
    std[:, 0] = 0.0
    gray = seen(x[:, :1], sigma=0.0)
    half = seen(x[..., ::2], sigma=0.0)
    wrong = Restoration(x + 0.1, std=std)
    assert uncertainty.Coverage90()(wrong, x, half) == pytest.approx(2 / 3)
    assert uncertainty.Coverage90()(wrong, x, gray) == pytest.approx(2 / 3)


def test_the_winkler_score_of_normal_intervals_is_the_closed_form_and_the_least():
    """sigma (2 z + 2 / alpha * 2 (phi(z) - z (1 - Phi(z)))) = 4.1255 sigma at 90 %; any other width scores worse."""
    x = torch.zeros(1, 1, 400, 400)
    error = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    scores = {}
    for factor in (0.7, 1.0, 1.4):
        found = Restoration(error, std=torch.full_like(x, 0.1 * factor))
        scores[factor] = uncertainty.Winkler90()(found, x, seen(x))
    assert scores[1.0] == pytest.approx(0.41255, rel=0.01)
    assert scores[1.0] < min(scores[0.7], scores[1.4])


def test_a_spread_that_knows_the_errors_ranks_them_perfectly_and_its_reverse_not_at_all():
    x = torch.zeros(1, 1, 20, 20)
    error = draw(1, 1, 20, 20)
    right, wrong = Restoration(error, std=error**2), Restoration(error, std=1 - error)
    assert uncertainty.Spearman()(right, x, seen(x)) == pytest.approx(1)
    assert uncertainty.Spearman()(wrong, x, seen(x)) == pytest.approx(-1)
    assert uncertainty.Sparsification()(right, x, seen(x)) == pytest.approx(0, abs=1e-12)
    assert uncertainty.Sparsification()(wrong, x, seen(x)) > 0.3


def test_a_spread_that_knows_nothing_leaves_the_area_of_the_oracle():
    """Uniform errors: by the oracle sqrt of the mean of squares up to 1 - f is (1 - f); by chance it stays 1."""
    x = torch.zeros(1, 1, 300, 300)
    error = draw(1, 1, 300, 300)
    chance = Restoration(error, std=torch.rand(x.shape, generator=torch.Generator().manual_seed(5)))
    assert uncertainty.Sparsification()(chance, x, seen(x)) == pytest.approx(0.5, abs=0.02)
    assert uncertainty.Spearman()(chance, x, seen(x)) == pytest.approx(0, abs=0.02)


def test_ranking_needs_a_spread_and_errors_that_differ():
    x = draw(1, 1, 4, 4)
    for metric, why in ((uncertainty.Spearman(), "no order"), (uncertainty.Sparsification(), "no error to rank")):
        with pytest.raises(UndefinedMetricError, match="no spread"):
            metric(Restoration(x + 0.1), x, seen(x))
        with pytest.raises(UndefinedMetricError, match=why):
            metric(Restoration(x, std=x), x, seen(x))


def test_coverage_by_width_shows_where_the_spread_is_wrong():
    """Widths grow from left to right and errors do not: the narrow tenths are overconfident, the wide ones not."""
    x = torch.zeros(1, 1, 100, 100)
    std = torch.linspace(0.02, 0.2, 100).expand(1, 1, 100, 100)
    found = uncertainty.coverage_by_width(Restoration(torch.full_like(x, 0.1), std=std), x, seen(x))
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 1)
    assert sum(found) / 10 == pytest.approx(uncertainty.Coverage90()(Restoration(x + 0.1, std=std), x, seen(x)))
    assert uncertainty.coverage_by_width(Restoration(x), x, seen(x)) is None
    assert uncertainty.coverage_by_width(Restoration(x, std=std), x, seen(x, sigma=0.0)) is None
