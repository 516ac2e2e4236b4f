import dataclasses

import pytest
import torch
from torch import distributions

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.models import CVAE
from restorekit.models.cvae.error_fields import KINDS, MARGIN
from restorekit.models.cvae.inference_network import Inferred, Posterior, bounded, drawn, gaussian, inside
from restorekit.testing._assertions import shake

SMALL = CVAE.Config(**CVAE.presets["small"])
SIZE = (16, 24)


def _posterior(config=SMALL):
    posterior = testing.build(CVAE, config).around.posterior
    assert isinstance(posterior, Posterior)
    shake(posterior)
    return posterior


def _inputs(channels=3, value=None):
    u = Rng(1).normal("u", (2, channels, *SIZE), "cpu") if value is None else torch.full((2, channels, *SIZE), value)
    finest = Rng(2).normal("f", (2, SMALL.widths[0], 8, 12), "cpu")
    white = testing.build(CVAE, SMALL).around.fields.white(Rng(3), 2, SIZE, torch.device("cpu"))
    return u, torch.ones_like(u, dtype=torch.bool), finest, white


@pytest.mark.parametrize("channels", [1, 3])
def test_latents_and_rates_stand_at_every_level_finest_first(channels):
    found = _posterior()(*_inputs(channels))
    grids = [(16, 24), (8, 12), (4, 6)]
    assert [tuple(kl.shape) for kl in found.rates] == [(2, KINDS, *grid) for grid in grids]
    assert [tuple(z.shape) for z in found.latents] == [(2, KINDS, h + 2 * MARGIN, w + 2 * MARGIN) for h, w in grids]
    assert all(float(kl.min().detach()) >= 0 for kl in found.rates)


def test_the_rate_is_the_divergence_from_the_prior_and_around_the_image_latents_are_the_priors():
    raw = Rng(0).normal("raw", (2, 2 * KINDS, 4, 6), "cpu")
    white = Rng(1).normal("white", (2, KINDS, 4 + 2 * MARGIN, 6 + 2 * MARGIN), "cpu")
    law = gaussian(raw)
    z = drawn(law, white)
    kl = Inferred([z], [law]).rates[0]
    mu, logvar = bounded(raw).chunk(2, 1)
    q = distributions.Normal(mu, (0.5 * logvar).exp())
    expected = distributions.kl_divergence(q, distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(kl, expected, rtol=1e-3, atol=1e-4)
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    torch.testing.assert_close(z[inner], mu + q.stddev * white[inner])
    outside = torch.ones_like(z, dtype=torch.bool)
    outside[inner] = False
    assert torch.equal(z[outside], white[outside])


def test_the_ratio_to_the_prior_is_that_of_densities_within_the_margin_and_its_mean_the_rate():
    posterior, (u, unknown, finest, _) = _posterior(), _inputs()
    white = testing.build(CVAE, SMALL).around.fields.white(Rng(4), 2 * 300, SIZE, torch.device("cpu"))
    with torch.no_grad():
        found = posterior(u, unknown, finest, white)
        ratios = found.log_ratios(found.latents)
    q = distributions.Normal(found.laws[1].mu, (0.5 * found.laws[1].logvar).exp())
    z = inside(found.latents[1])
    expected = (q.log_prob(z) - distributions.Normal(0.0, 1.0).log_prob(z)).flatten(1).sum(1)
    torch.testing.assert_close(ratios[1], expected, rtol=1e-4, atol=1e-3)
    for ratio, kl in zip(ratios, found.rates, strict=True):
        apart = ratio.view(300, 2) - kl.flatten(1).sum(1).view(300, 2)
        assert (apart.mean(0).abs() < 4 * apart.std(0) / 300**0.5).all()


def test_given_latents_take_the_place_of_draws():
    posterior, (u, unknown, finest, white) = _posterior(), _inputs()
    first = posterior(u, unknown, finest, white)
    again = posterior(u, unknown, finest, [torch.zeros_like(w) for w in white], first.latents)
    assert all(torch.equal(a, b) for a, b in zip(first.latents, again.latents, strict=True))
    assert all(torch.equal(a.mu, b.mu) for a, b in zip(first.laws, again.laws, strict=True))


def test_coarser_draws_are_seen_by_the_finer_levels():
    posterior, (u, unknown, finest, white) = _posterior(), _inputs()
    other = [white[0], white[1], white[2] + 1]
    first, second = (posterior(u, unknown, finest, w).rates for w in (white, other))
    assert torch.equal(first[2], second[2])
    assert not torch.equal(first[0], second[0])


def test_a_far_outlier_and_a_farther_one_are_seen_alike():
    posterior = _posterior()
    far, farther, near = (posterior(*_inputs(value=value)).rates[0] for value in (10.0, 1e4, 9.0))
    assert torch.equal(far, farther)
    assert not torch.equal(far, near)


def test_an_untrained_posterior_is_the_prior():
    found = testing.build(CVAE, dataclasses.replace(SMALL)).around.posterior(*_inputs())
    assert not any(kl.any() for kl in found.rates)


def test_no_parameter_of_a_latent_leaves_its_bounds_and_small_ones_stay():
    raw = torch.tensor([-1e9, -5.0, -0.01, 0.0, 0.01, 5.0, 1e9])
    found = bounded(raw)
    assert float(found.abs().max()) <= 5
    torch.testing.assert_close(found[2:5], raw[2:5], rtol=1e-4, atol=1e-6)
    assert (found.diff() > 0).all()
