import math

import pytest
import torch
from torch import distributions

from restorekit.core.rng import Rng
from restorekit.corruptions import Poisson

X = torch.linspace(0.05, 1.0, 48).view(2, 1, 4, 6)


def test_log_prob_is_that_of_the_counts():
    corruption = Poisson(20.0)
    observation = corruption(X, Rng(0))
    counts = (observation.y * 20).round()
    expected = distributions.Poisson(20 * X).log_prob(counts).sum((1, 2, 3))
    torch.testing.assert_close(corruption.log_prob(observation, X), expected, rtol=1e-4, atol=1e-3)


def test_y_is_a_count_over_the_peak_with_the_right_moments():
    y = Poisson(8.0)(torch.full((1, 1, 300, 300), 0.5), Rng(0, ("a",))).y.double()
    counts = y * 8
    assert torch.equal(counts, counts.round())
    assert abs(float(counts.mean()) - 4) < 5 * 2 / 300
    assert abs(float(counts.var()) - 4) < 5 * math.sqrt(4 + 2 * 16) / 300


def test_the_law_sums_to_one_and_matches_what_is_simulated():
    x = torch.full((1, 1, 200, 200), 0.3)
    observation = Poisson(10.0)(x, Rng(0, ("a",)))
    counts = (observation.y * 10).round().long().flatten()
    k = torch.arange(12.0).view(-1, 1, 1, 1)
    single = type(observation)(
        k / 10, torch.ones_like(k).bool(), (1, 1, 1), None, None, {"peak": torch.full_like(k, 10.0)}
    )
    p = Poisson(10.0).log_prob(single, torch.full_like(k, 0.3)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)
    expected = p[:10] * counts.numel()
    chi2 = float(((torch.bincount(counts, minlength=12)[:10] - expected) ** 2 / expected).sum())
    assert chi2 < 9 + 5 * math.sqrt(18)


def test_black_and_negative_intensities_give_no_photons():
    observation = Poisson(30.0)(torch.tensor([-0.5, 0.0]).view(1, 1, 1, 2), Rng(0))
    assert observation.y.flatten().tolist() == [0, 0]
    assert Poisson(30.0).log_prob(observation, torch.zeros(1, 1, 1, 2)).tolist() == pytest.approx([0.0], abs=1e-9)


def test_the_noise_level_is_not_told_as_gaussian():
    assert Poisson(30.0)(X, Rng(0)).sigma is None
