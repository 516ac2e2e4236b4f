"""Every sampler against the one model whose p(x | y) is known in closed form."""

import math

import pytest
import torch
from linear_gaussian import PCA, PCAConfig

from restorekit import plugins, testing
from restorekit.corruptions import Chain, Clean, Gaussian, Missing, Poisson, SaltPepper
from restorekit.errors import UsageError
from restorekit.likelihoods import DiagonalGaussian
from restorekit.models import CVAE
from restorekit.noise import Noise
from restorekit.samplers import Gibbs
from restorekit.samplers.gibbs import posterior
from restorekit.types import Observation

DRAWS = 8000
SEEN = torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool).view(1, 1, 2, 3)


def _observation(sigma, observed):
    """Two draws of the model, observed with the noise and the gaps asked for."""
    model, noise = PCA(PCAConfig()).eval(), Noise(5)
    with torch.no_grad():
        x = model.decode(model.prior().sample(2, (1, 2, 3), noise)).sample(noise)
    observed = observed.expand(2, -1, -1, -1)
    y = x + sigma * noise.normal("y", tuple(x.shape), "cpu")
    return model, Observation(y * observed, observed, (1, 2, 3), torch.full((2, 1, 1, 1), sigma))


@pytest.mark.parametrize(
    ("corruption", "sigma", "observed"),
    [
        (Gaussian(0.4), 0.4, torch.ones_like(SEEN)),
        (Missing(0.5), 0.0, SEEN),
        (Chain((Gaussian(0.4), Missing(0.5))), 0.4, SEEN),
        (Missing(1.0), 0.0, torch.zeros_like(SEEN)),
    ],
    ids=["noise", "missing", "both", "nothing observed"],
)
@pytest.mark.parametrize("name", plugins.samplers())
def test_draws_have_the_mean_and_covariance_of_the_exact_posterior(name, corruption, sigma, observed):
    model, observation = _observation(sigma, observed)
    sampler = plugins.samplers()[name]()
    if sampler.refuse(model, corruption):
        pytest.skip(f"{name} refuses {corruption}")
    with torch.no_grad():
        draws = sampler(model, corruption, observation, DRAWS, Noise(0))
    means, covariances = model.posterior(observation)
    for i in range(2):
        drawn = draws.mean[:, i].flatten(1).double()
        exact, spread = means[i].double(), covariances[i].double()
        found = torch.cov(drawn.T) + torch.diag(draws.variance[:, i].flatten(1).double().mean(0))
        # each draw is a chain of its own, so that the effective sample size is the number of draws
        variance = spread.diag().clamp_min(0)  # of an observed value 0, but for rounding
        error = (variance / DRAWS).sqrt()
        assert ((drawn.mean(0) - exact).abs() < 5 * error + 1e-4).all()
        error = ((variance[:, None] * variance + spread**2) / DRAWS).sqrt()
        assert ((found - spread).abs() < 5 * error + 1e-4).all()


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


@pytest.mark.parametrize("sigma", [None, torch.full((2, 1, 1, 1), math.nan)], ids=["None", "NaN"])
def test_an_unknown_noise_level_is_an_error_that_says_what_to_do(sigma):
    model, observation = _observation(0.1, SEEN)
    unknown = Observation(observation.y, observation.observed, observation.shape, sigma)
    with pytest.raises(UsageError, match="--sigma auto"):
        Gibbs()(model, Gaussian(0.1), unknown, 1, Noise(0))


def test_refusals_name_what_would_work():
    latent, conditional = PCA(PCAConfig()), testing.build(CVAE, CVAE.Config(**CVAE.presets["small"]))
    for fine in (Clean(), Gaussian(), Missing(), Chain((Gaussian(), Missing()))):
        assert Gibbs().refuse(latent, fine) is None
    assert "poisson" in Gibbs().refuse(latent, Chain((Poisson(), Missing())))
    assert "conditional" in Gibbs().refuse(conditional, Gaussian())
    assert "saltpepper" in Gibbs().refuse(latent, SaltPepper())


def test_a_latent_model_without_a_sampler_says_so():
    model, observation = _observation(0.1, SEEN)
    with pytest.raises(UsageError, match="sampler"):
        model.sample(observation, Gaussian(0.1), 1, Noise(0))
