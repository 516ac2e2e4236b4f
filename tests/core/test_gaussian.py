import math

import pytest
import torch

from restorekit.core.distributions import Bernoulli, DiagonalGaussian
from restorekit.core.gaussian import evidence, posterior, redraw
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from tests._helpers.linear_gaussian import PCA, PCAConfig

SEEN = torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool).view(1, 1, 2, 3)


def test_the_product_of_decoder_and_noise_is_the_closed_form():
    mu, y = torch.tensor([0.2, 0.6, 0.4]).view(1, 1, 1, 3), torch.tensor([0.5, 0.0, 0.9]).view(1, 1, 1, 3)
    likelihood = DiagonalGaussian(mu, torch.full_like(mu, math.log(0.09)))
    observed = torch.tensor([True, False, True]).view(1, 1, 1, 3)
    mean, variance = posterior(likelihood, Observation(y, observed, (1, 1, 3), torch.full((1, 1, 1, 1), 0.4)))
    precision = 1 / 0.09 + 1 / 0.16
    noisy = (mu / 0.09 + y / 0.16) / precision
    torch.testing.assert_close(mean, torch.where(observed, noisy, mu))
    torch.testing.assert_close(variance, torch.where(observed, torch.tensor(1 / precision), torch.tensor(0.09)))


def test_an_exact_value_is_returned_without_variance():
    mu = torch.zeros(1, 1, 1, 2)
    y, observed = torch.tensor([0.7, 0.0]).view(1, 1, 1, 2), torch.tensor([True, False]).view(1, 1, 1, 2)
    mean, variance = posterior(DiagonalGaussian(mu, mu), Observation(y, observed, (1, 1, 2), torch.zeros(1, 1, 1, 1)))
    assert mean.flatten().tolist() == pytest.approx([0.7, 0.0])
    assert variance.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_the_evidence_is_that_of_the_marginal_law(sigma):
    """Averaged over z from the prior, p(y | z) is p(y), which PCA has in closed form."""
    model, observed = PCA(PCAConfig()).eval(), SEEN.flatten()
    y = torch.tensor([0.3, 0.0, 0.9, 0.6, 0.0, 0.0]).view(1, 1, 2, 3)
    o = Observation(y, SEEN, (1, 2, 3), torch.full((1, 1, 1, 1), sigma)).expand(200_000)
    with torch.no_grad():
        found = evidence(model.decode(model.prior().sample(200_000, (1, 2, 3), Rng(0))), o).logsumexp(0) - math.log(2e5)
        covariance = model.covariance()[observed][:, observed] + sigma**2 * torch.eye(3)
        law = torch.distributions.MultivariateNormal(model.centre[observed], covariance)
    assert float(found) == pytest.approx(float(law.log_prob(y.flatten()[observed])), abs=0.02)


def test_what_is_missing_is_drawn_from_the_decoder_itself():
    likelihood = Bernoulli(torch.full((500, 1, 2, 3), -1.0))
    o = Observation(torch.ones(500, 1, 2, 3) * SEEN, SEEN.expand(500, -1, -1, -1), (1, 2, 3), torch.zeros(500, 1, 1, 1))
    x = redraw(likelihood, o, Rng(0))
    assert bool((x[o.observed] == 1).all())
    free = x[~o.observed]
    assert set(free.tolist()) == {0.0, 1.0}
    assert float(free.mean()) == pytest.approx(0.269, abs=5 * (0.2 / 1500) ** 0.5)
