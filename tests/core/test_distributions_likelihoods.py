import math

import pytest
import torch
from torch import distributions

from restorekit.core.distributions import Bernoulli, DiagonalGaussian, DiscretisedLogistic, capped, floored, per_image
from restorekit.core.rng import Rng

SHAPE = (2, 3, 4, 5)


def _normal(name, shape=SHAPE):
    return Rng(0).normal(name, shape, "cpu")


def _seen():
    return Rng(0).uniform("seen", (2, 1, 4, 5), "cpu") < 0.5


def test_per_image_sums_what_was_observed():
    values, seen = _normal("v"), _seen()
    expected = (values * seen).sum((1, 2, 3))
    torch.testing.assert_close(per_image(values, seen), expected)
    torch.testing.assert_close(per_image(values), values.sum((1, 2, 3)))


def test_per_image_leaves_out_what_is_not_finite_but_was_not_observed():
    values, seen = _normal("v"), _seen()
    assert per_image(torch.where(seen, values, torch.nan), seen).isfinite().all()


@pytest.mark.parametrize("logvar", [_normal("logvar"), torch.tensor(-3.0)], ids=["per value", "shared"])
def test_the_gaussian_is_torchs(logvar):
    mu, x = _normal("mu"), _normal("x")
    found = DiagonalGaussian(mu, logvar)
    reference = distributions.Normal(mu, (0.5 * logvar).exp().expand_as(mu))
    torch.testing.assert_close(found.log_prob(x), reference.log_prob(x).sum((1, 2, 3)))
    torch.testing.assert_close(found.log_prob(x, _seen()), (reference.log_prob(x) * _seen()).sum((1, 2, 3)))
    torch.testing.assert_close(found.mean, reference.mean)
    torch.testing.assert_close(found.variance, reference.variance)


def test_temperature_scales_the_deviation_of_a_gaussian_draw():
    q = DiagonalGaussian(_normal("mu"), _normal("logvar"))
    one, half = q.sample(Rng(1)) - q.mean, q.sample(Rng(1), 0.5) - q.mean
    torch.testing.assert_close(half, 0.5 * one)
    assert torch.equal(q.sample(Rng(1), 0.0), q.mean)


def test_draws_of_a_gaussian_have_its_moments():
    shape = (20000, 1, 1, 2)
    q = DiagonalGaussian(torch.full(shape, 0.3), torch.full(shape, math.log(0.04)))
    x = q.sample(Rng(1)).double()
    assert abs(float(x.mean()) - 0.3) < 5 * 0.2 / math.sqrt(40000)
    assert abs(float(x.var()) - 0.04) < 5 * 0.04 * math.sqrt(2 / 40000)


def test_the_bernoulli_is_torchs_and_takes_gray_values():
    logits, x = _normal("logits"), _normal("x").sigmoid()
    found = Bernoulli(logits)
    reference = distributions.Bernoulli(logits=logits, validate_args=False)
    for values in (x, x.round()):
        torch.testing.assert_close(found.log_prob(values), reference.log_prob(values).sum((1, 2, 3)))
    torch.testing.assert_close(found.mean, reference.mean)
    torch.testing.assert_close(found.variance, reference.variance)


def test_draws_of_a_bernoulli_are_zeros_and_ones_at_its_rate():
    x = Bernoulli(torch.full((1, 1, 200, 200), math.log(0.2 / 0.8))).sample(Rng(1))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert abs(float(x.mean()) - 0.2) < 5 * math.sqrt(0.16 / 40000)


@pytest.mark.parametrize("levels", [2, 16, 256])
@pytest.mark.parametrize("mu", [-0.2, 0.0, 0.31, 0.9, 1.3])
@pytest.mark.parametrize("logscale", [-7.0, -4.0, -1.0, 1.0])
def test_the_discretised_logistic_sums_to_one(levels, mu, logscale):
    bins = torch.linspace(0, 1, levels).view(-1, 1, 1, 1)
    found = DiscretisedLogistic(torch.full_like(bins, mu), torch.tensor(logscale), levels).log_prob(bins)
    assert float(found.double().exp().sum()) == pytest.approx(1, abs=2e-5)


def test_the_discretised_logistic_is_a_difference_of_distribution_functions():
    mu, scale, x = torch.tensor([[[[0.42]]]]), 0.02, torch.tensor([[[[100 / 255]]]])
    found = DiscretisedLogistic(mu, torch.tensor(scale).log()).log_prob(x)
    ends = torch.tensor([99.5 / 255, 100.5 / 255], dtype=torch.float64)
    low, high = ((ends - 0.42) / scale).sigmoid()
    assert float(found) == pytest.approx(float((high - low).log()), abs=1e-4)


@pytest.mark.parametrize("mu", [-5.0, 0.5, 6.0])
@pytest.mark.parametrize("logscale", [-7.0, 1.0])
def test_gradients_of_the_discretised_logistic_are_finite_in_the_tails(mu, logscale):
    x = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    centre, spread = torch.full_like(x, mu).requires_grad_(), torch.tensor(logscale, requires_grad=True)
    found = DiscretisedLogistic(centre, spread).log_prob(x)
    found.sum().backward()
    assert found.isfinite().all()
    assert centre.grad.isfinite().all()
    assert spread.grad.isfinite()


def test_draws_of_the_discretised_logistic_follow_its_probabilities():
    mu = torch.full((1, 1, 200, 200), 0.3)
    law = DiscretisedLogistic(mu, torch.tensor(-2.0), 8)
    x = (law.sample(Rng(1)) * 7).round().long().flatten()
    bins = torch.arange(8).view(-1, 1, 1, 1) / 7
    p = DiscretisedLogistic(torch.full_like(bins, 0.3), torch.tensor(-2.0), 8).log_prob(bins).exp()
    expected = p * x.numel()
    chi2 = float(((torch.bincount(x, minlength=8) - expected) ** 2 / expected).sum())
    assert chi2 < 7 + 5 * math.sqrt(14)


def test_gradients_of_the_gaussian_are_finite_far_away():
    mu, logvar = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.full((1, 1, 2, 2), -11.0, requires_grad=True)
    DiagonalGaussian(mu, logvar).log_prob(torch.full((1, 1, 2, 2), 5.0)).sum().backward()
    assert mu.grad.isfinite().all()
    assert logvar.grad.isfinite().all()


def test_a_floored_variance_never_falls_below_its_floor_and_is_free_above():
    raw = torch.linspace(-100, 20, 500, requires_grad=True)
    found = floored(raw, 0.01)
    assert float(found.min().detach()) >= 2 * math.log(0.01) - 1e-5
    torch.testing.assert_close(found[-1], raw[-1])
    assert (found.diff() >= 0).all()
    found.sum().backward()
    assert raw.grad.isfinite().all()


def test_a_capped_variance_never_rises_above_its_cap_and_is_free_below():
    logvar = torch.linspace(-20, 100, 500, requires_grad=True)
    found = capped(logvar, 0.5)
    assert float(found.max().detach()) <= 2 * math.log(0.5)
    torch.testing.assert_close(found[0], logvar[0])
    assert (found.diff() >= 0).all()
    found.sum().backward()
    assert logvar.grad.isfinite().all()
