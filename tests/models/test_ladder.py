import pytest
import torch
from torch import distributions

from restorekit import testing
from restorekit.likelihoods import DiagonalGaussian
from restorekit.models import CVAE
from restorekit.models.ladder import LEAST, Ladder, Rung, bounded
from restorekit.noise import Noise
from restorekit.testing.facts import pictures, shake

SMALL = CVAE.Config(**CVAE.presets["small"])


def _ladder():
    ladder = testing.build(CVAE, SMALL).ladder
    assert isinstance(ladder, Ladder)
    shake(ladder)
    return ladder


def _features():
    """What a trunk gives for images of 16 x 24, finest first."""
    widths = enumerate(SMALL.widths)
    return tuple(Noise(i).normal("f", (2, w, 8 >> i, 12 >> i), "cpu") for i, w in widths)


def test_the_rate_of_each_level_is_the_divergence_of_its_posterior_from_its_prior(monkeypatch):
    drawn = []
    before = DiagonalGaussian.sample
    monkeypatch.setattr(DiagonalGaussian, "sample", lambda self, noise: drawn.append(self) or before(self, noise))
    rung = testing.build(CVAE, SMALL).ladder.rungs[0]
    assert isinstance(rung, Rung)
    shake(rung)
    h, features, seen = (Noise(i).normal("h", (2, 16, 4, 4), "cpu") for i in range(3))
    _, kl = rung(h, features, seen, Noise(0))
    _, nothing = rung(h, features, None, Noise(0))
    posterior, prior = (distributions.Normal(d.mu, (0.5 * d.logvar).exp()) for d in drawn)
    torch.testing.assert_close(kl, distributions.kl_divergence(posterior, prior), rtol=1e-3, atol=1e-4)
    assert nothing is None
    assert float(kl.min().detach()) >= 0
    assert float(kl.max().detach()) > 0


def test_what_the_posterior_sees_stands_at_every_level_finest_first():
    ladder, features = _ladder(), _features()
    u = Noise(9).normal("u", (2, 3, 16, 24), "cpu")
    seen = ladder.recognise(u, torch.ones(2, 1, 16, 24, dtype=torch.bool), features)
    assert [tuple(s.shape) for s in seen] == [(2, 16, 8, 12), (2, 16, 4, 6)]


def test_a_far_outlier_and_a_farther_one_are_seen_alike():
    ladder, features, unknown = _ladder(), _features(), torch.ones(2, 3, 16, 24, dtype=torch.bool)
    far, farther, near = (
        ladder.recognise(torch.full((2, 3, 16, 24), value), unknown, features)[0] for value in (10.0, 1e4, 9.0)
    )
    assert torch.equal(far, farther)
    assert not torch.equal(far, near)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_ladder_gives_a_density_of_every_pixel_and_the_rate_of_each_level_coarsest_first(channels):
    ladder, features = _ladder(), _features()
    u, unknown = pictures(2, channels, 16, 24), torch.ones(2, 1, 16, 24, dtype=torch.bool)
    found, rates = ladder(features, ladder.recognise(u, unknown, features), Noise(0), channels)
    assert found.mean.shape == found.variance.shape == (2, channels, 16, 24)
    assert [tuple(rate.shape) for rate in rates] == [(2, 4, 4, 6), (2, 4, 8, 12)]
    assert float(found.variance.detach().min()) >= LEAST**2


def test_without_an_image_to_see_the_latents_come_from_the_prior_and_cost_nothing():
    ladder, features = _ladder(), _features()
    found, rates = ladder(features, None, Noise(0), 3)
    assert rates == []
    assert torch.equal(found.mean, ladder(features, None, Noise(0), 3)[0].mean)
    assert not torch.equal(found.mean, ladder(features, None, Noise(1), 3)[0].mean)


def test_no_parameter_of_a_latent_leaves_its_bounds_and_small_ones_stay():
    raw = torch.tensor([-1e9, -5.0, -0.01, 0.0, 0.01, 5.0, 1e9])
    found = bounded(raw)
    assert float(found.abs().max()) <= 5
    torch.testing.assert_close(found[2:5], raw[2:5], rtol=1e-4, atol=1e-6)
    assert (found.diff() > 0).all()
