import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.evaluation.likelihood import Grid, LatentUse, grid, score
from restorekit.models import VAE
from restorekit.testing._assertions import perturb, random_images
from tests._helpers.linear_gaussian import updated
from tests._helpers.linear_hierarchy import Bare, Ladder
from tests._helpers.toy_models import ALL, observed


def _exact(model, x):
    law = torch.distributions.MultivariateNormal(model.centre.detach(), model.covariance())
    return -law.log_prob(x.flatten(1))


def test_where_q_is_the_true_posterior_one_draw_gives_the_exact_likelihood():
    model, o = observed(0.0, ALL)
    found = score(model, o.y, None, 1, 1, Rng(0))
    torch.testing.assert_close(found.nelbo, _exact(model, o.y), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.nll, found.nelbo)
    torch.testing.assert_close(found.nelbo, found.distortion + found.rate)


class Poor:
    """PCA with a q that is too wide and off."""

    def __init__(self, model):
        self._model = model
        self.decode, self.prior = model.decode, model.prior

    def infer(self, x, observed=None, label=None):
        q = self._model.infer(x)
        return type(q)(q.mu + 0.3, 1.5 * q.scale)


def test_with_a_poor_q_the_bound_tightens_with_k_to_the_exact_likelihood():
    model, o = observed(0.0, ALL)
    x = o.y[:1].expand(400, -1, -1, -1)
    bounds = [float(score(Poor(model), x, None, k, 64, Rng(0)).nll.mean()) for k in (1, 5, 50, 500)]
    exact = float(_exact(model, x[:1]))
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > exact + 0.3
    assert bounds[-1] == pytest.approx(exact, abs=0.01)


def test_draws_in_chunks_are_as_good_as_at_once_and_few_of_poor_ones_count():
    model, o = observed(0.0, ALL)
    rng = Rng(0, ("a", "b"))
    one, many = (score(Poor(model), o.y, None, 60, chunk, rng) for chunk in (60, 7))
    torch.testing.assert_close(one.nll, many.nll)
    assert bool(((one.effective > 1) & (one.effective < 59)).all())
    assert score(model, o.y, None, 60, 60, rng).effective.tolist() == pytest.approx([60, 60], rel=1e-3)


@pytest.fixture
def ladder():
    """A model with two levels of latents, and one image 4000 times."""
    model, o = observed(0.0, ALL, cls=Ladder)
    return model, o.y[:1].expand(4000, -1, -1, -1)


def _divergence(mean, covariance, prior):
    return float(kl_divergence(MultivariateNormal(mean, covariance), MultivariateNormal(*prior)))


def test_rates_of_levels_make_the_rate_and_are_the_divergences_of_the_levels(ladder):
    """Of the upper level in closed form, and of the lower what is left of that of both (the chain rule)."""
    model, x = ladder
    mean, covariance, weight = model.joined()
    q = updated(mean, covariance, weight, model.spreads()[2], x[0].flatten() - model.offset)
    spread, top = q.scale @ q.scale.T, model.config.latent[0]
    both = _divergence(q.mean, spread, (mean, covariance))
    upper = _divergence(q.mean[:top], spread[:top, :top], (mean[:top], covariance[:top, :top]))
    found = score(model, x, None, 1, 1, Rng(0))
    assert found.rates.shape == (2, len(x))
    torch.testing.assert_close(found.rate, found.rates.sum(0))
    torch.testing.assert_close(found.nelbo, _exact(model, x), rtol=1e-4, atol=1e-4)
    for rates, exact in zip(found.rates, (upper, both - upper), strict=True):
        assert exact > 0.3
        assert float(rates.mean()) == pytest.approx(exact, abs=5 * float(rates.std()) / len(x) ** 0.5)


def test_a_model_that_does_not_tell_of_its_levels_has_the_rate_of_all(ladder, monkeypatch):
    model, x = ladder
    both, infer = score(model, x[:9], None, 5, 2, Rng(0)), model.infer

    def bare(*given):
        q = infer(*given)
        return Bare(q.top, q.below)

    monkeypatch.setattr(model, "infer", bare)
    found = score(model, x[:9], None, 5, 2, Rng(0))
    assert found.rates.shape == (1, 9)
    torch.testing.assert_close(found.rate, both.rate, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.nll, both.nll)


def test_bits_of_a_uniform_density_are_those_of_the_grid():
    """- log 1 = 0 nats for each value, which costs log2 of the number of steps."""
    assert float(Grid(256, True, "").bits(torch.zeros(1), 10)) == pytest.approx(math.log2(255))
    assert float(Grid(0, True, "").bits(torch.zeros(1), 10)) == 0
    assert float(Grid(2, False, "").bits(torch.tensor([10 * math.log(2)]), 10)) == pytest.approx(1)


def test_uniform_noise_over_a_step_is_added_to_what_has_a_density():
    x = torch.full((2, 1, 50, 50), 0.5)
    moved = 255 * (Grid(256, True, "").dequantised(x, Rng(0)) - x)
    assert -0.5 <= float(moved.min()) < -0.49
    assert 0.49 < float(moved.max()) <= 0.5
    assert Grid(256, False, "").dequantised(x, Rng(0)) is x
    assert Grid(0, True, "").dequantised(x, Rng(0)) is x


@pytest.mark.parametrize(
    ("likelihood", "levels", "density"),
    [("bernoulli", 2, False), ("logistic", 256, False), ("gaussian", 256, True), ("gaussian-pixel", 256, True)],
)
def test_bits_are_of_what_the_decoder_has_a_law_for(likelihood, levels, density):
    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2, likelihood=likelihood))
    on = grid(model, random_images(1, 1, 8, 8), 256)
    assert (on.levels, on.density) == (levels, density)


def test_latents_that_do_not_vary_are_not_in_use():
    use, model = LatentUse(), testing.build(VAE, VAE.Config(hidden=(8, 8), latent=3))
    perturb(model)
    means = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.01, 0.5])
    for some in means.split(50):
        use.add((some, some[:, :1]))
    assert use.active() == [(2, 3), (1, 1)]
