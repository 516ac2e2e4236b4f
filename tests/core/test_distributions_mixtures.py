import pytest
import torch

from restorekit.core.distributions import DiscretisedLogistic, LogisticMixture
from restorekit.core.rng import Rng


def test_a_mixture_of_one_component_is_the_discretised_logistic(images):
    x = (images(2, 3, 6, 5) * 255).round() / 255
    mu, logscale = images(2, 3, 6, 5, seed=3), torch.tensor(-2.5)
    one = LogisticMixture(torch.zeros(2, 1, 1, 6, 5), mu[:, None], logscale.expand(2, 1, 3, 6, 5))
    other = DiscretisedLogistic(mu, logscale)
    torch.testing.assert_close(one.log_prob(x), other.log_prob(x))
    torch.testing.assert_close(one.variance, other.variance)


def test_a_mixture_s_probabilities_add_up_to_one_and_have_its_moments():
    raw = Rng(0).normal("raw", (1, 5 * 3, 1, 1), "cpu")
    mixture = LogisticMixture.read(raw, 1)
    grid = (torch.arange(256) / 255).view(-1, 1, 1, 1)
    many = LogisticMixture(*(t.expand(256, *t.shape[1:]) for t in (mixture.logits, mixture.mu, mixture.logscale)))
    p = many.log_prob(grid).double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    narrow = LogisticMixture(many.logits, many.mu.clamp(0.2, 0.8), many.logscale.clamp_max(-5.0))
    p = narrow.log_prob(grid).double().exp()
    mean = float((p * grid.flatten()).sum())
    assert mean == pytest.approx(float(narrow.mean[0]), abs=1e-3)
    variance = float((p * (grid.flatten() - mean) ** 2).sum())
    assert variance == pytest.approx(float(narrow.variance[0]), rel=0.02, abs=1e-5)


def test_draws_of_a_mixture_have_its_probabilities():
    raw = torch.tensor([0.5, -0.5, 0.3, -0.2, 0.1, 0.2]).view(1, 6, 1, 1)  # two components of one channel
    mixture = LogisticMixture.read(raw.expand(20000, 6, 1, 1), 1)
    drawn = mixture.sample(Rng(1)).flatten()
    values = (torch.tensor([0.0, 1.0])).view(-1, 1, 1, 1)
    two = LogisticMixture.read(raw.expand(2, 6, 1, 1), 1)
    for value, p in zip((0.0, 1.0), two.log_prob(values).exp().tolist(), strict=True):
        found = float((drawn == value).float().mean())
        assert abs(found - p) < 4 * (p * (1 - p) / 20000) ** 0.5


def test_channels_of_a_mixture_share_their_component_and_a_missing_one_is_left_out_exactly():
    raw = Rng(0).normal("raw", (1, 5 * 7, 1, 1), "cpu")
    law = LogisticMixture.read(raw.expand(256, -1, 1, 1), 3)
    seen = torch.tensor([True, True, False]).view(1, 3, 1, 1)
    x = torch.tensor([0.2, 0.7, 0.0]).view(1, 3, 1, 1).repeat(256, 1, 1, 1)
    x[:, 2, 0, 0] = torch.arange(256) / 255
    torch.testing.assert_close(law.log_prob(x).logsumexp(0), law.log_prob(x, seen.expand(256, -1, -1, -1))[0])
