import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import SaltPepper


def _law(x, rate, values):
    """Probability of each value of y, one image each."""
    y = torch.tensor(values).view(-1, 1, 1, 1)
    o = Observation(y, torch.ones_like(y).bool(), (1, 1, 1), params={"rate": torch.full_like(y, rate)})
    return SaltPepper(rate).log_prob(o, torch.full_like(y, x)).exp()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("x", [0.25, 0.0, 1.0])
def test_the_law_is_the_closed_form_and_sums_to_one(rate, x):
    p = _law(x, rate, [0.0, 1.0, 0.25])
    kept = torch.tensor([x == 0.0, x == 1.0, x == 0.25]).float()
    expected = torch.tensor([rate / 2, rate / 2, 0.0]) + (1 - rate) * kept
    torch.testing.assert_close(p, expected)
    assert float(p.sum()) == pytest.approx(1)


def test_simulated_frequencies_match_the_law():
    x, rate = torch.full((1, 1, 300, 300), 0.25), 0.2
    y = SaltPepper(rate)(x, Rng(0, ("a",))).y.flatten()
    counts = torch.stack([(y == v).sum() for v in (0.0, 1.0, 0.25)]).double()
    assert counts.sum() == y.numel()
    expected = _law(0.25, rate, [0.0, 1.0, 0.25]).double() * y.numel()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert chi2 < 2 + 5 * math.sqrt(4)


def test_a_value_that_cannot_be_has_probability_zero():
    assert float(_law(0.25, 0.2, [0.7])) == 0


def test_which_values_were_replaced_is_not_told():
    observation = SaltPepper(0.5)(torch.full((1, 1, 8, 8), 0.5), Rng(0))
    assert observation.observed.all()
    assert observation.sigma is None
